// Makes the programs as packages install them: node scripts/build-bundle.mjs [DIR] (default dist/bundle). After `npm run
// build`. DIR is /usr/lib/apelssm: package.json, bin/*.js, lib/*.js, and nothing else is needed but Node. The same sources give
// the same bytes: no times, no absolute names, no source maps.
//
// A sender from cron mostly finds nothing to send, and what it costs then is what V8 reads: 2 ms for 100 KB, evaluated or
// not. So ssmsend.js holds what it begins with, and all that it imports with `import()` is in ssmsend-later.js: as a whole,
// for a sender that stays must not meet a part of the next version after an upgrade. A receiver, which always stays, is one
// file for the same reason. CommonJS, because Node starts it 6 ms sooner than an ES module.
import { mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join, relative, resolve } from 'node:path'
import { build } from 'esbuild'

const repository = join(import.meta.dirname, '..')
const target = resolve(process.argv[2] ?? join(repository, 'dist', 'bundle'))
const { version, license } = JSON.parse(readFileSync(join(repository, 'package.json'), 'utf8'))

// In files of their own. undici is needed for AMS alone, pkijs and asn1js by few; all three are half of the code. Those who
// need them load them at their start, a receiver but the first (crypto/cms-enveloped.ts, transport/ams/http.ts).
const RARE = ['asn1js', 'pkijs', 'undici']

/** Imports of these libraries become files at `at`. */
const apart = (libraries, at) => ({
  name: 'apart',
  setup(bundler) {
    bundler.onResolve({ filter: /^[@a-z]/ }, ({ path }) =>
      libraries.includes(path) ? { path: `${at}/${path}.js`, external: true } : undefined,
    )
  },
})

const common = {
  absWorkingDir: repository,
  bundle: true,
  platform: 'node',
  format: 'cjs',
  target: 'node20.19',
  // `import()` would make Node guess the names of a CommonJS file; `require`, as late, does not.
  supported: { 'dynamic-import': false },
  define: { 'import.meta.dirname': '__dirname' },
  // Faster native forms that `ws` uses when somebody has installed them.
  external: ['bufferutil', 'utf-8-validate'],
  // Stack traces in reports should be readable, and it would gain 2 ms; the licences are in THIRD-PARTY-NOTICES.
  minify: false,
  legalComments: 'none',
  charset: 'ascii',
  sourcemap: false,
  logLevel: 'warning',
}

/** A program, or a library, as one file. */
async function buildWhole(contents, outfile, plugins) {
  const stdin = { contents, resolveDir: repository, sourcefile: `${outfile}-entry.js` }
  const external = [...common.external, ...PROGRAM_FILES]
  await build({ ...common, external, stdin, outfile: join(target, outfile), plugins })
}

const PROGRAM_FILES = ['./ssmsend.js', './ssmsend-later.js']

/** Which modules of ours begin with a program, which come later, and which of the first the later ones import. */
async function modulesOf(entry) {
  const { metafile } = await build({ ...common, entryPoints: [entry], packages: 'external', write: false, metafile: true, outdir: '.' }) // prettier-ignore
  const { inputs } = metafile
  const first = new Set()
  const visit = (path) => {
    if (first.has(path)) return
    first.add(path)
    for (const each of inputs[path].imports) if (!each.external && each.kind === 'import-statement') visit(each.path)
  }
  visit(entry)
  const importsOf = (paths) => [...paths].flatMap((path) => inputs[path].imports)
  const later = Object.keys(inputs).filter((path) => !first.has(path))
  const comesLater = (path, kind) =>
    kind === 'dynamic-import' && !first.has(path) && !path.startsWith('node:') && !RARE.includes(path)
  return {
    first,
    comesLater,
    gates: named(importsOf(first).filter(({ path, kind }) => comesLater(path, kind))),
    shared: named(importsOf(later).filter(({ path }) => first.has(path))),
  }
}

const named = (imports) => [...new Set(imports.map(({ path }) => path))].toSorted()

/** Modules for which `is(path, kind)` says so are asked of another file: `from(path)`, an expression. */
const asked = (is, from) => ({
  name: 'asked',
  setup(bundler) {
    bundler.onResolve({ filter: /^[.@a-z]/, namespace: 'file' }, ({ path, resolveDir, kind }) => {
      const module = path.startsWith('.') ? relative(repository, resolve(resolveDir, path)) : path
      return is(module, kind) ? { path: module, namespace: 'asked' } : undefined
    })
    bundler.onLoad({ filter: /.*/, namespace: 'asked' }, ({ path }) => ({ contents: `module.exports = ${from(path)}` }))
  },
})

async function buildSender() {
  const entry = 'dist/src/bin/ssmsend.js'
  const { first, comesLater, gates, shared } = await modulesOf(entry)
  const [program, later] = PROGRAM_FILES
  const rare = apart(RARE, '../lib')
  const imports = shared.map((path, n) => `import * as m${n} from './${path}'\n`).join('')
  const list = shared.map((path, n) => `  '${path}': m${n},\n`).join('')
  const toLater = asked(comesLater, (path) => `require('${later}')['${path}']()`)
  const text = `${imports}export const modules = {\n${list}}\nimport './${entry}'\n`
  await buildWhole(text, 'bin/ssmsend.js', [toLater, rare])
  const toFirst = asked(
    (path) => first.has(path),
    (path) => `require('${program}').modules['${path}']`,
  )
  const doors = gates
    .map((path) => `  '${path}': () => require('${path.startsWith('dist/') ? './' : ''}${path}'),\n`)
    .join('')
  await buildWhole(`module.exports = {\n${doors}}\n`, 'bin/ssmsend-later.js', [toFirst, rare])
}

rmSync(target, { recursive: true, force: true })
for (const folder of ['bin', 'lib']) mkdirSync(join(target, folder), { recursive: true })
await buildSender()
await buildWhole("import './dist/src/bin/ssmctl.js'", 'bin/ssmctl.js', [apart(RARE, '../lib')])
await buildWhole("import './dist/src/bin/ssmreceive.js'", 'bin/ssmreceive.js', [apart(['undici'], '../lib')])
// What a receiver starts in a thread: 4 KB, so that the thread does not read all of the program again. One of another version is
// known by its answers (cli/unwrap-server.ts).
await buildWhole("import './dist/src/bin/unwrap-thread.js'", 'bin/unwrap-thread.js', [])
for (const library of RARE) {
  const others = RARE.filter((each) => each !== library)
  await buildWhole(`export * from '${library}'`, `lib/${library}.js`, [apart(others, '.')])
}
const about = { name: 'apelssm', version, license, type: 'commonjs', private: true }
writeFileSync(join(target, 'package.json'), `${JSON.stringify(about, null, 2)}\n`)
