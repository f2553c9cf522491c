/** `ssmctl ams peek` and `drain`: messages of a subscription, seen or taken without being judged. */
import { statSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { SsmError } from '../errors.js'
import { PRINTABLE_LIMITS, printable } from '../observe/printable.js'
import { systemClock } from '../os/clock.js'
import { createDisk } from '../os/disk.js'
import { replaceFile } from '../os/durable.js'
import type { Pulled } from '../transport/ams/index.js'
import type { Ams } from './ams-open.js'
import type { DrainFlags, PeekFlags, Told } from './ssmctl-ams.js'

/** Of a pull. */
const MOST = 100
/** Characters of a body that are shown. */
const SHOWN = 4096
/** Pulls that give nothing though there is something; the service does so now and then. */
const EMPTY_PULLS = 20
const PAUSE_MS = 250

function countOf(text: string | undefined): number | undefined {
  if (text === undefined) return undefined
  if (/^[1-9]\d{0,8}$/u.test(text)) return Number(text)
  throw new SsmError('usage', `--count ${printable(text)}: write a number from 1`)
}

export async function peek(ams: Ams, { flags, ctl, signal }: Told<PeekFlags>): Promise<number> {
  const name = ams.subscription()
  const count = Math.min(countOf(flags.count) ?? MOST, MOST)
  const messages = ams.valueOf(await ams.operator.pull(name, count, signal))
  for (const message of messages) {
    const { body, empaid } = ams.contentOf(message)
    const text = Buffer.from(body).subarray(0, SHOWN)
    const about = { offset: message.offset, published: message.publishTime, empaid, bytes: body.length }
    if (flags.json === true) {
      const shown = flags.body === true ? { body: Buffer.from(body).toString('base64') } : {}
      await ctl.out.write(`${JSON.stringify({ ...about, ...shown })}\n`)
      continue
    }
    const row = [about.offset, about.published, about.bytes, about.empaid].map((cell) => printable(String(cell)))
    await ctl.out.write(`${row.join('\t')}\n`)
    if (flags.body !== true) continue
    for (const line of text.toString('utf8').split('\n')) {
      await ctl.out.write(`  ${printable(line, PRINTABLE_LIMITS.sentence)}\n`)
    }
  }
  return 0
}

export async function drain(ams: Ams, told: Told<DrainFlags>): Promise<number> {
  const { flags, ctl, signal } = told
  const name = ams.subscription()
  const to = directoryOf(told)
  const { current, max } = ams.valueOf(await ams.operator.offsets(name, signal))
  const end = Math.min(max, current + (countOf(flags.count) ?? Infinity))
  const waiting = end - current
  let taken = 0
  if (flags.yes === true) taken = await take(ams, name, current, end, to, signal)
  const where = to === null ? 'thrown away' : `put into ${printable(to)}`
  if (flags.json === true) {
    await ctl.out.write(`${JSON.stringify({ subscription: name, waiting, taken, to })}\n`)
  } else if (flags.yes === true) await ctl.out.write(`${taken} messages of ${name} were taken and ${where}\n`)
  else await ctl.out.write(`${waiting} messages of ${name} would be taken and ${where} (--yes does it)\n`)
  return 0
}

/** null: they are thrown away. Throws SsmError `usage`. */
function directoryOf({ flags: { to, discard }, ctl }: Told<DrainFlags>): string | null {
  if ((to === undefined) === (discard !== true)) {
    throw new SsmError('usage', 'write --to DIR, or --discard to throw them away')
  }
  if (to === undefined) return null
  const path = resolve(ctl.program.cwd(), to)
  if (statSync(path, { throwIfNoEntry: false })?.isDirectory() !== true) {
    throw new SsmError('usage', `${printable(to)} is no directory`)
  }
  return path
}

/** Each pull is acknowledged once all of it is in files. Stops between two pulls when the signal fires. */
async function take(
  ams: Ams,
  name: string,
  from: number,
  end: number,
  to: string | null,
  signal: AbortSignal,
): Promise<number> {
  const { operator, valueOf } = ams
  let taken = 0
  let at = from
  for (let empty = 0; at < end && empty < EMPTY_PULLS && !signal.aborted;) {
    const messages = valueOf(await operator.pull(name, Math.min(MOST, end - at), signal))
    const last = messages.at(-1)
    if (last === undefined) {
      empty += 1
      await systemClock.sleep(PAUSE_MS, signal)
      continue
    }
    empty = 0
    if (to !== null) for (const message of messages) await keep(ams, to, message)
    valueOf(await operator.acknowledge(name, last.ackId, signal))
    taken += messages.length
    at = last.offset + 1
  }
  return taken
}

async function keep(ams: Ams, to: string, message: Pulled): Promise<void> {
  const { body } = ams.contentOf(message)
  await replaceFile(createDisk(), join(to, `${message.offset}.msg`), body, 0o600)
}
