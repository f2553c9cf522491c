/**
 * Text in the two forms a signed message knows: lines ended by LF (in the spool and in transit) and by CRLF (the
 * canonical form, which is hashed: RFC 8551 section 3.1.1).
 */

const CR = 0x0d
const LF = 0x0a
const TAB = 0x09

/** Longest line that may travel as it is, line end not counted (RFC 5322 section 2.1.1). */
const MAX_LINE = 998

/**
 * Does the text come back byte for byte from CRLF canonicalisation by any mail program: ASCII, lines ended by LF, no
 * control characters but tabs, no line over 998 octets? Else it must travel encoded.
 */
export function survivesAsText(bytes: Uint8Array): boolean {
  let lineStart = 0
  for (let at = 0; at < bytes.length; at++) {
    const octet = bytes[at] ?? 0
    if (octet >= 0x20 && octet < 0x7f) continue
    if (octet === LF) {
      if (at - lineStart > MAX_LINE) return false
      lineStart = at + 1
    } else if (octet !== TAB) {
      return false
    }
  }
  return bytes.length - lineStart <= MAX_LINE
}

/** Each LF that has no CR before it becomes CRLF; nothing else changes. The same memory when there is none. */
export function toCrlf(bytes: Buffer): Buffer {
  let first = bytes.indexOf(LF)
  while (first > 0 && bytes[first - 1] === CR) first = bytes.indexOf(LF, first + 1)
  if (first === -1) return bytes
  let bare = 0
  for (let at = bytes.indexOf(LF, first); at !== -1; at = bytes.indexOf(LF, at + 1)) {
    if (bytes[at - 1] !== CR) bare++
  }
  const target = Buffer.allocUnsafe(bytes.length + bare)
  let from = 0
  let offset = 0
  for (let at = first; at !== -1; at = bytes.indexOf(LF, at + 1)) {
    if (bytes[at - 1] === CR) continue
    offset += bytes.copy(target, offset, from, at)
    target[offset++] = CR
    target[offset++] = LF
    from = at + 1
  }
  bytes.copy(target, offset, from)
  return target
}

/** Each CRLF becomes LF; a CR alone stays. The same memory when there is none. */
export function fromCrlf(bytes: Buffer): Buffer {
  let at = bytes.indexOf('\r\n', 0, 'latin1')
  if (at === -1) return bytes
  const target = Buffer.allocUnsafe(bytes.length - 1)
  let from = 0
  let offset = 0
  for (; at !== -1; at = bytes.indexOf('\r\n', at + 2, 'latin1')) {
    offset += bytes.copy(target, offset, from, at)
    target[offset++] = LF
    from = at + 2
  }
  offset += bytes.copy(target, offset, from)
  return target.subarray(0, offset)
}
