/**
 * How much is held, in all and for each CA: one whose CRL is outdated must not use up the room of the others.
 */
import { SsmError } from '../errors.js'
import type { Disk } from '../os/disk.js'
import { readRegularFile } from '../os/safe-open.js'
import { nextTurn } from '../os/turn.js'
import { lookAt } from './listing.js'

export interface HeldLimits {
  readonly messages: number
  readonly bytes: number
}

export const HELD_LIMITS: HeldLimits = { messages: 10_000, bytes: 1024 ** 3 }
/** Of all, a CA may have one in so many. */
const SHARE = 4
/** A CA's name; longer ones are not ours. */
const NAME_LIMIT = 65_536

interface Sum {
  messages: number
  bytes: number
}

export interface HeldQuota {
  /** Has this CA used up its share? Throws SsmError `disk` when there is no room for any. */
  isFull(ca: string, bytes: number): boolean
  entered(ca: string, bytes: number): void
  left(ca: string, bytes: number): void
  /** Counts anew what lies in the held queue at `path`. Throws SsmError `disk`. */
  count(disk: Disk, path: string, ids: AsyncIterable<string>): Promise<void>
}

export function createHeldQuota(limits: HeldLimits = HELD_LIMITS): HeldQuota {
  const all: Sum = { messages: 0, bytes: 0 }
  const byCa = new Map<string, Sum>()

  const exceeds = (sum: Sum, bytes: number, share: number): boolean =>
    (sum.messages + 1) * share > limits.messages || (sum.bytes + bytes) * share > limits.bytes

  function add(ca: string, messages: number, bytes: number): void {
    const sum = byCa.get(ca) ?? { messages: 0, bytes: 0 }
    for (const each of [all, sum]) {
      each.messages += messages
      each.bytes += bytes
    }
    if (sum.messages > 0) byCa.set(ca, sum)
    else byCa.delete(ca)
  }

  return {
    isFull(ca, bytes) {
      if (exceeds(all, bytes, 1)) {
        const words = `${all.messages} messages of ${all.bytes} bytes are held`
        throw new SsmError('disk', `${words}, as many as may be: renew the CRLs of the CA directory`)
      }
      const sum = byCa.get(ca)
      return sum !== undefined && exceeds(sum, bytes, SHARE)
    },
    entered: (ca, bytes) => {
      add(ca, 1, bytes)
    },
    left: (ca, bytes) => {
      add(ca, -1, -bytes)
    },
    async count(disk, path, ids) {
      all.messages = all.bytes = 0
      byCa.clear()
      for await (const id of ids) {
        const bytes = lookAt(disk, `${path}/${id}/body`)?.size ?? 0
        add(await readName(disk, `${path}/${id}/ca`), 1, bytes)
        if (all.messages % 64 === 0) await nextTurn()
      }
    },
  }
}

async function readName(disk: Disk, path: string): Promise<string> {
  try {
    return (await readRegularFile(disk, path, NAME_LIMIT))?.bytes.toString('utf8') ?? ''
  } catch {
    // A damaged one counts all the same; judging it will say what is wrong.
    return ''
  }
}
