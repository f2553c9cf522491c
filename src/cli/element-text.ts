/** An element of a spool for people and for scripts: everything in it is outside text. */
import { PRINTABLE_LIMITS, printable } from '../observe/printable.js'
import { viewReason } from './spool-filter.js'
import { FIELDS, type ElementView } from './spool-view.js'

export const iso = (at: number): string => new Date(at).toISOString()

/** What `--json` prints of an element. */
export function elementJson(view: ElementView): Readonly<Record<string, string | number>> {
  const { id, size, added, changed, locked, fields } = view
  const known = FIELDS.flatMap((name) => {
    const value = fields.get(name)
    // The id of an element that was set aside names what it was before.
    return value === undefined ? [] : [[name === 'id' ? 'was' : name, printable(value, PRINTABLE_LIMITS.sentence)]]
  })
  const reason = viewReason(view)
  return {
    // The cast: pairs of texts.
    ...(Object.fromEntries(known) as Record<string, string>),
    ...{ id: printable(id, 1024), size, added: iso(added), changed: iso(changed) },
    ...(locked === undefined ? {} : { locked: iso(locked) }),
    ...(reason === undefined ? {} : { reason }),
  }
}
