/**
 * Temporary folders of tests: removed when the process ends if their test passed, kept and named otherwise, so that
 * what a failed test left can be looked at. Removal waits for the end because `after` hooks (brokers still writing)
 * run in an order nobody should have to think about.
 */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { TestContext } from 'node:test'

interface Folder {
  readonly path: string
  readonly test: TestContext | undefined
}

const folders: Folder[] = []

// `passed` exists since Node 20.12; its types come later. Without a test (a suite's `before`) the process decides.
function passed(folder: Folder): boolean {
  if (folder.test === undefined) return process.exitCode === undefined || process.exitCode === 0
  return (folder.test as { readonly passed?: boolean }).passed ?? true
}

function cleanUp(): void {
  const keepAll = process.env.KEEP_SCRATCH === 'true'
  for (const folder of folders) {
    if (!keepAll && passed(folder)) rmSync(folder.path, { recursive: true, force: true, maxRetries: 3 })
    else console.error(`kept for a look: ${folder.path}`)
  }
}

/** A new empty folder (mode 0700) for this test; without `test`, for the file. `KEEP_SCRATCH=true` keeps all. */
export function scratch(test?: TestContext): string {
  if (folders.length === 0) process.once('exit', cleanUp)
  const path = mkdtempSync(join(tmpdir(), 'ssm-test-'))
  folders.push({ path, test })
  return path
}
