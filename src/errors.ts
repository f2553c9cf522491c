/**
 * Every failure of ours has a stable code, and the code carries one bit: temporary (try again) or permanent.
 * A bad *message* is never an exception: it is a verdict (see message.ts). Exceptions mean that we could not do our work.
 */

/** What a code means: `temporary` = the same thing may succeed later without anybody changing anything. */
interface ErrorKind {
  readonly temporary: boolean
  /** The exit code of a program that ends because of it (sysexits.h; specs: 64 usage, 75 try later, 78 configuration). */
  readonly exit: number
}

/** All codes there are. The table is the only list; operations documentation is tested against it. */
export const ERROR_KINDS = {
  /** Wrong flags or arguments. */
  usage: { temporary: false, exit: 64 },
  /** Our configuration, key, certificate or CA directory is missing or wrong: a person must change it. */
  configuration: { temporary: false, exit: 78 },
  /** Nobody answers there: refused, unknown host, time-out while connecting. */
  unreachable: { temporary: true, exit: 75 },
  /** An established connection ended, by cut, silence or an ERROR that names no message. */
  'connection-lost': { temporary: true, exit: 75 },
  /** The broker did not confirm in time. */
  'receipt-late': { temporary: true, exit: 75 },
  /** The broker's certificate is not acceptable to us. */
  'peer-certificate': { temporary: false, exit: 75 },
  /** The broker refuses us: certificate, login. */
  'login-refused': { temporary: false, exit: 75 },
  /** The broker knows us, but not this destination, or not our right to it. */
  'destination-refused': { temporary: false, exit: 75 },
  /** What answers does not speak our protocol. */
  'not-the-protocol': { temporary: false, exit: 75 },
  /** The broker refuses this one message and says so for it. */
  'message-refused': { temporary: false, exit: 1 },
  /** This content cannot be carried as configured (not UTF-8 without `binary`, empty, too large). */
  'cannot-seal': { temporary: false, exit: 1 },
  /** Not a regular file, too large, or otherwise not something to read. */
  'element-damaged': { temporary: false, exit: 1 },
  /** Our lock on an element is no longer there. */
  'lock-lost': { temporary: true, exit: 75 },
  /** A spool cannot be read or written: rights, full, read-only, failing disk. */
  disk: { temporary: true, exit: 75 },
  /** Another process of ours works on this spool. */
  locked: { temporary: true, exit: 75 },
  /** No usable trust data (CA directory, CRLs, DN list) as a whole. */
  'no-trust': { temporary: true, exit: 75 },
  /** Bytes that are not what they should be (DER, PEM, S/MIME, frames). Becomes a verdict where a message is judged. */
  malformed: { temporary: false, exit: 1 },
  /** A limit of ours was exceeded; the message names it. */
  limit: { temporary: false, exit: 1 },
  /** The caller's AbortSignal. */
  aborted: { temporary: true, exit: 0 },
  /** A bug of ours. */
  internal: { temporary: false, exit: 70 },
} as const satisfies Record<string, ErrorKind>

export type ErrorCode = keyof typeof ERROR_KINDS

/** The one error class. `message` says what was being done, to what, and for a person what to try; never a secret. */
export class SsmError extends Error {
  override readonly name = 'SsmError'
  readonly code: ErrorCode

  constructor(code: ErrorCode, message: string, options?: { readonly cause?: unknown }) {
    super(message, options)
    this.code = code
  }

  /** May the same thing succeed later without anybody changing anything? */
  get temporary(): boolean {
    return ERROR_KINDS[this.code].temporary
  }

  /** The exit code of a program that ends because of this. */
  get exit(): number {
    return ERROR_KINDS[this.code].exit
  }
}

/** Is it ours, and (when given) one of these codes? */
export function isSsmError(error: unknown, ...codes: readonly ErrorCode[]): error is SsmError {
  return error instanceof SsmError && (codes.length === 0 || codes.includes(error.code))
}

/** The `code` of a system error (`ENOENT`, …), or undefined. */
export function systemCode(error: unknown): string | undefined {
  if (error instanceof Error && 'code' in error && typeof error.code === 'string') return error.code
  return undefined
}

/** What an unknown thrown value says. Never throws itself: not every value can be made a text. */
export function messageOf(error: unknown): string {
  try {
    return String(error instanceof Error ? (error.message as unknown) : error)
  } catch {
    return 'something was thrown that has no words'
  }
}
