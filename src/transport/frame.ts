/**
 * The STOMP frame codec (STOMP 1.0, 1.1 and 1.2, section "STOMP Frames"): bytes in, frames and heart-beats out, and back.
 * It has no socket and no clock, keeps at most one unfinished frame, and gives the same result however the bytes are cut.
 * Throws SsmError `malformed` (not STOMP) and `limit` (a limit, named); after that the stream has no more meaning.
 */
import { SsmError } from '../errors.js'

export type StompVersion = '1.0' | '1.1' | '1.2'

/** Header names and values, un-escaped. Of repeated headers the first counts (STOMP 1.2, "Repeated Header Entries"). */
export type Headers = ReadonlyMap<string, string>

/** A frame whose body has not been read yet. */
export interface FrameHead {
  readonly command: string
  readonly headers: Headers
  /** From `content-length`; undefined: the body ends at the first NUL. */
  readonly length: number | undefined
}

export interface Frame {
  readonly command: string
  readonly headers: Headers
  /** May share memory with the bytes that were pushed. */
  readonly body: Buffer
  /** Bytes of the body on the wire: more than `body` holds when it was cut (`FrameLimits.kept`). */
  readonly size: number
}

/** Called while bytes are pushed. What a handler throws leaves `push`. */
export interface FrameHandler {
  /** The head of a frame is complete and its limits are not judged yet: the place to remember whose fault an excess is. */
  head?(head: FrameHead): void
  frame(frame: Frame): void
  /** A line end between frames. */
  heartBeat?(): void
}

export interface FrameLimits {
  /** Command line and headers of one frame. */
  readonly headBytes: number
  readonly headers: number
  readonly bodyBytes: number
  /** A body larger than `bodyBytes` is no error: its first `kept` bytes are handed over, the rest is skipped. */
  readonly kept?: number
}

/** No broker carries more (2 GiB is the largest array of a JVM): a body that goes on and on is nobody's message. */
const SKIP_LIMIT = 2 ** 31

/** Heads: 64 KiB is twenty times what any client of ours sends, and nothing for us to hold. */
export const HEAD_LIMITS: Omit<FrameLimits, 'bodyBytes'> = { headBytes: 64 * 1024, headers: 100 }

export interface FrameParser {
  /**
   * The version that CONNECTED agreed on; null before. A handler may set it: it counts from the next frame on.
   * Before it nothing is un-escaped and CR LF is taken for a line end.
   */
  version: StompVersion | null
  /** Is a frame begun and not complete? */
  readonly inFrame: boolean
  /** Bytes held of an unfinished frame. */
  readonly held: number
  push(chunk: Buffer): void
  /** Drops what is held and ignores everything from here on, the rest of the present chunk included. */
  stop(): void
}

const NUL = 0
const LF = 10
const CR = 13

/** The longest command is UNSUBSCRIBE and DISCONNECT: what has no line end by then is not STOMP. */
const COMMAND_BYTES = 16

/** CONNECT and CONNECTED are never escaped: a 1.0 peer must be able to read them (STOMP 1.2, "Value Encoding"). */
const UNESCAPED = new Set(['CONNECT', 'STOMP', 'CONNECTED'])

const EMPTY = Buffer.alloc(0)
const NUL_BYTE = Buffer.from([NUL])

/** Grows by doubling, so that a body of n bytes is copied at most twice however it arrives. */
class Collector {
  #buffer: Buffer = EMPTY
  #length = 0

  get length(): number {
    return this.#length
  }

