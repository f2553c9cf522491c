/** `ssmctl status`: does it run, and how is it? */
import { existsSync } from 'node:fs'
import { resolve } from 'node:path'
import type { Command } from 'commander'
import { loadPlace } from '../config/load.js'
import { findRole } from '../config/role.js'
import { SsmError, isSsmError } from '../errors.js'
import { systemClock } from '../os/clock.js'
import { hasColour } from './colour.js'
import { OutputClosed, type Ctl } from './ssmctl-process.js'
import { USUAL_CONFIG } from './usual-places.js'

interface Flags {
  readonly config?: string
  readonly json?: true
  readonly watch?: true
}

/** Where they are looked for without `-c`. */
const USUAL = [USUAL_CONFIG.ssmreceive, USUAL_CONFIG.ssmsend]
/** `--watch` looks so often, ms. */
const INTERVAL = 2000
/** The cursor goes home, and what is below it is cleared: nothing flickers, and nothing of before stays. */
const HOME = '\x1b[H\x1b[J'

/** For all verbs that ask a running program. */
export const CONFIG_OPTION = [
  '-c, --config <file>',
  `configuration of a receiver or a sender (default: ${USUAL.join(', else ')})`,
] as const

export function addStatusVerb(command: Command, ctl: Ctl): void {
  command
    .command('status')
    .option(...CONFIG_OPTION)
    .option('--json', 'a JSON object')
    .option('--watch', 'look again every 2 s')
    .description(
      'Does it run, and how is it? Exit code 0: it runs and is connected; 1: it does not run, is not connected, or pauses.',
    )
    .action(ctl.action((flags: Flags) => status(flags, ctl)))
}

async function status(flags: Flags, ctl: Ctl): Promise<number> {
  const { stdout } = ctl.program
  const cwd = ctl.program.cwd()
  const file = configOf(flags.config, cwd)
  const place = loadPlace(file, findRole(file), cwd)
  const [{ isHealthy, lookAtProgram }, { renderSeen }] = await Promise.all([
    import('./status/look.js'),
    import('./status/render.js'),
  ])
  const colour = hasColour(ctl.program)
  const once = async (): Promise<number> => {
    const seen = await lookAtProgram(place, systemClock.now())
    const text = flags.json === true ? `${JSON.stringify(seen)}\n` : renderSeen(seen, colour)
    await ctl.out.write(flags.watch === true && flags.json !== true ? again(text, stdout.isTTY) : text)
    return isHealthy(seen) ? 0 : 1
  }
  return flags.watch === true ? await watch(once, ctl) : await once()
}

function again(text: string, isTerminal: boolean): string {
  return isTerminal ? `${HOME}${text}` : `${text}\n`
}

/** Until a signal. Answers as the last look did. */
async function watch(once: () => Promise<number>, ctl: Ctl): Promise<number> {
  const stop = new AbortController()
  const onStop = (): void => {
    stop.abort()
  }
  ctl.program.on('SIGINT', onStop)
  ctl.program.on('SIGTERM', onStop)
  try {
    for (;;) {
      const exit = await once()
      try {
        await systemClock.sleep(INTERVAL, stop.signal)
      } catch (error) {
        if (isSsmError(error, 'aborted')) return exit
        throw error
      }
    }
  } catch (error) {
    // Who looked has gone away: as with a signal.
    if (error instanceof OutputClosed) return OutputClosed.exit
    throw error
  } finally {
    ctl.program.off('SIGINT', onStop)
    ctl.program.off('SIGTERM', onStop)
  }
}

/** The file of `-c`, or the usual one. */
export function configOf(config: string | undefined, cwd: string): string {
  return config === undefined ? usual() : resolve(cwd, config)
}

function usual(): string {
  const found = USUAL.find((file) => existsSync(file))
  if (found === undefined) throw new SsmError('usage', `there is no ${USUAL.join(' and no ')}: name a file with -c`)
  return found
}
