/**
 * MIME entities as S/MIME needs them (RFC 2045, 2046): header fields, one Content-Type, the parts of one multipart.
 * No nesting: a caller looks into a part by itself, and only as deep as its own rules go.
 * Everything is linear in the input and bounded; what is damaged or ambiguous is refused with SsmError `malformed`,
 * what is too much with `limit`.
 */
import { SsmError } from '../errors.js'

/** Most octets of a header; the reference's has 250. */
const MAX_HEADER = 64 * 1024
/** Most fields of a header. */
const MAX_FIELDS = 200
/** Longest boundary (RFC 2046 section 5.1.1). */
const MAX_BOUNDARY = 70

const CR = 0x0d
const LF = 0x0a
const TAB = 0x09
const SPACE = 0x20
const DASH = 0x2d

/** A header and what follows it. */
export interface Entity {
  /** Values by field name in lower case, unfolded, without outer blanks. */
  readonly fields: ReadonlyMap<string, readonly string[]>
  readonly body: Buffer
}

/** A Content-Type: type and subtype in lower case, parameters by name in lower case. */
export interface ContentType {
  readonly type: string
  readonly parameters: ReadonlyMap<string, string>
}

/** Does it begin as a header does: a field name and a colon, or the empty line of an empty header? */
export function looksLikeHeader(bytes: Buffer): boolean {
  return /^(?:\r?\n|[!-9;-~]{1,100}[ \t]*:)/.test(bytes.toString('latin1', 0, 120))
}

/** Splits header and body. `what` names the entity in errors. */
export function parseEntity(bytes: Buffer, what: string): Entity {
  const fields = new Map<string, string[]>()
  let last: string[] | undefined
  let count = 0
  let at = 0
  for (;;) {
    const end = bytes.indexOf(LF, at)
    if ((end === -1 ? bytes.length : end) > MAX_HEADER) {
      throw new SsmError('limit', `${what} has a header of more than ${MAX_HEADER} bytes`)
    }
    if (end === -1) throw new SsmError('malformed', `${what} has no empty line behind its header`)
    const line = bytes.toString('latin1', at, bytes[end - 1] === CR && end > at ? end - 1 : end)
    at = end + 1
    if (line === '') return { fields, body: bytes.subarray(at) }
    if (line.startsWith(' ') || line.startsWith('\t')) {
      continueField(last, line, what)
      continue
    }
    if (++count > MAX_FIELDS) throw new SsmError('limit', `${what} has more than ${MAX_FIELDS} header fields`)
    last = addField(fields, line, what)
  }
}

function addField(fields: Map<string, string[]>, line: string, what: string): string[] {
  const colon = line.indexOf(':')
  const name = line.slice(0, Math.max(colon, 0)).trimEnd().toLowerCase()
  if (!/^[!-9;-~]+$/.test(name)) throw new SsmError('malformed', `${what} has a header line that is not a field`)
  const values = fields.get(name) ?? []
  values.push(line.slice(colon + 1).trim())
  fields.set(name, values)
  return values
}

/** Unfolds a continuation line (RFC 5322 section 2.2.3) into the value it continues. */
function continueField(values: string[] | undefined, line: string, what: string): void {
  const value = values?.at(-1)
  if (values === undefined || value === undefined) {
    throw new SsmError('malformed', `${what} begins with a continuation line`)
  }
  values[values.length - 1] = `${value} ${line.trim()}`.trim()
}

/**
 * The value of a field that may occur once, or undefined. Two of a field that decides how the rest is read would let
 * two readers see different messages: refused.
 */
export function singleField(entity: Entity, name: string, what: string): string | undefined {
  const values = entity.fields.get(name) ?? []
  if (values.length > 1) throw new SsmError('malformed', `${what} has ${values.length} fields ${name}`)
  return values[0]
}

