/**
 * The process as an argument: what the programs use of it, so that nothing below `bin` reaches for a global.
 */
export type Program = Pick<
  NodeJS.Process,
  | 'argv'
  | 'chdir'
  | 'connected'
  | 'cwd'
  | 'disconnect'
  | 'env'
  | 'execArgv'
  | 'execPath'
  | 'exit'
  | 'getuid'
  | 'getegid'
  | 'kill'
  | 'listenerCount'
  | 'off'
  | 'on'
  | 'pid'
  | 'send'
  | 'setegid'
  | 'seteuid'
  | 'setgid'
  | 'setgroups'
  | 'setuid'
  | 'stderr'
  | 'stdout'
  | 'umask'
> & {
  /** Missing from the type declarations of Node, present since 0.9. */
  readonly initgroups?: (user: number | string, group: number | string) => void
}
