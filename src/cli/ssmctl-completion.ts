/** `ssmctl completion`: what can be typed, for shells. */
import { Argument, type Command } from 'commander'
import { bashCompletion } from './completion/bash.js'
import { linesOf, type Line } from './completion/lines.js'
import { zshCompletion } from './completion/zsh.js'
import { createCommand } from './flag-command.js'
import type { Ctl } from './ssmctl-process.js'

const SHELLS: Readonly<Record<string, (lines: readonly Line[]) => string>> = {
  bash: bashCompletion,
  zsh: zshCompletion,
}

export function addCompletionVerb(command: Command, ctl: Ctl): void {
  command
    .command('completion')
    .addArgument(new Argument('<shell>').choices(Object.keys(SHELLS)))
    .description(
      'Completion of verbs and flags of all three programs, for bash or zsh: a script, to source or to install.',
    )
    .action(
      ctl.action(async (shell: string) => {
        const lines = linesOf([createCommand('ssmsend'), createCommand('ssmreceive'), command])
        await ctl.out.write(SHELLS[shell]?.(lines) ?? '')
        return 0
      }),
    )
}
