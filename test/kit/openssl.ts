/**
 * The real `openssl` as a peer: bytes in, bytes out.
 */
import { spawnSync } from 'node:child_process'

export interface OpensslResult {
  readonly status: number
  readonly stdout: Buffer
  readonly stderr: string
}

/** Runs `openssl ARGS` with `input` on its standard input. */
export function openssl(args: readonly string[], input: Uint8Array = Buffer.alloc(0)): OpensslResult {
  const { status, stdout, stderr, error } = spawnSync('openssl', args, {
    input,
    maxBuffer: 64 * 1024 * 1024,
    timeout: 30_000,
  })
  if (error !== undefined) throw error
  return { status: status ?? -1, stdout, stderr: stderr.toString('utf8') }
}

/** The same, and it must succeed. */
export function opensslOk(args: readonly string[], input?: Uint8Array): Buffer {
  const { status, stdout, stderr } = openssl(args, input)
  if (status !== 0) throw new Error(`openssl ${args.join(' ')} exits ${status}: ${stderr}`)
  return stdout
}
