/** The table of checks, gone through in order, each with a time limit. */
import { loadReceiverConfig, loadSenderConfig } from '../../config/load.js'
import { isSsmError, messageOf } from '../../errors.js'
import { systemClock } from '../../os/clock.js'
import { diskError } from '../../os/disk-error.js'
import type { Program } from '../program.js'
import { OutputClosed, createOutput } from '../ssmctl-process.js'
import { AMS_CHECKS } from './ams.js'
import { BROKER_CHECKS } from './broker.js'
import { FILE_CHECKS } from './files.js'
import { failed, ok, warning, type Check, type Finding, type Subject } from './finding.js'
import { IDENTITY_CHECKS } from './identity.js'
import { INSTALLATION_CHECKS } from './installation.js'
import { createPaint, hasColour } from '../colour.js'
import { isGood, renderJson, renderText } from './render.js'
import { RIGHTS_CHECKS } from './rights.js'
import { SPOOL_CHECKS } from './spool.js'
import { TRUST_CHECKS } from './trust.js'

const CHECKS: readonly Check[] = [
  { about: 'configuration', run: checkConfiguration },
  ...IDENTITY_CHECKS,
  ...TRUST_CHECKS,
  ...SPOOL_CHECKS,
  ...RIGHTS_CHECKS,
  ...FILE_CHECKS,
  ...INSTALLATION_CHECKS,
  ...BROKER_CHECKS,
  ...AMS_CHECKS,
]

/** A check may take this long, ms, unless it says otherwise: a file system of a server that is gone answers never. */
const LIMIT = 20_000

export interface CheckOptions {
  readonly config: string
  readonly dnFile: string
  readonly tryDestination: boolean
}

/** Checks a set-up and prints what was found. Exit code 0: nothing failed; 1: something did. */
export async function runCheck(
  role: Subject['role'],
  flags: CheckOptions & { readonly json: boolean },
  program: Program,
): Promise<number> {
  const findings = await checkSetup(role, flags, program)
  const report = { role, file: flags.config, findings }
  try {
    await createOutput(program.stdout).write(
      flags.json ? renderJson(report) : renderText(report, createPaint(hasColour(program))),
    )
  } catch (error) {
    // `--check | head`: whoever reads knows enough.
    if (!(error instanceof OutputClosed)) throw error
  }
  return isGood(findings) ? 0 : 1
}

/** All findings, in the order of the table. Never throws for what it finds. */
export async function checkSetup(
  role: Subject['role'],
  flags: CheckOptions,
  program: Program,
): Promise<readonly Finding[]> {
  let subject: Subject
  try {
    subject = loadSubject(role, flags, program)
  } catch (error) {
    if (!isSsmError(error)) throw error
    return problemsOf(error.message)
  }
  const findings: Finding[] = []
  for (const check of CHECKS) {
    if (check.only === undefined || check.only === role) findings.push(...(await inTime(check, subject)))
  }
  return findings
}

/** A message with a heading and a line for each problem, then perhaps one for each warning (config/load.ts). */
function problemsOf(message: string): readonly Finding[] {
  const about = 'configuration'
  const lines = message.split('\n')
  if (lines.length === 1) return [failed(about, message)]
  const noticed = lines.indexOf('Also noticed:')
  return lines.flatMap((line, at) => {
    if (!line.startsWith(' ')) return []
    return [noticed === -1 || at < noticed ? failed(about, line.trim()) : warning(about, line.trim())]
  })
}

function loadSubject(role: Subject['role'], flags: CheckOptions, program: Program): Subject {
  const { config: file, dnFile, tryDestination } = flags
  const base = { file, dnFile, program, now: systemClock.now(), tryDestination }
  if (role === 'sender') {
    const { config, warnings } = loadSenderConfig(file, program.cwd())
    return { ...base, role, config, warnings }
  }
  const { config, warnings } = loadReceiverConfig(file, program.cwd())
  return { ...base, role, config, warnings }
}

function checkConfiguration({ file, warnings }: Subject): readonly Finding[] {
  const all = ok('configuration', `${file} is complete`)
  return [all, ...warnings.map((text) => warning('configuration', text))]
}

function wordsOf(error: unknown): string {
  const { path } = error instanceof Error ? (error as NodeJS.ErrnoException) : {} // looked at before it is used
  if (!isSsmError(error) && typeof path === 'string') return diskError(error, 'look at', path).message
  return `${error instanceof TypeError ? 'fault of this program: ' : ''}${messageOf(error)}`
}

async function inTime(check: Check, subject: Subject): Promise<readonly Finding[]> {
  const { about, limit = LIMIT } = check
  const stop = new AbortController()
  const done = new AbortController()
  try {
    // Wrapped, so that a synchronous check that throws is treated alike.
    const running = Promise.resolve().then(() => check.run(subject, stop.signal))
    const late = systemClock.sleep(limit, done.signal).then(() => {
      stop.abort()
      return [
        failed(about, `no answer within ${limit / 1000} s`, 'a network file system or a name service that hangs?'),
      ]
    })
    // It ends as `aborted` when the check was in time.
    late.catch(() => undefined)
    return await Promise.race([running, late])
  } catch (error) {
    return [failed(about, wordsOf(error))]
  } finally {
    done.abort()
  }
}
