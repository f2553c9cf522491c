/**
 * Large messages in pieces: between them everything else of the program has its turn (heart-beats, other messages).
 */
import { createHash, hash } from 'node:crypto'

/** Octets that are worked on at a stretch. SHA-256 and AES take 1 to 5 ms for a MiB. */
export const PIECE = 1024 * 1024

/** Lets whatever waits have its turn. */
export function breathe(): Promise<void> {
  return new Promise((resolve) => {
    setImmediate(resolve)
  })
}

/** After a step over so many octets: lets others have their turn when they are many. */
export async function breatheAfter({ length }: { readonly length: number }): Promise<void> {
  if (length > PIECE) await breathe()
}

/** The digest of bytes. */
export async function digestInPieces(name: string, bytes: Buffer): Promise<Buffer> {
  if (bytes.length <= PIECE) return hash(name, bytes, 'buffer')
  const digest = createHash(name)
  for (let at = 0; at < bytes.length; at += PIECE) {
    if (at > 0) await breathe()
    digest.update(bytes.subarray(at, at + PIECE))
  }
  return digest.digest()
}
