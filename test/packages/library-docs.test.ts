/** The examples of docs/library.md and README.md: they compile as strict TypeScript against the package, and they run. */
import { test } from 'node:test'
import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { mkdirSync, readdirSync, symlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import ts from 'typescript'
import { scratch } from '../kit/scratch.js'
import { readText, root } from '../kit/source.js'

const examplesOf = (name: string): readonly string[] =>
  [...readText(name).matchAll(/^ *```ts\n([^]*?)^ *```$/gm)].map((found) => found[1] ?? '')

/** A project beside which the package is installed, as another program has it. */
function project(folder: string): void {
  mkdirSync(join(folder, 'node_modules'))
  symlinkSync(root, join(folder, 'node_modules', 'secure-stomp-messenger'))
  writeFileSync(join(folder, 'package.json'), '{"type":"module"}')
}

/** What the compiler says; the compiled files are beside their sources. */
function compile(files: readonly string[]): readonly string[] {
  const program = ts.createProgram([...files], {
    strict: true,
    exactOptionalPropertyTypes: true,
    target: ts.ScriptTarget.ES2022,
    module: ts.ModuleKind.NodeNext,
    moduleResolution: ts.ModuleResolutionKind.NodeNext,
    skipLibCheck: true,
    types: ['node'],
    typeRoots: [join(root, 'node_modules', '@types')],
  })
  const { diagnostics } = program.emit()
  return [...ts.getPreEmitDiagnostics(program), ...diagnostics].map(
    ({ file, messageText }) => `${file?.fileName ?? ''}: ${ts.flattenDiagnosticMessageText(messageText, '\n')}`,
  )
}

test('the examples of the library compile and run', (t) => {
  const folder = scratch(t)
  project(folder)
  const spools = join(folder, 'spool')
  const examples = ['docs/library.md', 'README.md'].flatMap(examplesOf)
  assert.ok(examples.length >= 4, String(examples.length))
  const files = examples.map((text, at) => {
    const file = join(folder, `example${at}.ts`)
    writeFileSync(file, text.replaceAll('/var/spool/apel', spools))
    return file
  })
  assert.deepEqual(compile(files), [])
  for (const file of files) {
    const ran = spawnSync(process.execPath, [file.replace(/ts$/, 'js')], { encoding: 'utf8', timeout: 60_000 })
    assert.equal(ran.status, 0, ran.stdout + ran.stderr)
    assert.equal(ran.stderr, '')
  }
  const elements = readdirSync(join(spools, 'outgoing')).flatMap((name) => readdirSync(join(spools, 'outgoing', name)))
  assert.equal(elements.length, examples.filter((text) => text.includes('QueueSimple(')).length)
})

test('an example with a wrong type does not compile', (t) => {
  const folder = scratch(t)
  project(folder)
  const file = join(folder, 'wrong.ts')
  writeFileSync(file, "import { QueueSimple } from 'secure-stomp-messenger'\nawait new QueueSimple('/x').add(5)\n")
  assert.equal(compile([file]).length, 1)
})
