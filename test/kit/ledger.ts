/**
 * The books of a test that breaks things: every message has a number, is written once, and is looked for at the far end.
 */
import { linkSync, mkdirSync, renameSync, rmSync, unlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { unwatched } from './fs-steps.js'
import { makeRecord, TEXT_KINDS } from './records.js'
import { elementsOf, type Fields, readElement } from './site.js'

/** What came of it. Anything but 0 in `lost`, `doubled` and `altered` is a defect. */
export interface Balance {
  readonly sent: number
  /** Never arrived. */
  readonly lost: number
  /** Arrivals beyond the first. */
  readonly doubled: number
  /** Arrived with other bytes, from somebody else, or never sent. */
  readonly altered: number
}

export interface Ledger {
  /** Adds so many new messages to an outgoing queue, as any producer does. */
  put(count: number): void
  /** Contents of so many new messages, for somebody else to add. */
  bodies(count: number): readonly Buffer[]
  /** They were written before, by another ledger. */
  assume(count: number): void
  /** Notes one arrival. */
  arrived(fields: Fields): void
  /** Takes all that lies in a queue with schema, as a consumer does, and notes it. Returns how many. */
  consume(queue: string): number
  /** Messages that have not arrived yet. */
  missing(): number
  balance(): Balance
}

export interface LedgerOptions {
  readonly outgoing: string
  /** The signer that every message must have. */
  readonly dn: string
  /** Bytes of a message, about. Default 300. */
  readonly size?: number
}

const NUMBER = /^Record: (\d+)$/m

export function createLedger({ outgoing, dn, size = 300 }: LedgerOptions): Ledger {
  let sent = 0
  let missing = 0
  let altered = 0
  let doubled = 0
  /** Arrivals by number; a million messages cost a megabyte. */
  let counts = new Uint8Array(1024)
  const bodyOf = (n: number): Buffer => makeRecord(TEXT_KINDS[n % TEXT_KINDS.length]!, n, size)

  function arrived({ body, signer }: Fields): void {
    const n = Number(NUMBER.exec(body?.toString('utf8').replaceAll('\r', '').replaceAll(' \t ', '') ?? '')?.[1] ?? -1)
    if (n < 0 || n >= sent || !bodyOf(n).equals(body!) || signer?.toString() !== dn) altered += 1
    else if (counts[n] === 0) missing -= 1
    else doubled += 1
    if (n >= 0) counts[n] = Math.min(255, counts[n]! + 1)
  }

  function assume(count: number): void {
    while (counts.length < sent + count) counts = grown(counts)
    sent += count
    missing += count
  }

  return {
    put(count) {
      const seconds = Math.floor(Date.now() / 1000)
      const folder = join(outgoing, (seconds - (seconds % 60)).toString(16).padStart(8, '0'))
      for (let n = sent; n < sent + count; n += 1) {
        const name = join(folder, `${seconds.toString(16)}${(n & 0xfffff).toString(16).padStart(5, '0')}a`)
        // Others may purge the folder while it is empty.
        mkdirSync(folder, { recursive: true })
        writeFileSync(`${name}.tmp`, bodyOf(n))
        linkSync(`${name}.tmp`, name)
        unlinkSync(`${name}.tmp`)
      }
      assume(count)
    },
    assume,
    bodies(count) {
      assume(count)
      return Array.from({ length: count }, (_, n) => bodyOf(sent - count + n))
    },
    arrived,
    consume(queue) {
      const elements = elementsOf(queue)
      for (const element of elements) {
        arrived(readElement(element))
        // Consumers are not what a test makes fail.
        unwatched(() => {
          take(element, join(queue, 'obsolete', element.slice(-14)))
        })
      }
      return elements.length
    },
    missing: () => missing,
    balance: () => ({ sent, lost: missing, doubled, altered }),
  }
}

function take(element: string, obsolete: string): void {
  renameSync(element, obsolete)
  rmSync(obsolete, { recursive: true })
}

function grown(counts: Uint8Array<ArrayBuffer>): Uint8Array<ArrayBuffer> {
  const larger = new Uint8Array(counts.length * 2)
  larger.set(counts)
  return larger
}
