/**
 * The journal, `<path>/.ssm/journal/`: which messages are stored or about to be, on disk and in memory.
 *
 * It never decides what to do with a redelivery, and never holds a message: without it nothing is lost, only doubled.
 * Throws SsmError `disk` when an intent cannot be made durable, `configuration` when `.ssm` is not ours.
 */
import type { Clock } from '../../os/clock.js'
import type { Disk } from '../../os/disk.js'
import type { DirectorySync } from '../../os/durable.js'
import { openOwnDirectory } from '../own-directory.js'
import { KeyRing } from './key-ring.js'
import { KeyTable } from './key-table.js'
import type { Intent, KeyClass, MessageKey } from './record.js'
import { elementOf, formatRecord, pairText, parseRecord } from './record.js'
import { createSegments, endOf } from './segments.js'

/** Garbage and held messages that are recognised, each. */
const RING = 10_000
/** Names of the last signed messages that are known without a look into the files: each by both its keys. */
const NAMES = 2 * 10_000
/** Looking for a name reads files: so many may wait for it. */
const MAX_SEARCHES = 16
/** Directories that a killed run may have left unsynced: those of its last minutes. */
const LATE = 10 * 60_000

export interface JournalOptions {
  /** The spool; the journal lies in its `.ssm/journal`. */
  readonly path: string
  readonly disk: Disk
  readonly sync: DirectorySync
  readonly clock: Clock
  /** How long (ms), and how many, messages are remembered. */
  readonly keep: { readonly age: number; readonly count: number }
  /** ms within which signer, generated id and content make a redelivery. 0: off. */
  readonly duplicateWindow: number
  readonly onUnusable: (path: string, error: { readonly message: string }) => void
}

/** What is known of a message. `replay`: its signature came under another id. */
export interface Known {
  readonly what: 'same' | 'again' | 'replay'
  /** The name of the element, as far as it can be found out. */
  readonly name: () => Promise<string>
}

export interface Recovered {
  /** What was intended, by queue and staged name (`i 0123….ssm`), of those asked for. */
  readonly intents: ReadonlyMap<string, Intent>
  /** Where the last elements went: `[queue, directory]`. */
  readonly late: readonly (readonly [Intent['queue'], string])[]
  /** Lines read, and lines that are damaged. */
  readonly lines: number
  readonly damaged: number
}

export interface Journal {
  /** Reads all segments, forgetting what was known. `staged` as in `Recovered.intents`. Throws SsmError `disk`. */
  load(staged: ReadonlySet<string>): Promise<Recovered>
  /** Durable when it resolves. From then on `stored` must follow before the segment may go. */
  intend(intent: Intent): Promise<void>
  /** It is in its place. */
  stored(intent: Intent, element: string): void
  /** It will never be in its place. */
  abandon(intent: Intent): void
  find(key: MessageKey, generated: boolean): Known | undefined
  /** Removes the segments that are too old or too many. */
  tidy(): Promise<void>
}

interface Memory {
  readonly table: KeyTable
  /** All of garbage and held messages, by content; the last names of signed ones, by content and by both. */
  readonly rings: Readonly<Record<KeyClass, KeyRing>>
}

