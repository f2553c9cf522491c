/** Runs the real `ssmctl` as a shell would. */
import { spawn } from 'node:child_process'
import { join } from 'node:path'
import { root } from './source.js'

export const SSMCTL = join(root, 'dist', 'src', 'bin', 'ssmctl.js')

export interface CtlRun {
  readonly exit: number | null
  readonly stdout: Buffer
  readonly stderr: string
}

export interface CtlOptions {
  readonly input?: string | Uint8Array
  readonly cwd?: string
  /** ms. Default 120 000, for a machine that does a lot else: beyond it the run counts as hanging, and `exit` is null. */
  readonly timeout?: number
}

export function ssmctl(args: readonly string[], options: CtlOptions = {}): Promise<CtlRun> {
  const child = spawn(process.execPath, [SSMCTL, ...args], { cwd: options.cwd, timeout: options.timeout ?? 120_000 })
  const stdout: Buffer[] = []
  const stderr: Buffer[] = []
  child.stdout.on('data', (chunk: Buffer) => stdout.push(chunk))
  child.stderr.on('data', (chunk: Buffer) => stderr.push(chunk))
  child.stdin.on('error', () => {
    // A verb that refuses its flags ends without reading its input.
  })
  child.stdin.end(options.input ?? '')
  return new Promise((resolve, reject) => {
    child.once('error', reject)
    child.once('close', (exit) => {
      resolve({ exit, stdout: Buffer.concat(stdout), stderr: Buffer.concat(stderr).toString() })
    })
  })
}
