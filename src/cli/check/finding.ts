/**
 * Checking a set-up before it is used: configuration, keys, trust, spools, broker. Nothing is changed on disk, nothing is
 * sent, nothing is taken, and nothing secret is shown. A check answers findings; it throws SsmError for what it could not
 * look past, which becomes a finding too.
 *
 * This file: what a check finds.
 */
import type { ReceiverConfig, SenderConfig } from '../../config/config.js'
import type { Program } from '../program.js'

/** `unchecked`: could not be looked at without changing something. */
export type Level = 'ok' | 'warning' | 'failed' | 'unchecked'

export interface Finding {
  readonly level: Level
  /** The concern, in a word or two. */
  readonly about: string
  /** What was found. May hold outside text: print it through `printable`. */
  readonly text: string
  /** What to do about it. */
  readonly remedy?: string
}

/** What is checked. */
export type Subject = SubjectBase &
  (
    | { readonly role: 'sender'; readonly config: SenderConfig }
    | { readonly role: 'receiver'; readonly config: ReceiverConfig }
  )

export interface SubjectBase {
  readonly file: string
  /** Of the configuration. */
  readonly warnings: readonly string[]
  readonly dnFile: string
  readonly program: Program
  /** Wall clock, ms. */
  readonly now: number
  /** Try the destination too, which may make an empty queue at the broker. */
  readonly tryDestination: boolean
}

/** One concern. Ends soon when the signal fires. */
export interface Check {
  readonly about: string
  readonly only?: Subject['role']
  /** ms. */
  readonly limit?: number
  run(subject: Subject, signal: AbortSignal): Promise<readonly Finding[]> | readonly Finding[]
}

export function ok(about: string, text: string): Finding {
  return { level: 'ok', about, text }
}

export function warning(about: string, text: string, remedy?: string): Finding {
  return { level: 'warning', about, text, ...(remedy === undefined ? {} : { remedy }) }
}

export function failed(about: string, text: string, remedy?: string): Finding {
  return { level: 'failed', about, text, ...(remedy === undefined ? {} : { remedy }) }
}

export function unchecked(about: string, text: string, remedy?: string): Finding {
  return { level: 'unchecked', about, text, ...(remedy === undefined ? {} : { remedy }) }
}

/** The first few of a list that may be long. */
export function few(list: readonly string[], most = 3): string {
  const more = list.length - most
  return more > 0 ? `${list.slice(0, most).join(', ')} and ${more} more` : list.join(', ')
}

/** `4 files`, `1 file`. */
export function counted(count: number, noun: string): string {
  return `${count} ${noun}${count === 1 ? '' : 's'}`
}

/** Day and minute, UTC. */
export function dateText(at: number): string {
  return new Date(at).toISOString().slice(0, 16).replace('T', ' ')
}
