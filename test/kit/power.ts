/**
 * A disk that loses its power. Everything done below a folder is written down; then the folder can be made again as it
 * would be found after a power cut at any moment: what was fsynced is there; of everything else, whatever the case says.
 *
 * - The content of a file is what its last fsync saw. What was written later is lost, or there.
 * - A name that was made, moved or removed is durable once its directory was fsynced; a move is one transaction, durable
 *   with either directory. Before that it has happened, or not.
 * - What was linked or moved to a durable name was made, whether the name it was made under is durable or not.
 * - What lies in a directory that is not there is not there.
 */
import { lutimesSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync, linkSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { unwatched, watchSteps, type Step } from './fs-steps.js'

interface File {
  /** Contents after each write, with the time of it; and the times of its fsyncs. */
  readonly versions: { readonly at: number; readonly content: Buffer }[]
  readonly syncs: number[]
}

interface NameChange {
  readonly at: number
  readonly operation: 'open' | 'link' | 'rename' | 'unlink' | 'mkdir' | 'rmdir'
  readonly path: string
  readonly to?: string
  readonly file?: File
}

/** May what was not fsynced be found? Asked for each change of a name and each write. */
export type Chance = () => boolean

export interface PowerLog {
  /** Notes something that happened outside; returns the moment. */
  note(): number
  /** Moments worth a cut: just before each fsync ends, and each one noted. */
  readonly moments: readonly number[]
  stop(): void
  /** Makes the folders below `top` as they are found after a cut at this moment. Returns what was left out or cut off. */
  restore(at: number, chance: Chance): number
}

/** Long before anything that is waited for: locks of that age are broken, left-overs purged. */
const LONG_AGO = 7_200_000

/** Watches the folders `parts` below `top`; what they hold now is durable. */
export function watchPower(top: string, parts: readonly string[]): PowerLog {
  const recorder = new Recorder(top, parts)
  const stop = watchSteps(top, {
    after: (step, done, result) => {
      if (done) recorder.add(step, result)
    },
  })
  return {
    note: () => recorder.moment(),
    moments: recorder.moments,
    stop,
    restore: (at, chance) => restore(recorder, at, chance),
  }
}

class Recorder {
  readonly moments: number[] = []
  readonly changes: NameChange[] = []
  /** fsyncs of directories. */
  readonly syncs: { readonly at: number; readonly path: string }[] = []
  readonly base: readonly { readonly path: string; readonly content: Buffer | null }[]
  readonly top: string
  readonly parts: readonly string[]
  readonly #files = new Map<string, File>()
  readonly #open = new Map<number, File>()
  #now = 0

  constructor(top: string, parts: readonly string[]) {
    this.top = top
    this.parts = parts
    this.base = parts.flatMap((part) => contents(join(top, part)))
    for (const { path, content } of this.base) {
      if (content !== null) this.#files.set(path, { versions: [{ at: 0, content }], syncs: [0] })
    }
  }

  moment(): number {
    this.#now += 1
    this.moments.push(this.#now)
    return this.#now
  }

  /** A file that was there from the start. */
  original(path: string): File {
    return this.#files.get(path)!
  }

  add(step: Step, result: unknown): void {
    if (
      !this.parts.some((part) => step.path.startsWith(`${join(this.top, part)}/`) || step.path === join(this.top, part))
    )
      return
    const at = (this.#now += 1)
    const { operation, path, to, fd } = step
    if (operation === 'write' || operation === 'truncate') this.#content(step, at)
    else if (operation === 'fsync') this.#sync(path, fd!, at)
    else if (operation === 'open') this.#opened(path, result as number, at)
    else if (operation === 'link' || operation === 'rename') this.#moved(operation, path, to!, at)
    else if (operation !== 'touch') this.changes.push({ at, operation: operation as 'mkdir', path })
  }

  #opened(path: string, fd: number, at: number): void {
    let file = this.#files.get(path)
    if (file === undefined) {
      file = { versions: [{ at, content: Buffer.alloc(0) }], syncs: [] }
      this.#files.set(path, file)
      this.changes.push({ at, operation: 'open', path, file })
    }
    this.#open.set(fd, file)
  }

  #content({ fd, bytes, path }: Step, at: number): void {
    const file = this.#open.get(fd!) ?? this.#files.get(path)
    if (file === undefined || bytes === undefined) return
    file.versions.push({ at, content: Buffer.concat([file.versions.at(-1)!.content, bytes]) })
  }

  #sync(path: string, fd: number, at: number): void {
    this.moments.push(at)
    const file = this.#open.get(fd)
    if (file === undefined || this.#files.get(path) === undefined) this.syncs.push({ at, path })
    else file.syncs.push(at)
  }

  #moved(operation: 'link' | 'rename', path: string, to: string, at: number): void {
    const own = this.#files.get(path)
    this.changes.push({ at, operation, path, to, ...(own === undefined ? {} : { file: own }) })
    for (const [name, file] of [...this.#files]) {
      if (name !== path && !name.startsWith(`${path}/`)) continue
      this.#files.set(to + name.slice(path.length), file)
      if (operation === 'rename') this.#files.delete(name)
    }
  }
}

/** Everything below, directories with null. */
function contents(top: string): { readonly path: string; readonly content: Buffer | null }[] {
  return readdirSync(top, { recursive: true, withFileTypes: true })
    .map((entry) => ({ path: join(entry.parentPath, entry.name), directory: entry.isDirectory() }))
    .sort((a, b) => (a.path < b.path ? -1 : 1))
    .map(({ path, directory }) => ({ path, content: directory ? null : readFileSync(path) }))
}

/** A tree of names in memory: path → file, or null for a directory. */
type Tree = Map<string, File | null>

function restore(recorder: Recorder, at: number, chance: Chance): number {
  const { top, parts } = recorder
  const tree: Tree = new Map(parts.map((part) => [join(top, part), null]))
  for (const { path, content } of recorder.base) tree.set(path, content === null ? null : recorder.original(path))
  let dropped = 0
  for (const change of recorder.changes) {
    if (change.at >= at) break
    const durable = isDurable(recorder, change, at)
    if ((durable || chance()) && apply(tree, change, durable)) continue
    dropped += 1
  }
  unwatched(() => {
    for (const part of parts) rmSync(join(top, part), { recursive: true, force: true })
    dropped += write(tree, at, chance)
  })
  return dropped
}

function isDurable(recorder: Recorder, change: NameChange, at: number): boolean {
  const { operation, path, to } = change
  const directories = [dirname(path), ...(to === undefined ? [] : [dirname(to)])]
  if (recorder.syncs.some((sync) => sync.at > change.at && sync.at < at && directories.includes(sync.path))) return true
  if (operation !== 'mkdir') return false
  const next = recorder.changes.find((later) => later.at > change.at && later.path === path)
  return next?.operation === 'rename' && next.at < at && isDurable(recorder, next, at)
}

/** False: it cannot have happened, for what it needs is not there. */
function apply(tree: Tree, { operation, path, to, file }: NameChange, durable: boolean): boolean {
  const target = to ?? path
  if (tree.get(dirname(target)) !== null) return false
  if (operation === 'mkdir') tree.set(path, null)
  else if (operation === 'open') tree.set(path, file!)
  else if (operation === 'link' && durable && file !== undefined) tree.set(target, file)
  else if (!tree.has(path)) return false
  else if (operation === 'link') tree.set(target, tree.get(path)!)
  else {
    for (const [name, node] of [...tree]) {
      if (name !== path && !name.startsWith(`${path}/`)) continue
      if (operation === 'rename') tree.set(target + name.slice(path.length), node)
      tree.delete(name)
    }
  }
  return true
}

/** To the real disk; the age of everything is two hours. */
function write(tree: Tree, at: number, chance: Chance): number {
  const first = new Map<File, string>()
  const then = (Date.now() - LONG_AGO) / 1000
  let cut = 0
  const inOrder = [...tree].sort(([a], [b]) => (a < b ? -1 : 1))
  for (const [path, file] of inOrder) {
    if (file === null) mkdirSync(path, { recursive: true })
    else if (first.has(file)) linkSync(first.get(file)!, path)
    else {
      first.set(file, path)
      const kept = survivor(file, at, chance)
      if (kept.cut) cut += 1
      writeFileSync(path, anotherBoot(kept.content))
    }
  }
  for (const [path] of inOrder.reverse()) lutimesSync(path, then, then)
  return cut
}

/** What the disk has of a file. */
function survivor({ versions, syncs }: File, at: number, chance: Chance): { content: Buffer; cut: boolean } {
  const synced = syncs.filter((each) => each < at).at(-1) ?? -1
  const durable = versions.filter((version) => version.at <= synced).at(-1)?.content ?? Buffer.alloc(0)
  const latest = versions.filter((version) => version.at < at).at(-1)?.content ?? durable
  if (latest.length === durable.length || chance()) return { content: latest, cut: false }
  return { content: durable, cut: true }
}

const BOOT = readFileSync('/proc/sys/kernel/random/boot_id', 'latin1').trim()

/** Who wrote of himself did so before this boot. */
function anotherBoot(content: Buffer): Buffer {
  const text = content.toString('latin1')
  return text.includes(BOOT) ? Buffer.from(text.replaceAll(BOOT, BOOT.replaceAll(/[0-9a-f]/g, '0')), 'latin1') : content
}
