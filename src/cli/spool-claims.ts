/**
 * Claiming elements of a spool of which only the path is known, whatever its kind; ids as `spool-view.ts` gives them.
 */
import { SsmError } from '../errors.js'
import { systemClock } from '../os/clock.js'
import type { Disk } from '../os/disk.js'
import { createDirectorySync } from '../os/durable.js'
import { detectSpool, type SpoolKind } from '../spool/detect.js'
import { createMessageDirectory } from '../spool/message-directory.js'
import type { Claim } from '../spool/port.js'
import { createSchemaQueue } from '../spool/schema-queue.js'
import { createSimpleQueue } from '../spool/simple-queue.js'
import { readLocks, type Locks } from '../spool/unlock.js'
import { PARTS } from './spool-view.js'

type Kind = 'simple' | 'schema' | 'directory'

export interface SpoolClaims {
  claim(id: string): Promise<Claim<unknown> | null>
  /** When all is done: ends the record of our claims. */
  close(): void
}

/** Throws SsmError `usage` when there is no such directory. */
export async function openClaims(disk: Disk, path: string): Promise<SpoolClaims> {
  const parts = await openParts(disk, path, (kind, at) => openKind(disk, kind, at))
  return {
    claim: (id) => parts.find(({ prefix }) => id.startsWith(prefix))?.it.claim(bare(id)) ?? Promise.resolve(null),
    close: () => {
      for (const { it } of parts) it.close?.()
    },
  }
}

/** Who holds what in it. Throws SsmError `usage`, `disk`. */
export async function openLocks(disk: Disk, path: string): Promise<Locks> {
  const now = () => systemClock.now()
  const parts = await openParts(disk, path, (kind, at) => readLocks({ path: at, kind, disk, now }))
  const find = (id: string) => parts.find(({ prefix }) => id.startsWith(prefix))?.it
  return {
    look: (id) => find(id)?.look(bare(id)) ?? { state: 'free' },
    break: (id) => find(id)?.break(bare(id)) ?? { state: 'free' },
  }
}

/** Without the name of a receiver's part. */
function bare(id: string): string {
  return id.replace(/^(?:incoming|reject|held)\//u, '')
}

interface Part<T> {
  readonly prefix: string
  readonly it: T
}

async function openParts<T>(
  disk: Disk,
  path: string,
  open: (kind: Kind, path: string) => T | Promise<T>,
): Promise<readonly Part<T>[]> {
  const kind = await detectSpool(disk, path)
  if (kind === 'none') throw new SsmError('usage', `${path} is not a directory`)
  if (kind !== 'receiver') return isKind(kind) ? [{ prefix: '', it: await open(kind, path) }] : []
  const parts: Part<T>[] = []
  for (const [name, folder] of Object.entries(PARTS)) {
    const at = `${path}/${folder}`
    const found = await detectSpool(disk, at)
    if (isKind(found)) parts.push({ prefix: `${name}/`, it: await open(found, at) })
  }
  return parts
}

function isKind(kind: SpoolKind): kind is Kind {
  return kind === 'simple' || kind === 'schema' || kind === 'directory'
}

interface Opened {
  claim(id: string): Promise<Claim<unknown> | null>
  close?(): void
}

function openKind(disk: Disk, kind: Kind, path: string): Opened {
  const options = { path, disk, clock: systemClock, sync: createDirectorySync(disk) }
  if (kind === 'schema') return createSchemaQueue({ ...options, schema: { body: 'binary' } as const })
  return kind === 'simple' ? createSimpleQueue(options) : createMessageDirectory(options)
}