  /** `expected`: the final length when it is known; a claim, so not more than 64 KiB of it is believed at once. */
  add(piece: Buffer, expected?: number): this {
    const need = this.#length + piece.length
    if (need > this.#buffer.length) {
      let capacity = Math.max(need, this.#buffer.length * 2, 256)
      if (expected !== undefined) capacity = Math.max(need, Math.min(expected, Math.max(capacity, 64 * 1024)))
      const larger = Buffer.allocUnsafe(capacity)
      this.#buffer.copy(larger, 0, 0, this.#length)
      this.#buffer = larger
    }
    piece.copy(this.#buffer, this.#length)
    this.#length = need
    return this
  }

  take(): Buffer {
    const whole = this.#buffer.subarray(0, this.#length)
    this.#buffer = EMPTY
    this.#length = 0
    return whole
  }
}

/*
 * States: between ─byte─▶ command ─LF─▶ header ─LF─▶ header … ─empty line─▶ counted (content-length) or open (up to NUL)
 *         counted, open ─NUL─▶ between.   With `kept`, a body beyond the limit: ─▶ excess ─NUL─▶ between.   Any ─stop, error─▶ stopped.
 */
type State = 'between' | 'command' | 'header' | 'counted' | 'open' | 'excess' | 'stopped'

class Parser implements FrameParser {
  version: StompVersion | null = null
  readonly #limits: FrameLimits
  readonly #handler: FrameHandler
  readonly #pending = new Collector()
  readonly #steps: Readonly<Record<State, (chunk: Buffer, at: number) => number>> = {
    between: (chunk, at) => this.#between(chunk, at),
    command: (chunk, at) => this.#command(chunk, at),
    header: (chunk, at) => this.#header(chunk, at),
    counted: (chunk, at) => this.#counted(chunk, at),
    open: (chunk, at) => this.#open(chunk, at),
    excess: (chunk, at) => this.#excess(chunk, at),
    stopped: (chunk) => chunk.length,
  }
  #state: State = 'between'
  #name = ''
  #headers = new Map<string, string>()
  #headBytes = 0
  #headerLines = 0
  #length: number | undefined
  /** Bytes of a body beyond the limit that have passed. */
  #passed = 0

  constructor(limits: FrameLimits, handler: FrameHandler) {
    this.#limits = limits
    this.#handler = handler
  }

  get inFrame(): boolean {
    return this.#state !== 'between' && this.#state !== 'stopped'
  }

  get held(): number {
    return this.#pending.length
  }

  push(chunk: Buffer): void {
    try {
      let at = 0
      while (at < chunk.length) at = this.#steps[this.#state](chunk, at)
    } catch (error) {
      this.stop()
      throw error
    }
  }

  stop(): void {
    this.#state = 'stopped'
    this.#pending.take()
  }

  #between(chunk: Buffer, at: number): number {
    const byte = chunk[at] ?? NUL
    if (byte === LF) this.#handler.heartBeat?.()
    if (byte === LF || byte === CR) return at + 1
    if (byte < 65 || byte > 90) throw malformed(`no command begins with byte 0x${byte.toString(16).padStart(2, '0')}`)
    this.#state = 'command'
    this.#headers = new Map()
    this.#headBytes = 0
    this.#headerLines = 0
    return at
  }

  #command(chunk: Buffer, at: number): number {
    const end = this.#lineEnd(chunk, at)
    if (this.#pending.length + (end - at) > COMMAND_BYTES) throw malformed('the first line is too long for a command')
    if (end === chunk.length) return this.#keep(chunk, at)
    this.#name = this.#line(chunk, at, end)
    if (!/^[A-Z]+$/.test(this.#name)) throw malformed('the first line is not a command')
    this.#state = 'header'
    return end + 1
  }

  #header(chunk: Buffer, at: number): number {
    const end = this.#lineEnd(chunk, at)
    if (end === chunk.length) return this.#keep(chunk, at)
    const line = this.#line(chunk, at, end)
    if (line === '') this.#endOfHead()
    else this.#addHeader(line)
    return end + 1
  }

  #counted(chunk: Buffer, at: number): number {
    const length = this.#length ?? 0
    const end = at + Math.min(length - this.#pending.length, chunk.length - at)
    if (end === chunk.length) {
      this.#pending.add(chunk.subarray(at, end), length)
      return end
    }
    if (chunk[end] !== NUL) throw malformed('there is no NUL where content-length says that the body ends')
    this.#emit(this.#whole(chunk, at, end, length))
    return end + 1
  }

  #open(chunk: Buffer, at: number): number {
    const nul = chunk.indexOf(NUL, at)
    const end = nul === -1 ? chunk.length : nul
    if (this.#pending.length + (end - at) > this.#limits.bodyBytes) {
      this.#beginExcess()
      return at
    }
    if (nul === -1) {
      this.#pending.add(chunk.subarray(at, end))
      return end
    }
    this.#emit(this.#whole(chunk, at, end))
    return end + 1
  }

