/**
 * What CONNECT agrees on (STOMP 1.2, "Protocol Negotiation" and "Heart-beating"). Pure functions over header values.
 */
import type { StompVersion } from '../frame.js'

/** Best first. */
export const VERSIONS: readonly StompVersion[] = ['1.2', '1.1', '1.0']

/** The best common version; null: there is none. A client that does not say speaks 1.0. */
export function chooseVersion(acceptVersion: string | undefined): StompVersion | null {
  if (acceptVersion === undefined) return '1.0'
  const offered = acceptVersion.split(',').map((each) => each.trim())
  return VERSIONS.find((version) => offered.includes(version)) ?? null
}

/** Milliseconds; 0 = none. */
export interface HeartBeat {
  /** We send at least so often. */
  readonly send: number
  /** The client promised something at least so often. */
  readonly expect: number
}

/** `ours`: how often we can send and want to hear. null: the header is not two numbers. */
export function chooseHeartBeat(header: string | undefined, ours: number): HeartBeat | null {
  if (header === undefined) return { send: 0, expect: 0 }
  const match = /^\s*([0-9]{1,9})\s*,\s*([0-9]{1,9})\s*$/.exec(header)
  if (match === null) return null
  const agree = (theirs: number) => (theirs === 0 || ours === 0 ? 0 : Math.max(theirs, ours))
  return { send: agree(Number(match[2])), expect: agree(Number(match[1])) }
}