export function createJournal(options: JournalOptions): Journal {
  const { clock, keep } = options
  const folder = openOwnDirectory(options.disk, options.path, 'journal')
  const segments = createSegments({ ...options, folder })
  const createMemory = (): Memory => ({
    table: new KeyTable({ count: keep.count, age: Math.floor(keep.age / 1000) }),
    rings: { s: new KeyRing(NAMES), g: new KeyRing(RING), h: new KeyRing(RING) },
  })
  let memory = createMemory()
  const counts = new Map<string, number>()
  /** Segment of each intent that is not stored yet. */
  const pending = new Map<string, string>()
  let latest = ''
  let searches = 0
  let searching: Promise<unknown> = Promise.resolve()

  function name({ key }: Intent, element: string): void {
    const ring = memory.rings[key.kind]
    ring.add(key.content, element)
    if (key.kind === 's') ring.add(pairText(key), element)
  }

  function remember({ key, time }: Intent): void {
    if (key.kind === 's') memory.table.add(key, Math.floor(time / 1000))
  }

  async function search(text: string): Promise<string> {
    if (searches >= MAX_SEARCHES) return '?'
    searches += 1
    const found = searching.then(() => segments.search(text))
    searching = found.catch(() => undefined)
    try {
      const line = await found
      const intent = line === undefined ? undefined : parseRecord(line)
      return intent === undefined ? '?' : elementOf(intent)
    } finally {
      searches -= 1
    }
  }

  /** Of a signed message. */
  function named(what: Known['what'], { signature, content }: MessageKey): Known {
    const text = { same: `${signature} ${content}`, again: content, replay: signature }[what]
    const name = memory.rings.s.nameOf(text)
    return { what, name: () => (name === undefined ? search(` ${text} `) : Promise.resolve(name)) }
  }

  async function tidy(): Promise<void> {
    const names = await segments.names()
    const busy = new Set(pending.values())
    let total = names.reduce((sum, name) => sum + (counts.get(name) ?? 0), 0)
    for (const name of names) {
      const count = counts.get(name) ?? 0
      const isOld = endOf(name) + keep.age < clock.now() || total - count >= keep.count
      if (!isOld || name === latest || busy.has(name)) continue
      await segments.drop(name)
      counts.delete(name)
      total -= count
    }
  }

  return {
    async load(staged) {
      memory = createMemory()
      counts.clear()
      const reading = createReading(staged, remember)
      for (const segment of await segments.names()) {
        const before = reading.lines()
        await segments.read(segment, reading.visit)
        counts.set(segment, reading.lines() - before)
      }
      // The last ones of a million: giving all of them their names would take as long again.
      for (const intent of reading.newest()) name(intent, elementOf(intent))
      return reading.result()
    },
    async intend(intent) {
      const segment = await segments.append(formatRecord(intent))
      counts.set(segment, (counts.get(segment) ?? 0) + 1)
      pending.set(`${intent.queue} ${intent.staged}`, segment)
      const isNew = segment !== latest
      latest = segment
      // A new day: what is too old may go. Trouble with it is no trouble of this message, and it is tried again.
      if (isNew) void tidy().catch(() => undefined)
    },
    stored(intent, element) {
      pending.delete(`${intent.queue} ${intent.staged}`)
      remember(intent)
      name(intent, element)
    },
    abandon(intent) {
      pending.delete(`${intent.queue} ${intent.staged}`)
    },
    find(key, generated) {
      if (key.kind !== 's') {
        const name = memory.rings[key.kind].nameOf(key.content)
        return name === undefined ? undefined : { what: 'same', name: () => Promise.resolve(name) }
      }
      const now = Math.floor(clock.now() / 1000)
      const { pair, signature, content } = memory.table.find(key, now)
      if (pair !== undefined) return named('same', key)
      const window = options.duplicateWindow / 1000
      // A clock that was set back makes stored messages seem to come from the future: no reason to store them twice.
      if (generated && window > 0 && content !== undefined && now - content <= window) return named('again', key)
      return signature === undefined ? undefined : named('replay', key)
    },
    tidy,
  }
}

interface Reading {
  readonly visit: (line: string) => void
  lines(): number
  /** Oldest first, of each class enough for its ring. */
  newest(): readonly Intent[]
  result(): Recovered
}

/** Collects what a million lines say, with as little work a line as possible. */
function createReading(staged: ReadonlySet<string>, remember: (intent: Intent) => void): Reading {
  const intents = new Map<string, Intent>()
  const directories = new Map<string, Pick<Intent, 'queue' | 'directory' | 'time'>>()
  const newest: Readonly<Record<KeyClass, string[]>> = { s: [], g: [], h: [] }
  let lines = 0
  let damaged = 0
  let last: Intent | undefined
  let latest = 0
  const visit = (line: string): void => {
    if (line === '') return
    const intent = parseRecord(line)
    if (intent === undefined) {
      damaged += 1
      return
    }
    const { queue, directory, time } = intent
    lines += 1
    remember(intent)
    keepNewest(newest[intent.key.kind], line)
    if (time > latest) latest = time
    if (last !== undefined && (last.queue !== queue || last.directory !== directory)) note(last)
    last = intent
    if (staged.size > 0 && staged.has(`${queue} ${intent.staged}`)) intents.set(`${queue} ${intent.staged}`, intent)
  }
  // Not the intent: its longer fields are pieces of a megabyte of journal, and each folder would keep one in memory.
  const note = ({ queue, directory, time }: Intent): void => {
    directories.set(`${queue} ${directory}`, { queue, directory, time })
  }
  return {
    visit,
    lines: () => lines,
    newest: () => Object.values(newest).flatMap((each) => each.slice(-RING).flatMap((line) => parseRecord(line) ?? [])),
    result() {
      if (last !== undefined) note(last)
      const late = [...directories.values()].filter(({ time }) => time >= latest - LATE)
      return { intents, late: late.map(({ queue, directory }) => [queue, directory] as const), lines, damaged }
    },
  }
}

/** Cuts off the old half only now and then. Lines, and not what they say: they are read again at a tenth of the memory. */
function keepNewest(list: string[], line: string): void {
  list.push(line)
  if (list.length >= 2 * RING) list.splice(0, list.length - RING)
}