  /** Throws when an excess is an error; else what is held is cut, and the body passes from here on. */
  #beginExcess(): void {
    const { kept } = this.#limits
    if (kept === undefined) throw this.#tooLarge(this.#limits.bodyBytes)
    if ((this.#length ?? 0) > SKIP_LIMIT) throw this.#tooLarge(SKIP_LIMIT)
    const held = this.#pending.take()
    this.#passed = held.length
    this.#pending.add(held.subarray(0, kept))
    this.#state = 'excess'
  }

  #excess(chunk: Buffer, at: number): number {
    const nul = this.#length === undefined ? chunk.indexOf(NUL, at) : at + this.#length - this.#passed
    const end = nul === -1 ? chunk.length : Math.min(nul, chunk.length)
    this.#passed += end - at
    if (this.#passed > SKIP_LIMIT) throw this.#tooLarge(SKIP_LIMIT)
    const room = Math.max(0, (this.#limits.kept ?? 0) - this.#pending.length)
    this.#pending.add(chunk.subarray(at, Math.min(end, at + room)))
    if (end === chunk.length) return end
    if (chunk[end] !== NUL) throw malformed('there is no NUL where content-length says that the body ends')
    this.#emit(this.#pending.take(), this.#passed)
    return end + 1
  }

  /** Index of the LF, or the chunk's length; counts the bytes of the head. */
  #lineEnd(chunk: Buffer, at: number): number {
    const found = chunk.indexOf(LF, at)
    const end = found === -1 ? chunk.length : found
    this.#headBytes += (found === -1 ? end : end + 1) - at
    if (this.#headBytes > this.#limits.headBytes) {
      throw new SsmError('limit', `STOMP headers of more than ${this.#limits.headBytes} bytes`)
    }
    return end
  }

  #keep(chunk: Buffer, at: number): number {
    this.#pending.add(chunk.subarray(at))
    return chunk.length
  }

  /** The bytes up to `end`, with what was held. A copy only when the bytes came in pieces. */
  #whole(chunk: Buffer, at: number, end: number, expected?: number): Buffer {
    const piece = chunk.subarray(at, end)
    return this.#pending.length === 0 ? piece : this.#pending.add(piece, expected).take()
  }

  #line(chunk: Buffer, at: number, end: number): string {
    const bytes = this.#whole(chunk, at, end)
    if (bytes.includes(NUL)) throw malformed('there is a NUL in a header')
    // CR LF is a line end from 1.2 on; in 1.0 and 1.1 a CR belongs to the value.
    const cut = bytes.at(-1) === CR && (this.version === null || this.version === '1.2') ? 1 : 0
    return bytes.toString('utf8', 0, bytes.length - cut)
  }

  #addHeader(line: string): void {
    if (++this.#headerLines > this.#limits.headers) {
      throw new SsmError('limit', `a STOMP frame of more than ${this.#limits.headers} headers`)
    }
    const colon = line.indexOf(':')
    if (colon < 1) throw malformed('a header line is not NAME:VALUE')
    const version = UNESCAPED.has(this.#name) ? null : this.version
    const name = decodeText(line.slice(0, colon), version)
    const value = decodeText(line.slice(colon + 1), version)
    const earlier = this.#headers.get(name)
    if (earlier === undefined) this.#headers.set(name, value)
    else if (name === 'content-length' && earlier !== value) throw malformed('two different content-length headers')
  }

  #endOfHead(): void {
    const length = parseLength(this.#headers.get('content-length'))
    this.#length = length
    this.#state = length === undefined ? 'open' : 'counted'
    this.#handler.head?.({ command: this.#name, headers: this.#headers, length })
    // The handler may have called stop().
    if (this.inFrame && (length ?? 0) > this.#limits.bodyBytes) this.#beginExcess()
  }

  #emit(body: Buffer, size = body.length): void {
    this.#state = 'between'
    this.#handler.frame({ command: this.#name, headers: this.#headers, body, size })
  }

  #tooLarge(limit: number): SsmError {
    return new SsmError('limit', `a STOMP frame whose body is larger than ${limit} bytes`)
  }
}

