/**
 * From a pulled message to what the receiver is handed. What somebody published is outside data: whatever is wrong with it
 * becomes bytes that are judged and rejected, never an error that would stop the others.
 */
import { decodeBase64, textOf } from './json.js'
import type { Pulled } from './routes.js'
import { KEPT_OF_OVERSIZED } from './settings.js'

export interface Body {
  readonly body: Uint8Array
  /** The whole size, when `body` is only its beginning. */
  readonly truncated?: number
}

/** The bytes; what is not strict Base64 is handed on as it stands, for the reject spool. */
export function deliveryBody({ data }: Pulled, limit: number): Body {
  const bytes = decodeBase64(data) ?? Buffer.from(data)
  if (bytes.length <= limit) return { body: bytes }
  return { body: Buffer.from(bytes.subarray(0, Math.min(limit, KEPT_OF_OVERSIZED))), truncated: bytes.length }
}

/** Bytes of the body, roughly: for the window, before anything is decoded. */
export function roughSize({ data }: Pulled): number {
  return Math.floor((data.length * 3) / 4)
}

/** The id that the sender gave it. */
export function empaidOf({ attributes }: Pulled): string {
  return Object.hasOwn(attributes, 'empaid') ? (textOf(attributes.empaid) ?? 'N/A') : 'N/A'
}
