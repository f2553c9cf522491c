/** `ssmctl log-level`: how talkative a running program is, and how talkative it is to be. */
import type { Command } from 'commander'
import { loadPlace } from '../config/load.js'
import { findRole } from '../config/role.js'
import { SsmError } from '../errors.js'
import { LEVELS } from '../observe/create-log.js'
import { printable } from '../observe/printable.js'
import type { Ctl } from './ssmctl-process.js'
import { CONFIG_OPTION, configOf } from './ssmctl-status.js'

export function addLogLevelVerb(command: Command, ctl: Ctl): void {
  command
    .command('log-level')
    .argument('[level]', `one of ${LEVELS.join(', ')}; absent: only say what it is`)
    .option(...CONFIG_OPTION)
    .description('The level of the log of a program that runs, or another one until it starts again or gets SIGHUP.')
    .action(ctl.action((level: string | undefined, flags: { config?: string }) => logLevel(level, flags.config, ctl)))
}

async function logLevel(word: string | undefined, config: string | undefined, ctl: Ctl): Promise<number> {
  const cwd = ctl.program.cwd()
  const file = configOf(config, cwd)
  const { path, daemon } = loadPlace(file, findRole(file), cwd)
  const [{ askRunning }, { socketPath }, { parseLevel }] = await Promise.all([
    import('./status/ask.js'),
    import('./status/verbs.js'),
    import('./status/log-level.js'),
  ])
  const level = word === undefined ? undefined : parseLevel(word)
  if (word !== undefined && level === undefined) {
    throw new SsmError('usage', `${printable(word)} is no level: write one of ${LEVELS.join(', ')}`)
  }
  const request = { verb: 'log-level', ...(level === undefined ? {} : { level }) }
  const answer = await askRunning(socketPath(path, daemon), request)
  if (answer === undefined) {
    throw new SsmError('unreachable', `no program that could be asked runs with ${printable(file)} (ssmctl status)`)
  }
  await ctl.out.write(`${wordsOf(answer)}\n`)
  return 0
}

/** What another version answers may be anything. */
function wordsOf(answer: unknown): string {
  const { level, before } = typeof answer === 'object' && answer !== null ? (answer as Record<string, unknown>) : {}
  return level === before ? printable(String(level)) : printable(`${String(level)}, was ${String(before)}`)
}
