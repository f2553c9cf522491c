/** A receiver's spool as another run would find it: journal, three queues, and messages to store. */
import { createHash } from 'node:crypto'
import { readdirSync } from 'node:fs'
import type { Opened } from '../../../src/message.js'
import type { Clock } from '../../../src/os/clock.js'
import { systemClock } from '../../../src/os/clock.js'
import { createDisk, type Disk } from '../../../src/os/disk.js'
import { createDirectorySync } from '../../../src/os/durable.js'
import { createExactlyOnce, type ExactlyOnce, type QueueName } from '../../../src/spool/journal/exactly-once.js'
import { identify, type Identity } from '../../../src/spool/journal/identity.js'
import { createJournal, type Journal } from '../../../src/spool/journal/journal.js'
import { createSchemaQueue } from '../../../src/spool/schema-queue.js'
import { readQueue } from '../../kit/site.js'

const SCHEMA = { body: 'binary', empaid: 'string' } as const
export interface Item {
  readonly body: Uint8Array
  readonly empaid: string
}
export interface Run {
  readonly journal: Journal
  readonly ledger: ExactlyOnce<Record<QueueName, Item>>
  readonly unusable: string[]
  /** As a receiver would: known, or stored. Answers what it was taken for. */
  take(message: Message): Promise<string>
}

export interface RunOptions {
  readonly disk?: Disk
  readonly clock?: Clock
  readonly duplicateWindow?: number
  readonly keep?: { readonly age: number; readonly count: number }
  readonly replay?: 'store' | 'reject'
}

/** A run of the receiver on `path`: nothing is recovered yet. */
export function createRun(path: string, options: RunOptions = {}): Run {
  const { disk = createDisk(), clock = systemClock } = options
  const shared = { disk, clock, sync: createDirectorySync(disk) }
  const unusable: string[] = []
  const { duplicateWindow = 86_400_000, keep = { age: 7 * 86_400_000, count: 1_000_000 } } = options
  const onUnusable = (segment: string, error: { readonly message: string }) => {
    unusable.push(`${segment}: ${error.message}`)
  }
  const journal = createJournal({ ...shared, path, duplicateWindow, keep, onUnusable })
  const queue = (name: QueueName) => createSchemaQueue({ ...shared, path: `${path}/${name}`, schema: SCHEMA })
  const queues = { incoming: queue('incoming'), reject: queue('reject'), held: queue('held') }
  const ledger = createExactlyOnce<Record<QueueName, Item>>({ journal, queues, clock })
  return {
    journal,
    ledger,
    unusable,
    async take(message) {
      const known = ledger.look(message.identity)
      if (known !== undefined && known.what !== 'replay') {
        await known.name()
        return known.what
      }
      await ledger.store(message.queue, { body: message.body, empaid: message.id }, message.identity.key)
      return known?.what ?? 'stored'
    },
  }
}

export interface Message {
  readonly id: string
  readonly body: Buffer
  readonly queue: QueueName
  readonly identity: Identity
}

const sha = (text: string) => createHash('sha256').update(text).digest('hex')

export interface Parts {
  readonly id?: string
  readonly content?: string
  readonly signer?: string
  /** Whole seconds: with the content it makes the signature, as RSA PKCS#1 does. */
  readonly second?: number
}

export const SECOND = 1_700_000_000

/** An accepted message. */
export function createMessage({ id = 'noid', content = 'x', signer = 'a', second = SECOND }: Parts): Message {
  const opened: Opened = {
    verdict: 'ok',
    plain: { body: Buffer.from(content) },
    signer: { rdns: [], slash: `/CN=${signer}`, key: signer },
    identity: {
      certificate: sha(signer),
      signature: sha(`${signer} ${content} ${second}`),
      content: sha(content),
      signingTime: second * 1000,
    },
  }
  const body = Buffer.from(content)
  return { id, body, queue: 'incoming', identity: identify(opened, body, id) }
}

/** A refused or held one, of nobody. */
export function createRefused(wire: string, id = 'noid', verdict: 'no' | 'hold' = 'no'): Message {
  const body = Buffer.from(wire)
  const identity = identify({ verdict, reason: 'signature', detail: '' }, body, id)
  return { id, body, queue: verdict === 'no' ? 'reject' : 'held', identity }
}

/** A name as a queue made it in that second. */
export function dirqId(second: number, number = 0): string {
  const name = second.toString(16) + number.toString(16).padStart(5, '0') + '0'
  return `${name.slice(0, 8)}/${name}`
}

/** Bodies in a queue, sorted. */
export function bodiesIn(path: string, queue: QueueName = 'incoming'): string[] {
  return readQueue(`${path}/${queue}`)
    .map(({ body }) => String(body))
    .sort()
}

/** What is staged and not committed. */
export function stagedIn(path: string, queue: QueueName = 'incoming'): string[] {
  return readdirSync(`${path}/${queue}/temporary`)
}

export function segmentsIn(path: string): string[] {
  return readdirSync(`${path}/.ssm/journal`).sort()
}
