/**
 * Keeps the reject spool within its limits: what is too old goes, and when it takes too much of the disk the oldest go,
 * first those whose signer nobody vouched for: whoever may write to the destination can fill it with garbage.
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
/** A signer's name is far shorter. */
const SIGNER_LIMIT = 65_536

export interface RejectLimitsOptions {
  readonly queue: Pick<Spool<unknown>, 'ids' | 'claim'> & { readonly path: string }
  readonly disk: Disk
  readonly clock: Clock
  /** ms; undefined: however old. */
  readonly keep: number | undefined
  /** 0: however large. */
  readonly maxBytes: number
  readonly isVerified: (signer: string) => boolean
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
  let running: Promise<Sweep> | undefined

  function sweep(): Promise<Sweep> {
    running ??= sweepOnce(options)
      .then((done) => {
        used = done.bytes
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
  const unverified = await removeSome(
    options,
    async (element) => !(await isVerified(options, element.id)) && take(element),
    isTooMuch,
  )
  const verified = isTooMuch() ? await removeSome(options, take, isTooMuch) : 0
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

async function isVerified({ queue, disk, isVerified: judge }: RejectLimitsOptions, id: MessageId): Promise<boolean> {
  try {
    const file = await readRegularFile(disk, `${queue.path}/${id}/signer`, SIGNER_LIMIT)
    return file !== null && judge(file.bytes.toString('utf8'))
  } catch {
    // Not to be read: nobody's message.
    return false
  }
}
