/**
 * PEM (RFC 7468): the blocks of a file, among whatever text stands between them (OpenSSL writes the certificate in words
 * in front of it). Reads and writes; judges nothing.
 */
import { SsmError } from '../errors.js'
import { asBuffer } from './der.js'

/** One block: its label (`CERTIFICATE`, `RSA PRIVATE KEY`, `X509 CRL`, …) and its bytes. */
export interface PemBlock {
  readonly label: string
  readonly der: Buffer
  /** Header lines inside the block (`Proc-Type: 4,ENCRYPTED`); such a block is not plain DER. */
  readonly headers: readonly string[]
}

export interface PemLimits {
  /** Largest text in bytes. Default 64 MiB: CRLs of large CAs have several. */
  readonly bytes?: number
  /** Most blocks. Default 1 000. */
  readonly blocks?: number
}

const BEGIN = Buffer.from('-----BEGIN ')
const DASHES = Buffer.from('-----')

/** All blocks of a text. Throws SsmError `malformed` for a damaged block, `limit`; no block at all is an empty list. */
export function parsePem(text: Uint8Array, limits: PemLimits = {}): PemBlock[] {
  const { bytes = 64 * 1024 * 1024, blocks = 1000 } = limits
  if (text.length > bytes)
    throw new SsmError('limit', `a PEM text of ${text.length} bytes exceeds the limit of ${bytes}`)
  const buffer = asBuffer(text)
  const found: PemBlock[] = []
  let at = buffer.indexOf(BEGIN)
  while (at !== -1) {
    if (at > 0 && buffer[at - 1] !== 0x0a && buffer[at - 1] !== 0x0d) {
      at = buffer.indexOf(BEGIN, at + BEGIN.length)
      continue
    }
    if (found.length >= blocks) throw new SsmError('limit', `a PEM text has more than ${blocks} blocks`)
    const { block, end } = readBlock(buffer, at)
    found.push(block)
    at = buffer.indexOf(BEGIN, end)
  }
  return found
}

function readBlock(buffer: Buffer, at: number): { block: PemBlock; end: number } {
  const labelAt = at + BEGIN.length
  const labelEnd = buffer.indexOf(DASHES, labelAt)
  const label = labelEnd === -1 || labelEnd - labelAt > 64 ? '' : buffer.toString('latin1', labelAt, labelEnd)
  if (!/^[A-Z0-9][A-Z0-9 ]*$/.test(label)) throw new SsmError('malformed', 'a PEM block has no proper BEGIN line')
  const footer = `-----END ${label}-----`
  const bodyEnd = buffer.indexOf(footer, labelEnd, 'latin1')
  if (bodyEnd === -1) throw new SsmError('malformed', `a PEM block ${label} has no END line`)
  const { headers, base64 } = splitHeaders(buffer.toString('latin1', labelEnd + DASHES.length, bodyEnd))
  return { block: { label, headers, der: decodeBase64(base64, label) }, end: bodyEnd + footer.length }
}

/** RFC 1421 headers stand before an empty line, and only they contain colons. */
function splitHeaders(body: string): { headers: string[]; base64: string } {
  const colon = body.indexOf(':')
  if (colon === -1) return { headers: [], base64: body }
  const gap = /\r?\n[ \t]*\r?\n/.exec(body.slice(colon))
  if (gap === null) throw new SsmError('malformed', 'a PEM block has headers without an end')
  const split = colon + gap.index
  const headers = body.slice(0, split).split(/\r?\n/)
  return { headers: headers.filter((line) => line !== ''), base64: body.slice(split + gap[0].length) }
}

function decodeBase64(text: string, label: string): Buffer {
  const packed = text.replace(/[ \t\r\n]+/g, '')
  // Buffer.from skips what is not base64; a damaged block must be seen.
  if (packed === '' || packed.length % 4 !== 0 || !/^[A-Za-z0-9+/]+={0,2}$/.test(packed)) {
    throw new SsmError('malformed', `a PEM block ${label} is not base64`)
  }
  return Buffer.from(packed, 'base64')
}

/** One block as text, lines of 64 characters. */
export function toPem(label: string, der: Uint8Array): string {
  const lines =
    asBuffer(der)
      .toString('base64')
      .match(/.{1,64}/g) ?? []
  return `-----BEGIN ${label}-----\n${lines.join('\n')}\n-----END ${label}-----\n`
}
