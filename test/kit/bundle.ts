/** The bundled programs, as packages install them, built once for a test file. */
import { spawnSync } from 'node:child_process'
import { join } from 'node:path'
import { root } from './source.js'

/** Bundles into `folder`. Throws with what the script said. */
export function buildBundle(folder: string): void {
  runScript('build-bundle.mjs', folder)
}

/** Runs one of our scripts with this Node; returns its standard output. Throws with what it said when it fails. */
export function runScript(name: string, ...args: readonly string[]): string {
  const result = spawnSync(process.execPath, [join(root, 'scripts', name), ...args], {
    cwd: root,
    encoding: 'utf8',
    timeout: 120_000,
  })
  if (result.status !== 0) throw new Error(`${name}: ${result.stdout}${result.stderr}${String(result.error ?? '')}`)
  return result.stdout
}
