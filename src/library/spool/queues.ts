/**
 * The spools as other programs open them: with the disk and the clock of this machine.
 */
import { systemClock } from '../../os/clock.js'
import { createDisk } from '../../os/disk.js'
import type { Spool } from '../../spool/port.js'
import type { Fields, SchemaTypes } from '../../spool/schema.js'
import { createSchemaQueue } from '../../spool/schema-queue.js'
import { createSimpleQueue } from '../../spool/simple-queue.js'

/** A queue whose elements have named fields, such as `incoming` (`INCOMING`). Throws TypeError for a wrong schema. */
export function openQueue<S extends SchemaTypes>(path: string, schema: S): Spool<Fields<S>> {
  return createSchemaQueue({ path, schema, disk: createDisk(), clock: systemClock })
}

/** A queue of single files (`path_type: dirq`): what a program needs that sends by itself. */
export function openOutgoing(path: string): Spool<Uint8Array> {
  return createSimpleQueue({ path, disk: createDisk(), clock: systemClock })
}
