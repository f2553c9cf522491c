// Runs compiled tests: `node scripts/run-tests.mjs [FOLDER|FILE …]` (below dist/test; default all but bench).
// A file list, because directory arguments of `node --test` mean different things in Node 20 and 22.
import { spawnSync } from 'node:child_process'
import { readdirSync, statSync } from 'node:fs'
import { join } from 'node:path'

const wanted = process.argv.slice(2)
const roots = wanted.length > 0 ? wanted : ['dist/test']
const files = roots.flatMap((root) =>
  statSync(root).isFile()
    ? [root]
    : readdirSync(root, { recursive: true })
        .map((name) => join(root, String(name)))
        .filter((name) => name.endsWith('.test.js')),
)
if (files.length === 0) {
  console.error('no tests found: run `npm run build` first')
  process.exit(1)
}
const result = spawnSync(process.execPath, ['--enable-source-maps', '--test', ...files.sort()], { stdio: 'inherit' })
process.exit(result.status ?? 1)
