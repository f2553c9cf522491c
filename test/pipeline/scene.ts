/** The real spools with their journal, and where messages are placed in them. */
import type { Open, Opened } from '../../src/message.js'
import { systemClock as clock } from '../../src/os/clock.js'
import { createDisk, type Disk } from '../../src/os/disk.js'
import { createDirectorySync } from '../../src/os/durable.js'
import { judgeHeld } from '../../src/pipeline/held.js'
import { createPlace, type Elements } from '../../src/pipeline/place.js'
import { createExactlyOnce } from '../../src/spool/journal/exactly-once.js'
import { identify } from '../../src/spool/journal/identity.js'
import { createJournal } from '../../src/spool/journal/journal.js'
import { createSchemaQueue } from '../../src/spool/schema-queue.js'
import type { FaultyDisk, Operation } from '../kit/disk.js'
import { MemoryLog } from './doubles.js'

const HELD = { body: 'binary', empaid: 'string', error: 'string', ca: 'string', since: 'string' } as const

export interface SceneOptions {
  readonly replay?: 'store' | 'reject'
  readonly isHoldFull?: (ca: string) => boolean
  readonly disk?: Disk
}

/** The real spools, journal and all. */
export async function createScene(
  path: string,
  { replay = 'store', isHoldFull, disk = createDisk() }: SceneOptions = {},
) {
  const log = new MemoryLog()
  const shared = { disk, clock, sync: createDirectorySync(disk) }
  const onUnusable = () => undefined
  const keep = { age: 7 * 86_400_000, count: 1_000_000 }
  const journal = createJournal({ ...shared, path, duplicateWindow: 86_400_000, keep, onUnusable })
  const incoming = { body: 'binary', signer: 'string', empaid: 'string?' } as const
  const queues = {
    incoming: createSchemaQueue({ ...shared, path: `${path}/incoming`, schema: incoming }),
    reject: createSchemaQueue({ ...shared, path: `${path}/reject`, schema: { ...incoming, error: 'string' } as const }),
    held: createSchemaQueue({ ...shared, path: `${path}/held`, schema: HELD }),
  }
  const ledger = createExactlyOnce<Elements>({ journal, queues, clock })
  await ledger.recover()
  const printable = (text: string, limit: number) => text.slice(0, limit)
  const deps = { ledger, identify, replay, log, printable, now: () => Date.now() }
  const place = createPlace(isHoldFull === undefined ? deps : { ...deps, isHoldFull })
  const judge = (open: Open, keepFor = 1e9) => {
    const hooks = { held: queues.held, open, place, log, now: () => Date.now(), keep: keepFor, onLeft: () => undefined }
    return judgeHeld(hooks, new AbortController().signal)
  }
  return { log, place, judge, ledger, held: queues.held, reject: queues.reject }
}

/** Accepted; a signature of its own for each `wire`. */
export const ok = (wire: string): Opened => ({
  verdict: 'ok',
  plain: { body: Buffer.from(`content of ${wire}`) },
  signer: { rdns: [], slash: '/CN=a', key: 'a' },
  identity: { certificate: 'c', signature: wire, content: wire, signingTime: 0 },
})
export const hold = { verdict: 'hold', reason: 'crl-outdated', detail: 'old', ca: '/CN=CA' } as const satisfies Opened
export const bad = { verdict: 'no', reason: 'signature', detail: 'altered' } as const satisfies Opened

const CHANGES: readonly Operation[] = [
  ...(['open', 'createFile', 'createDirectory', 'removeFile', 'write', 'fsync'] as const),
  ...(['rename', 'mkdir', 'rmdir'] as const),
]

/** From the n-th change on, nothing is done any more. Answers whether it came to that. */
export function killAt(disk: FaultyDisk, steps: number): () => boolean {
  let left = steps
  for (const operation of CHANGES) {
    disk.before(operation, () => {
      left -= 1
      if (left < 0) throw new Error('killed')
    })
  }
  return () => left < 0
}
