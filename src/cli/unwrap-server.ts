/**
 * The thread that `unwrap-thread.ts` starts: unwraps content keys, a batch at a time. It decides nothing, says nothing and keeps
 * nothing: the key comes with each batch.
 */
import { parentPort } from 'node:worker_threads'
import type { KeyObject } from 'node:crypto'
import { unwrapHere, type WrappedKey } from '../crypto/key-transport.js'

/** What the thread is asked. Octets come as Uint8Array: no Buffer survives the way between threads. */
export interface UnwrapBatch {
  readonly number: number
  readonly key: KeyObject
  readonly wrapped: readonly WrappedKey[]
}

/** Raised with each change of what is asked and answered: after an upgrade the thread of a running receiver may be the next version. */
export const UNWRAP_PROTOCOL = 1

/** What it answers: a content key each, in order; null where something was thrown, which the other side then does again. */
export interface UnwrapAnswer {
  readonly protocol: typeof UNWRAP_PROTOCOL
  readonly number: number
  readonly keys: readonly (Uint8Array | null)[]
}

/** Answers until the thread is ended. */
export function serveUnwraps(): void {
  const port = parentPort
  port?.on('message', ({ number, key, wrapped }: UnwrapBatch) => {
    const keys = wrapped.map((each) => unwrapped(key, each))
    const answer: UnwrapAnswer = { protocol: UNWRAP_PROTOCOL, number, keys }
    port.postMessage(answer)
  })
}

function unwrapped(key: KeyObject, what: WrappedKey): Uint8Array | null {
  try {
    return Uint8Array.from(unwrapHere(key, what))
  } catch {
    return null
  }
}
