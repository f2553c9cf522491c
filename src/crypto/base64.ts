/**
 * Base64 as MIME carries it (RFC 2045 section 6.8): lines of 64 columns out, any white space in, nothing else tolerated.
 */
import { SsmError } from '../errors.js'

/** Octets of one line of 64 columns. */
const LINE_OCTETS = 48
const LINE_COLUMNS = 64

const LF = 0x0a
const PAD = 0x3d

/** What each octet is: 1 alphabet, 2 white space, 3 padding, 0 none of them. */
const KIND = kinds()

function kinds(): Uint8Array {
  const kind = new Uint8Array(256)
  for (const octet of Buffer.from('ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/', 'latin1')) {
    kind[octet] = 1
  }
  for (const octet of [0x20, 0x09, 0x0a, 0x0d]) kind[octet] = 2
  kind[PAD] = 3
  return kind
}

/** Octets that `encodeBase64Lines` makes of `length` octets. */
export function base64LinesLength(length: number): number {
  return Math.ceil(length / 3) * 4 + Math.ceil(length / LINE_OCTETS)
}

/** Base64 in lines of 64 columns, each ended by LF, written into `target` from `at`. Returns the offset behind it. */
export function writeBase64Lines(bytes: Buffer, target: Buffer, at: number): number {
  // One native call for all, then line by line into place: half the time of encoding each line by itself.
  const text = bytes.toString('base64')
  let offset = at
  for (let from = 0; from < text.length; from += LINE_COLUMNS) {
    offset += target.write(text.slice(from, from + LINE_COLUMNS), offset, 'latin1')
    target[offset++] = LF
  }
  return offset
}

/** Base64 in lines of 64 columns, each ended by LF. */
export function encodeBase64Lines(bytes: Buffer): Buffer {
  const target = Buffer.allocUnsafe(base64LinesLength(bytes.length))
  writeBase64Lines(bytes, target, 0)
  return target
}

/**
 * The octets that base64 text stands for. White space may be anywhere; padding is required and ends the data.
 * Throws SsmError `malformed` for any other octet: node's own decoder skips what it does not know, and what is skipped
 * by one reader and not by another is a way to show two readers different things.
 */
export function decodeBase64(text: Buffer, what: string): Buffer {
  let count = 0
  let padding = 0
  for (let at = 0; at < text.length; at++) {
    const kind = KIND[text[at] ?? 0]
    if (kind === 1 && padding === 0) count++
    else if (kind === 3) padding++
    else if (kind !== 2) throw new SsmError('malformed', `${what} is not base64 at offset ${at}`)
  }
  if (padding > 2 || (count + padding) % 4 !== 0) throw new SsmError('malformed', `${what} is base64 that is cut off`)
  return Buffer.from(text.toString('latin1'), 'base64')
}
