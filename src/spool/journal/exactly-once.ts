/**
 * Exactly once into the queues: stage, note the intent, rename, fsync; and what to make of it after a kill at any step.
 *
 *   staged, durable ──▶ intent, durable ──▶ renamed ──▶ directory durable ──▶ acknowledged
 *   killed here: removed │  killed here: recovery renames  │  killed here: known when it comes again
 *
 * Between an intent and its end nothing is ever removed: the line may be on disk even when writing it failed, and a staged
 * element that is gone counts as stored. What failed there is finished before anything else is taken.
 */
import { SsmError, isSsmError, messageOf } from '../../errors.js'
import type { Clock } from '../../os/clock.js'
import type { SchemaQueue } from '../schema-queue.js'
import type { Identity } from './identity.js'
import type { Journal, Known } from './journal.js'
import { pairText } from './record.js'
import type { Intent, MessageKey, QueueCode } from './record.js'

export type QueueName = 'incoming' | 'reject' | 'held'

const CODES: Readonly<Record<QueueName, QueueCode>> = { incoming: 'i', reject: 'r', held: 'h' }
const QUEUES: Readonly<Record<QueueCode, QueueName>> = { i: 'incoming', r: 'reject', h: 'held' }

/** The steps of a queue with schema. */
export interface Steps<T> extends Pick<
  SchemaQueue<never>,
  'reserve' | 'commit' | 'settle' | 'unstage' | 'isStaged' | 'staged'
> {
  stage(item: T): Promise<string>
}

export interface ExactlyOnceOptions<Items extends Readonly<Record<QueueName, unknown>>> {
  readonly journal: Journal
  readonly queues: { readonly [Q in QueueName]: Steps<Items[Q]> }
  readonly clock: Clock
}

export interface RecoveryReport {
  /** Intents carried out, and staged elements without one removed. */
  readonly finished: number
  readonly removed: number
  readonly remembered: number
  /** Lines of the journal that could not be read. */
  readonly damaged: number
}

export interface ExactlyOnce<Items extends Readonly<Record<QueueName, unknown>>> {
  /** What is known of a message, stored or on its way. Call `store` in the same turn: nothing may come between. */
  look(identity: Identity): Known | undefined
  /** Durable when it resolves; answers the element's name. Throws SsmError `disk`; TypeError for wrong fields. */
  store<Q extends QueueName>(queue: Q, item: Items[Q], key: MessageKey): Promise<string>
  /** Before anything else: ends what a killed run has begun. May be called again after it threw SsmError `disk`. */
  recover(): Promise<RecoveryReport>
  /** Ends what failed half-way in this run. Throws SsmError `disk` while that is not possible. */
  settle(): Promise<void>
  /** Staged names that are to be committed, by queue: no purge may touch them. */
  listed(queue: QueueName): ReadonlySet<string>
}

/** A message between its first step and its last. */
interface Open {
  readonly key: MessageKey
  /** The attempt under way; undefined: it failed after the intent, and must be finished. */
  running: Promise<string> | undefined
  /** Set when an intent may be on disk. */
  intent?: Intent
  /** The intent is durable. */
  noted: boolean
}

const idOf = (key: MessageKey): string => `${key.kind} ${pairText(key)}`

