/**
 * The outgoing spool of a tool that is given only its path: of the kind that is there already.
 */
import { SsmError } from '../errors.js'
import { printable } from '../observe/printable.js'
import { systemClock } from '../os/clock.js'
import type { Disk } from '../os/disk.js'
import { createDirectorySync } from '../os/durable.js'
import { detectSpool } from '../spool/detect.js'
import { createMessageDirectory } from '../spool/message-directory.js'
import { createSimpleQueue, type Outgoing } from '../spool/simple-queue.js'

const OUTGOING_KINDS = new Map([
  ['dirq', { create: createSimpleQueue, found: 'simple' }],
  ['directory', { create: createMessageDirectory, found: 'directory' }],
])

/** `type`: dirq or directory; undefined: what is there, else dirq. Throws SsmError `usage`. */
export async function openOutgoing(disk: Disk, path: string, type: string | undefined): Promise<Outgoing> {
  const found = await detectSpool(disk, path)
  const wanted = type ?? (found === 'directory' ? 'directory' : 'dirq')
  const kind = OUTGOING_KINDS.get(wanted)
  if (kind === undefined) throw new SsmError('usage', `--type ${printable(wanted)}: write dirq or directory`)
  if (found !== 'none' && found !== 'empty' && found !== kind.found) {
    throw new SsmError('usage', `${printable(path)} is a spool of another kind (${found}): nothing is added`)
  }
  return kind.create({ path, disk, clock: systemClock, sync: createDirectorySync(disk) })
}
