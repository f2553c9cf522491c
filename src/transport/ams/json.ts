/**
 * Reading answers: JSON with limits, and guards for what is inside. Answers are outside data: everything is looked at
 * before it is used, and what is not as it should be is `undefined`.
 */
import { JSON_LIMITS } from './settings.js'

const QUOTE = 0x22
const BACKSLASH = 0x5c

/** The value, or undefined: not JSON, not UTF-8, nested too deep, or made of too many parts. */
export function parseJson(bytes: Buffer): unknown {
  if (!isModest(bytes)) return undefined
  try {
    return JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(bytes)) as unknown
  } catch {
    return undefined // a syntax error, or bytes that are not UTF-8
  }
}

/**
 * Looks at the structure alone, before a parser makes objects of it: 32 MiB of brackets would take a gigabyte.
 * Strings are jumped over, so that bodies cost next to nothing.
 */
function isModest(bytes: Buffer): boolean {
  let depth = 0
  let tokens = 0
  for (let at = 0; at < bytes.length; at++) {
    const byte = bytes[at]
    if (byte === QUOTE) {
      at = endOfString(bytes, at)
      if (at === -1) return false
    } else if (byte === 0x5b || byte === 0x7b) {
      depth += 1
      tokens += 1
    } else if (byte === 0x5d || byte === 0x7d) depth -= 1
    else if (byte === 0x2c || byte === 0x3a) tokens += 1
    if (depth > JSON_LIMITS.depth || tokens > JSON_LIMITS.tokens) return false
  }
  return true
}

/** The index of the quote that ends the string begun at `start`; -1: there is none. */
function endOfString(bytes: Buffer, start: number): number {
  for (let at = bytes.indexOf(QUOTE, start + 1); at !== -1; at = bytes.indexOf(QUOTE, at + 1)) {
    let escapes = 0
    while (bytes[at - 1 - escapes] === BACKSLASH) escapes += 1
    if (escapes % 2 === 0) return at
  }
  return -1
}

export type JsonObject = Readonly<Record<string, unknown>>

/** Twin of the one in os/json-object.ts: of that room this one takes the clock alone, and a line is less than an exception. */
export function isObject(value: unknown): value is JsonObject {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

export function textOf(value: unknown): string | undefined {
  return typeof value === 'string' ? value : undefined
}

/** A whole number from 0 that is exact here. */
export function countOf(value: unknown): number | undefined {
  return typeof value === 'number' && Number.isSafeInteger(value) && value >= 0 ? value : undefined
}

export function listOf(value: unknown): readonly unknown[] | undefined {
  return Array.isArray(value) ? value : undefined
}

/** The bytes of strict Base64 (RFC 4648 section 4: alphabet, padding, no line ends, no bits left over), or null. */
export function decodeBase64(text: string): Buffer | null {
  if (text.length % 4 !== 0 || !/^[A-Za-z0-9+/]*={0,2}$/u.test(text)) return null
  const bytes = Buffer.from(text, 'base64')
  // The last group alone can hide bits: comparing it says whether the rest is canonical too.
  const tail = bytes.length % 3 === 0 ? 3 : bytes.length % 3
  return bytes.length === 0 || bytes.subarray(-tail).toString('base64') === text.slice(-4) ? bytes : null
}