export function createExactlyOnce<Items extends Readonly<Record<QueueName, unknown>>>(
  options: ExactlyOnceOptions<Items>,
): ExactlyOnce<Items> {
  const { journal, queues, clock } = options
  const pairs = new Map<string, Open>()
  const contents = new Map<string, Open>()
  const signatures = new Map<string, Open>()

  function enter(open: Open): void {
    pairs.set(idOf(open.key), open)
    if (open.key.kind !== 's') return
    contents.set(open.key.content, open)
    signatures.set(open.key.signature, open)
  }

  function leave(open: Open): void {
    pairs.delete(idOf(open.key))
    if (contents.get(open.key.content) === open) contents.delete(open.key.content)
    if (signatures.get(open.key.signature) === open) signatures.delete(open.key.signature)
  }

  /** From the intent to the end; may be repeated. */
  async function finish(open: Open, intent: Intent): Promise<string> {
    const queue = queues[QUEUES[intent.queue]]
    try {
      if (!open.noted && !queue.isStaged(intent.staged)) throw new SsmError('internal', 'it is not staged any more')
      if (!open.noted) await journal.intend(intent)
      open.noted = true
      const name = await queue.commit(intent.staged, intent.directory)
      journal.stored(intent, name)
      leave(open)
      return name
    } catch (error) {
      // Somebody removed what was staged: nothing is left to finish, and the message, not acknowledged, comes again.
      if (isSsmError(error, 'internal')) {
        leave(open)
        journal.abandon(intent)
      }
      throw isSsmError(error, 'disk')
        ? error
        : new SsmError('disk', `storing failed: ${messageOf(error)}`, { cause: error })
    }
  }

  async function begin<Q extends QueueName>(open: Open, name: Q, item: Items[Q]): Promise<string> {
    const queue = queues[name]
    let directory: string
    let staged: string | undefined
    try {
      staged = await queue.stage(item)
      directory = await queue.reserve()
    } catch (error) {
      leave(open)
      if (staged !== undefined) await queue.unstage(staged).catch(() => undefined)
      throw error
    }
    open.intent = { key: open.key, queue: CODES[name], staged, directory, time: clock.now() }
    return await finish(open, open.intent)
  }

  /** One attempt; when it ends, others may try. */
  function run(open: Open, attempt: () => Promise<string>): Promise<string> {
    const running = attempt().finally(() => {
      open.running = undefined
    })
    open.running = running
    return running
  }

  /** Waits for the attempt under way, or makes another. */
  function complete(open: Open): Promise<string> {
    const { intent } = open
    if (open.running !== undefined) return open.running
    if (intent === undefined) return Promise.reject(new SsmError('internal', 'nothing was intended'))
    return run(open, () => finish(open, intent))
  }

  function known(what: Known['what'], open: Open): Known {
    return { what, name: () => complete(open) }
  }

  return {
    look({ key, generated }) {
      const same = pairs.get(idOf(key))
      if (same !== undefined) return known('same', same)
      const found = journal.find(key, generated)
      if (key.kind !== 's' || found?.what === 'same') return found
      const again = generated ? contents.get(key.content) : undefined
      if (again !== undefined && found?.what !== 'again') return known('again', again)
      const replay = signatures.get(key.signature)
      return found ?? (replay === undefined ? undefined : known('replay', replay))
    },
    store(queue, item, key) {
      const open: Open = { key, running: undefined, noted: false }
      enter(open)
      return run(open, () => begin(open, queue, item))
    },
    recover: () => recover(options),
    async settle() {
      for (const open of [...pairs.values()]) {
        if (open.running === undefined) await complete(open)
      }
    },
    listed(queue) {
      const intents = [...pairs.values()].flatMap(({ intent }) => intent ?? [])
      return new Set(intents.filter((intent) => intent.queue === CODES[queue]).map(({ staged }) => staged))
    },
  }
}

async function recover<Items extends Readonly<Record<QueueName, unknown>>>({
  journal,
  queues,
}: ExactlyOnceOptions<Items>): Promise<RecoveryReport> {
  const staged = new Set<string>()
  for (const code of Object.values(CODES)) {
    for (const name of await queues[QUEUES[code]].staged()) staged.add(`${code} ${name}`)
  }
  const { intents, late, lines, damaged } = await journal.load(staged)
  for (const [code, directory] of late) await queues[QUEUES[code]].settle(directory)
  let removed = 0
  for (const [code, queue] of Object.entries(CODES).map(([name, each]) => [each, queues[name as QueueName]] as const)) {
    for (const name of await queue.staged()) {
      const intent = intents.get(`${code} ${name}`)
      if (intent !== undefined) journal.stored(intent, await queue.commit(name, intent.directory))
      else if (staged.has(`${code} ${name}`)) {
        await queue.unstage(name)
        removed += 1
      }
    }
  }
  await journal.tidy()
  return { finished: intents.size, removed, remembered: lines, damaged }
}