/** An incremental parser. Push bytes; frames come out through the handler, during the call and in order. */
export function createFrameParser(limits: FrameLimits, handler: FrameHandler): FrameParser {
  return new Parser(limits, handler)
}

function malformed(what: string): SsmError {
  return new SsmError('malformed', `not a STOMP frame: ${what}`)
}

function parseLength(text: string | undefined): number | undefined {
  if (text === undefined) return undefined
  if (!/^\s*[0-9]{1,15}\s*$/.test(text)) throw malformed('content-length is not a number')
  return Number(text)
}

const DECODE: Readonly<Record<string, string>> = { '\\n': '\n', '\\c': ':', '\\\\': '\\' }
const DECODE_12: Readonly<Record<string, string>> = { ...DECODE, '\\r': '\r' }

function decodeText(text: string, version: StompVersion | null): string {
  // 1.0 knows no escapes, and its own examples have a blank after the colon.
  if (version === '1.0') return text.trim()
  if (version === null || !text.includes('\\')) return text
  const table = version === '1.1' ? DECODE : DECODE_12
  return text.replace(/\\(?:.|$)/gsu, (escape) => {
    const character = Object.hasOwn(table, escape) ? table[escape] : undefined
    if (character === undefined) throw malformed('an escape sequence in a header is not defined')
    return character
  })
}

const ENCODE: Readonly<Record<string, string>> = { '\n': '\\n', ':': '\\c', '\\': '\\\\' }
const ENCODE_12: Readonly<Record<string, string>> = { ...ENCODE, '\r': '\\r' }

function encodeText(text: string, name: boolean, version: StompVersion | null): string {
  if (text.includes('\0')) throw malformed('a NUL cannot stand in a header')
  if (version === '1.1') return text.replace(/[\n:\\]/g, (character) => ENCODE[character] ?? character)
  if (version === '1.2') return text.replace(/[\r\n:\\]/g, (character) => ENCODE_12[character] ?? character)
  // 1.0 takes a CR for data; the frames that are never escaped are read by peers of any version.
  const bad = version === '1.0' ? /\n/ : /[\r\n]/
  if (bad.test(text) || (name && text.includes(':'))) throw malformed('this header cannot be written unescaped')
  return text
}

/**
 * The bytes before the body. `bodyLength` null: no `content-length` (frames without a body). For large bodies write this,
 * the body and one NUL: no copy. Throws SsmError `malformed` for what this version cannot express.
 */
export function encodeHead(
  command: string,
  headers: Iterable<readonly [string, string]>,
  bodyLength: number | null,
  version: StompVersion,
): Buffer {
  const escaping = UNESCAPED.has(command) ? null : version
  let text = `${command}\n`
  for (const [name, value] of headers) {
    text += `${encodeText(name, true, escaping)}:${encodeText(value, false, escaping)}\n`
  }
  if (bodyLength !== null) text += `content-length:${bodyLength}\n`
  return Buffer.from(`${text}\n`, 'utf8')
}

/** A whole frame. `content-length` is added when there is a body (null: none); do not pass it among the headers. */
export function encodeFrame(
  command: string,
  headers: Iterable<readonly [string, string]>,
  body: Uint8Array | null,
  version: StompVersion,
): Buffer {
  const head = encodeHead(command, headers, body === null ? null : body.length, version)
  return Buffer.concat(body === null ? [head, NUL_BYTE] : [head, body, NUL_BYTE])
}
