/**
 * Keeps the reject spool within its limits: what is too old goes, and when it takes too much of the disk the oldest go,
 * first those whose signer nobody vouched for: whoever may write to the destination can fill it with garbage. Then those whom
 * only a CRL kept from being judged: a CA did sign for them, and nobody knows whether it still would. The verified ones last.
 *
 * Streams over the spool, however large. Throws SsmError `disk`.
 */
import type { MessageId } from '../message.js'
import type { Clock } from '../os/clock.js'
import type { Disk } from '../os/disk.js'
import { readRegularFile } from '../os/safe-open.js'
import { nextTurn } from '../os/turn.js'
import { lookAt } from './listing.js'
import { timeOfName } from './names.js'
import type { Spool } from './port.js'

/** What a file or directory takes at least, bytes. */
const BLOCK = 4096
const FIELDS = ['body', 'signer', 'empaid', 'error'] as const
/** After a sweep it is so full: so that not every message begins another one. */
const TARGET = 0.9
/** Removed at a time: they share fsyncs. */
const AT_ONCE = 16
/** A signer's name, or an error, is far shorter. */
const TEXT_LIMIT = 65_536

/** The order in which they go. */
export const STANDINGS = ['unknown', 'unjudged', 'verified'] as const
export type Standing = (typeof STANDINGS)[number]

export interface RejectLimitsOptions {
  readonly queue: Pick<Spool<unknown>, 'ids' | 'claim'> & { readonly path: string }
  readonly disk: Disk
  readonly clock: Clock
  /** ms; undefined: however old. */
  readonly keep: number | undefined
  /** 0: however large. */
  readonly maxBytes: number
  /** Fields that cannot be read are empty. */
  readonly standingOf: (signer: string, error: string) => Standing
}

/** What a sweep removed, and what was left. */
export interface Sweep {
  readonly old: number
  readonly unverified: number
  readonly verified: number
  readonly bytes: number
}

export interface RejectLimits {
  /** Before a reject of so many bytes is stored: sweeps when there is too much. undefined: there was no need. */
  makeRoom(bytes: number): Promise<Sweep | undefined>
  /** Looks at everything. */
  sweep(): Promise<Sweep>
}

export function createRejectLimits(options: RejectLimitsOptions): RejectLimits {
  const { maxBytes } = options
  /** undefined: not measured yet. */
  let used: number | undefined
  /** Bytes that came while a sweep was running: it may not have seen them. To count them twice costs another sweep only. */
  let since = 0
  let running: Promise<Sweep> | undefined

  function sweep(): Promise<Sweep> {
    if (running === undefined) since = 0
    running ??= sweepOnce(options)
      .then((done) => {
        used = done.bytes + since
        return done
      })
      .finally(() => (running = undefined))
    return running
  }

  return {
    sweep,
    async makeRoom(bytes) {
      if (maxBytes === 0) return undefined
      const more = diskBytes(bytes) + FIELDS.length * BLOCK
      if (used !== undefined) used += more
      since += more
      return used === undefined || used > maxBytes ? await sweep() : undefined
    },
  }
}

function diskBytes(size: number): number {
  return Math.max(1, Math.ceil(size / BLOCK)) * BLOCK
}

interface Element {
  readonly id: MessageId
  readonly bytes: number
}

async function sweepOnce(options: RejectLimitsOptions): Promise<Sweep> {
  const { keep = Number.POSITIVE_INFINITY, maxBytes, clock } = options
  const oldest = clock.now() - keep
  let bytes = 0
  const old = await removeSome(options, (element) => {
    const isOld = timeOfName(element.id.slice(9)) < oldest
    if (!isOld) bytes += element.bytes
    return isOld
  })
  if (maxBytes === 0 || bytes <= maxBytes) return { old, unverified: 0, verified: 0, bytes }
  const isTooMuch = (): boolean => bytes > maxBytes * TARGET
  const take = (element: Element): boolean => {
    bytes -= element.bytes
    return true
  }
  let [unverified, verified] = [0, 0]
  for (const standing of STANDINGS) {
    if (!isTooMuch()) break
    const choose = async (element: Element): Promise<boolean> =>
      (await standingOf(options, element.id)) === standing && take(element)
    const removed = await removeSome(options, choose, isTooMuch)
    if (standing === 'verified') verified += removed
    else unverified += removed
  }
  return { old, unverified, verified, bytes }
}

/** Goes through the spool, oldest first, while `goOn`; removes those chosen that nobody holds. Answers how many. */
async function removeSome(
  options: RejectLimitsOptions,
  choose: (element: Element) => boolean | Promise<boolean>,
  goOn: () => boolean = () => true,
): Promise<number> {
  const { queue } = options
  let removed = 0
  let batch: MessageId[] = []
  const flush = async (): Promise<void> => {
    const gone = await Promise.all(batch.map((id) => removeOne(queue, id)))
    removed += gone.filter((each) => each).length
    batch = []
  }
  let seen = 0
  for await (const id of queue.ids()) {
    if (!goOn()) break
    if (await choose({ id, bytes: sizeOf(options, id) })) batch.push(id)
    if (batch.length >= AT_ONCE) await flush()
    seen += 1
    if (seen % 64 === 0) await nextTurn()
  }
  await flush()
  return removed
}

async function removeOne(queue: RejectLimitsOptions['queue'], id: MessageId): Promise<boolean> {
  await using claim = await queue.claim(id)
  if (claim === null) return false
  await claim.remove()
  return true
}

function sizeOf({ queue, disk }: RejectLimitsOptions, id: MessageId): number {
  const sizes = FIELDS.map((field) => lookAt(disk, `${queue.path}/${id}/${field}`)?.size)
  return BLOCK + sizes.reduce<number>((sum, size) => sum + (size === undefined ? 0 : diskBytes(size)), 0)
}

async function standingOf(options: RejectLimitsOptions, id: MessageId): Promise<Standing> {
  const [signer, error] = await Promise.all([readText(options, id, 'signer'), readText(options, id, 'error')])
  return options.standingOf(signer, error)
}

async function readText({ queue, disk }: RejectLimitsOptions, id: MessageId, field: string): Promise<string> {
  try {
    const file = await readRegularFile(disk, `${queue.path}/${id}/${field}`, TEXT_LIMIT)
    return file === null ? '' : file.bytes.toString('utf8')
  } catch {
    // Not to be read: nobody's message.
    return ''
  }
}
