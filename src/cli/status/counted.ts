/** Counting what is placed and what is sent. */
import type { Opened } from '../../message.js'
import type { Outcome, Tally } from '../../observe/tally.js'
import type { Place, Placed } from '../../pipeline/place.js'
import type { SendDeps } from '../../pipeline/send.js'

const OUTCOME_OF: Readonly<Record<Placed['queue'], Outcome>> = {
  incoming: 'stored',
  reject: 'rejected',
  held: 'held',
  dropped: 'dropped',
}

/** Counts what became durable. */
export function counted(place: Place, tally: Tally): Place {
  return async (opened, wire, id) => {
    const placed = await place(opened, wire, id)
    const outcome = placed.again ? 'again' : OUTCOME_OF[placed.queue]
    const reason = placed.again ? undefined : reasonOf(opened, placed)
    tally.handled({
      outcome,
      id,
      name: placed.name,
      ...(opened.signer === undefined ? {} : { signer: opened.signer.slash }),
      ...(reason === undefined ? {} : { reason }),
    })
    return placed
  }
}

/** A good message is refused for one reason only. */
function reasonOf(opened: Opened, { queue }: Placed): string | undefined {
  if (opened.verdict !== 'ok') return opened.reason
  return queue === 'incoming' ? undefined : 'replayed'
}

/** Counts what the report of a run has more than before. */
export function countedSends(tally: Tally): NonNullable<SendDeps['onProgress']> {
  const before = { sent: 0, setAside: 0 }
  return (report, id) => {
    for (const outcome of ['sent', 'setAside'] as const) {
      for (; before[outcome] < report[outcome]; before[outcome] += 1) tally.handled({ outcome, id })
    }
  }
}