/** The Content-Type of an entity; `text/plain` when it has none (RFC 2045 section 5.2). */
export function contentTypeOf(entity: Entity, what: string): ContentType {
  const value = singleField(entity, 'content-type', what)
  return value === undefined ? { type: 'text/plain', parameters: new Map() } : parseContentType(value, what)
}

/** The Content-Transfer-Encoding of an entity in lower case; undefined when it has none. */
export function transferEncodingOf(entity: Entity, what: string): string | undefined {
  return singleField(entity, 'content-transfer-encoding', what)?.toLowerCase()
}

/** Parses `type/subtype; name=value; name="value"` (RFC 2045 section 5.1, without comments). */
export function parseContentType(value: string, what: string): ContentType {
  const type = /^([\w!#$&^.+-]+\/[\w!#$&^.+-]+)[ \t]*/.exec(value)
  if (type?.[1] === undefined) throw new SsmError('malformed', `${what} has a Content-Type that is not type/subtype`)
  const parameters = new Map<string, string>()
  // Sticky and without overlapping alternatives: linear, whatever the value holds.
  const parameter = /;[ \t]*(?:([\w!#$&^.+*'%-]+)[ \t]*=[ \t]*(?:"((?:[^"\\]|\\.)*)"|([^\s;"]+))[ \t]*)?/y
  parameter.lastIndex = type[0].length
  while (parameter.lastIndex < value.length) {
    const match = parameter.exec(value)
    if (match === null) throw new SsmError('malformed', `${what} has a Content-Type with a damaged parameter`)
    const name = match[1]?.toLowerCase()
    if (name === undefined) continue
    if (parameters.has(name)) throw new SsmError('malformed', `${what} has a Content-Type with two parameters ${name}`)
    parameters.set(name, match[2]?.replace(/\\(.)/g, '$1') ?? match[3] ?? '')
  }
  return { type: type[1].toLowerCase(), parameters }
}

/**
 * The parts of a multipart body, each without the line end before its delimiter, which belongs to the delimiter
 * (RFC 2046 section 5.1.1), and what follows the closing delimiter. More than `most` parts are refused.
 */
export function splitMultipart(
  body: Buffer,
  boundary: string,
  most: number,
  what: string,
): { readonly parts: readonly Buffer[]; readonly epilogue: Buffer } {
  if (boundary.length < 1 || boundary.length > MAX_BOUNDARY) {
    throw new SsmError(
      'malformed',
      `${what} has a boundary of ${boundary.length} characters (1 to ${MAX_BOUNDARY} are allowed)`,
    )
  }
  const delimiter = Buffer.from(`--${boundary}`, 'latin1')
  const parts: Buffer[] = []
  let partStart = -1
  for (let at = body.indexOf(delimiter); at !== -1; at = body.indexOf(delimiter, at + 1)) {
    if (at > 0 && body[at - 1] !== LF) continue
    const line = delimiterLine(body, at + delimiter.length)
    if (line === undefined) continue
    if (partStart !== -1) parts.push(body.subarray(partStart, Math.max(partStart, lineEndBefore(body, at))))
    if (parts.length > most) throw new SsmError('malformed', `${what} has more than ${most} parts`)
    if (line.closing) return { parts, epilogue: body.subarray(line.after) }
    partStart = line.after
  }
  throw new SsmError('malformed', `${what} is cut off: there is no closing boundary line`)
}

/** The rest of a delimiter line behind the boundary: `--` when it closes, blanks, the line end. */
function delimiterLine(body: Buffer, from: number): { readonly closing: boolean; readonly after: number } | undefined {
  const closing = body[from] === DASH && body[from + 1] === DASH
  let at = closing ? from + 2 : from
  while (body[at] === SPACE || body[at] === TAB) at++
  if (at >= body.length) return closing ? { closing, after: body.length } : undefined
  if (body[at] === CR) at++
  return body[at] === LF ? { closing, after: at + 1 } : undefined
}

/** Where the line end that precedes `at` begins. */
function lineEndBefore(body: Buffer, at: number): number {
  return body[at - 2] === CR ? at - 2 : at - 1
}
