/**
 * What can be asked of a running program over its status socket: a table of verbs. Whoever adds one adds a line to the table
 * that the program hands to `openStatusSocket`.
 */
import type { SenderDaemonConfig } from '../../config/config.js'
import { OWN_DIRECTORY } from '../../spool/own-directory.js'

/** One line of JSON from whoever asks: an object with `verb`, and what that verb needs. Outside data: check each field. */
export type Request = Readonly<Record<string, unknown>>

/**
 * Answers with what goes out as JSON. `signal` fires when nobody waits for the answer any more, or the program ends. An
 * SsmError that it throws is told to whoever asks in its own words.
 */
export type Verb = (request: Request, signal: AbortSignal) => Promise<unknown>

export type Verbs = Readonly<Record<string, Verb>>

/** A line of answer. */
export type Answer = { readonly ok: true; readonly answer: unknown } | { readonly ok: false; readonly error: string }

const SOCKET_NAME = 'status.sock'
/** `sun_path` of unix(7) has 108 bytes, the last of which is 0; what is longer would be cut without a word. */
export const LONGEST_SOCKET_PATH = 107

/** Where a program with this configuration can be asked. */
export function socketPath(path: string, { statusSocket }: SenderDaemonConfig): string {
  return statusSocket ?? `${path}/${OWN_DIRECTORY}/${SOCKET_NAME}`
}
