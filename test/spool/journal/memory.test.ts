/** Reading a long journal takes little more memory than its table of keys: the text that it came from is let go. */
import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import { appendFileSync, mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { pathToFileURL } from 'node:url'
import { formatRecord } from '../../../src/spool/journal/record.js'
import { scratch } from '../../kit/scratch.js'
import { root } from '../../kit/source.js'

const LINES = 400_000
/** MB of V8's heap, in which the table of keys is not. The journal has 55. */
const HEAP = 40

/** A folder each 100 messages, as on a day when little comes. */
function writeJournal(path: string): void {
  const folder = join(path, '.ssm', 'journal')
  mkdirSync(folder, { recursive: true, mode: 0o700 })
  const file = join(folder, new Date().toISOString().slice(0, 10))
  for (let from = 0; from < LINES; from += 20_000) {
    const lines = Array.from({ length: 20_000 }, (_, n) => {
      const digest = createHash('sha256')
        .update(String(from + n))
        .digest('hex')
      const key = { kind: 's', signer: 'a'.repeat(16), signature: digest.slice(0, 16), content: digest.slice(16, 32) } as const // prettier-ignore
      const directory = (0x60000000 + Math.floor((from + n) / 100)).toString(16)
      return formatRecord({ key, queue: 'i', staged: '11111111111111.1.ssm', directory, time: Date.now() })
    })
    appendFileSync(file, lines.join(''))
  }
}

test(`a journal of ${LINES} messages is read with ${HEAP} MB of heap`, (t) => {
  const folder = scratch(t)
  writeJournal(folder)
  const scene = pathToFileURL(join(root, 'dist/test/spool/journal/scene.js')).href
  const program = join(folder, 'load.mjs')
  writeFileSync(
    program,
    `import { createRun } from ${JSON.stringify(scene)}
const { lines, damaged, late } = await createRun(${JSON.stringify(folder)}).journal.load(new Set())
console.log(lines, damaged, late.length)`,
  )
  const result = spawnSync(process.execPath, [`--max-old-space-size=${HEAP}`, program], {
    encoding: 'utf8',
    timeout: 120_000,
  })
  assert.equal(result.stdout, `${LINES} 0 ${LINES / 100}\n`, result.stderr.slice(0, 2000))
})
