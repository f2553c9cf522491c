/** Where a message lies: in the spools of a sender or a receiver, in the archive of what was sent, and what the journal says. */
import type { PlaceConfig } from '../../config/config.js'
import { isSsmError, messageOf } from '../../errors.js'
import { printable } from '../../observe/printable.js'
import { systemClock } from '../../os/clock.js'
import { createDisk, type Disk } from '../../os/disk.js'
import { createDirectorySync } from '../../os/durable.js'
import { readRegularFile } from '../../os/safe-open.js'
import { detectSpool } from '../../spool/detect.js'
import { elementOf, parseRecord, type QueueCode } from '../../spool/journal/record.js'
import { createSegments } from '../../spool/journal/segments.js'
import { isRealDirectory } from '../../spool/listing.js'
import { OWN_DIRECTORY } from '../../spool/own-directory.js'
import { idOfCopy, sentDays, sentOn } from '../../spool/sent.js'
import { signerOf } from '../spool-filter.js'
import { viewSpool, type ElementView } from '../spool-view.js'
import type { Names, TraceEvent } from './event.js'

export interface Looking {
  readonly names: Names
  readonly found: (event: TraceEvent) => void
  /** Told what is not looked at, and why. */
  readonly say: (problem: string) => void
}

/** Elements whose fields are read; a spool with more is looked into by name alone. */
const MOST_READ = 200_000

/** Looks into all that belongs to the path of one program. Learns other names. */
export async function lookIntoPlaces({ role, path }: PlaceConfig, looking: Looking): Promise<void> {
  const disk = createDisk()
  const own = `${path}/${OWN_DIRECTORY}`
  const spools =
    role === 'sender'
      ? [['outgoing', path] as const, ['set aside', `${own}/failed`] as const]
      : [['incoming', `${path}/incoming`] as const, ['reject', `${path}/reject`] as const, ['held', `${own}/held`] as const] // prettier-ignore
  for (const [where, at] of spools) await saying(at, looking, () => lookIntoSpool(disk, where, at, looking))
  if (role === 'sender') await saying(`${own}/sent`, looking, () => lookIntoSent(disk, path, looking))
}

/** Trouble with one place is no reason not to look into the others. */
async function saying(path: string, { say }: Looking, look: () => Promise<void>): Promise<void> {
  try {
    await look()
  } catch (error) {
    if (!isSsmError(error)) throw error
    say(`${path}: ${messageOf(error)}`)
  }
}

async function lookIntoSpool(disk: Disk, where: string, path: string, looking: Looking): Promise<void> {
  const kind = await detectSpool(disk, path)
  if (kind === 'none' || kind === 'empty') return
  const spool = await viewSpool(disk, path)
  const { names } = looking
  const told = new Set<string>()
  const tell = (view: ElementView): void => {
    if (told.has(view.id)) return
    told.add(view.id)
    learn(view, names)
    looking.found(eventOf(where, path, view))
  }
  for (const name of names.all) {
    const view = await spool.element(name)
    if (view !== undefined) tell(view)
  }
  // Only what has fields can be somebody else's by name.
  if (kind !== 'schema') return
  let read = 0
  for await (const view of spool.elements()) {
    if (idsOf(view).some((id) => names.has(id))) tell(view)
    read += 1
    if (read < MOST_READ) continue
    looking.say(`${path}: of its elements the ${MOST_READ} oldest were looked at, and those named`)
    break
  }
}

/** What it was called elsewhere: the id it came with, or the element it was. */
function idsOf({ fields }: ElementView): readonly string[] {
  return ['empaid', 'id'].flatMap((name) => fields.get(name)?.toString('utf8') ?? [])
}

function learn(view: ElementView, names: Names): void {
  names.add(view.id)
  for (const id of idsOf(view)) names.add(id)
}

function eventOf(where: string, path: string, view: ElementView): TraceEvent {
  const signer = signerOf(view)
  const error = view.fields.get('error')
  const details = [
    `it lies here as ${printable(view.id, 1024)}, ${view.size} bytes, since then`,
    ...(view.locked === undefined ? [] : [`locked since ${new Date(view.locked).toISOString()}`]),
    ...(signer?.verified === true ? [`signer ${printable(signer.name)}`] : []),
    ...(error === undefined ? [] : [printable(error, 1024)]),
  ]
  return { at: view.added, lasts: true, where, text: details.join('; '), path: printable(`${path}/${view.id}`, 4096) }
}

async function lookIntoSent(disk: Disk, path: string, { names, found }: Looking): Promise<void> {
  for (const day of await sentDays(disk, path)) {
    for (const { name, file } of await sentOn(disk, path, day)) {
      const id = idOfCopy(name)
      if (id === undefined || !names.has(id)) continue
      const copy = await readRegularFile(disk, file, Number.MAX_SAFE_INTEGER)
      if (copy === null) continue
      const { mtimeMs: at } = copy.stats
      found({ at, where: 'sent', text: `a copy of ${copy.bytes.length} bytes is kept`, path: printable(file, 4096) })
    }
  }
}

const QUEUES: Readonly<Record<QueueCode, string>> = { i: 'incoming', r: 'reject', h: 'held' }

/** What the receiver noted of the elements whose names are known by now. */
export async function lookIntoJournal({ role, path }: PlaceConfig, looking: Looking): Promise<void> {
  const disk = createDisk()
  const folder = `${path}/${OWN_DIRECTORY}/journal`
  await saying(folder, looking, async () => {
    if (role !== 'receiver' || !isRealDirectory(disk, folder)) return
    const onUnusable = (file: string, { message }: { readonly message: string }): void => {
      looking.say(`${file}: ${message}`)
    }
    const segments = createSegments({ folder, disk, sync: createDirectorySync(disk), clock: systemClock, onUnusable })
    const wanted = looking.names.all.filter((name) => /^[0-9a-f]{8}\/[0-9a-f]{14}$/u.test(name))
    const pieces = wanted.map((name) => ` ${name.slice(0, 8)} ${name.slice(9)}.`)
    for (const segment of wanted.length === 0 ? [] : await segments.names()) {
      await segments.read(segment, (line) => {
        if (!pieces.some((piece) => line.includes(piece))) return
        const intent = parseRecord(line)
        if (intent === undefined) return
        const text = `stored in ${QUEUES[intent.queue]} as ${elementOf(intent)}`
        looking.found({ at: intent.time, where: 'journal', text, path: printable(`${folder}/${segment}`, 4096) })
      })
    }
  })
}
