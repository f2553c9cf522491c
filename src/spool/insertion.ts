/**
 * Into which intermediate directory of a queue with schema does the next element go? The last one, until it is full.
 */
import type { Disk } from '../os/disk.js'
import { diskError, isSystem } from '../os/disk-error.js'
import { isRealDirectory, listIntermediate, makeDirectories, visitDirectory } from './listing.js'
import { isElementName } from './names.js'

/** After so many insertions, or ms, the directories are listed again: others insert too. Listing at each would be quadratic. */
const LIST_AGAIN = 1000
const LIST_AGAIN_MS = 10_000

export interface Insertion {
  /** The name of the directory to use; it exists, or did just now. Throws SsmError `disk`. */
  choose(): Promise<string>
  /** The directory has vanished or something else is wrong with it: choose anew. */
  forget(): void
}

export interface InsertionOptions {
  readonly disk: Disk
  readonly top: string
  /** Elements a directory. */
  readonly maxElements: number
  readonly monotonic: () => number
}

export function createInsertion(options: InsertionOptions): Insertion {
  const { disk, top, maxElements } = options
  let current: { name: string; count: number; uses: number; at: number } | undefined
  let choosing: Promise<void> | undefined

  async function find(): Promise<void> {
    const last = (await listIntermediate(disk, top)).at(-1)
    let count = 0
    if (last !== undefined) {
      await visitDirectory(disk, `${top}/${last}`, ({ name }) => {
        if (isElementName(name.toString('latin1'))) count += 1
      })
    }
    const full = last === undefined || count >= maxElements
    let name = full ? nextName(last) : last
    if (full) make(name)
    // A link of that name leads out of the queue: pass it by.
    for (let round = 0; full && round < 100 && !isRealDirectory(disk, `${top}/${name}`); round += 1) {
      name = nextName(name)
      make(name)
    }
    current = { name, count: full ? 0 : count, uses: 0, at: options.monotonic() }
  }

  function make(name: string): void {
    try {
      disk.mkdir(`${top}/${name}`)
    } catch (error) {
      if (isSystem(error, 'ENOENT')) makeDirectories(disk, `${top}/${name}`)
      else if (!isSystem(error, 'EEXIST')) throw diskError(error, 'create the directory', `${top}/${name}`)
    }
  }

  const isUsable = (): boolean =>
    current !== undefined &&
    current.count < maxElements &&
    current.uses < LIST_AGAIN &&
    options.monotonic() - current.at < LIST_AGAIN_MS

  return {
    async choose() {
      while (current === undefined || !isUsable()) {
        choosing ??= find().finally(() => (choosing = undefined))
        await choosing
      }
      current.count += 1
      current.uses += 1
      return current.name
    },
    forget() {
      current = undefined
    },
  }
}

/** A counter in eight hex digits. */
function nextName(last: string | undefined): string {
  return last === undefined ? '00000000' : (Number.parseInt(last, 16) + 1).toString(16).padStart(8, '0')
}
