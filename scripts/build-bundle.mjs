// Makes two files of each program, and one of each library beside them: node scripts/build-bundle.mjs [DIR] (default
// dist/bundle). After `npm run build`. DIR is what packages install as /usr/lib/apelssm: package.json, bin/*.js, lib/*.js,
// and nothing else is needed but Node. The same sources give the same bytes: no times, no absolute names, no source maps.
//
// A sender from cron mostly finds nothing to send, and what it costs then is what V8 reads: 2 ms for 100 KB, evaluated or
// not. So what programs import with `import()` lies apart, and is read when that happens: libraries, and of our own modules
// NAME-later.js. CommonJS, because Node starts it 6 ms sooner than an ES module, and because a bundle of that kind asks for a
// library where it is imported, not at its beginning.
import { mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join, relative, resolve } from 'node:path'
import { build } from 'esbuild'

const repository = join(import.meta.dirname, '..')
const target = resolve(process.argv[2] ?? join(repository, 'dist', 'bundle'))
const { version, license, dependencies } = JSON.parse(readFileSync(join(repository, 'package.json'), 'utf8'))
const programs = ['ssmsend', 'ssmreceive', 'ssmctl']

// Each in a file of its own, imported by programs and by each other as such: one instance of each, as npm installs them.
const libraries = Object.keys(dependencies)
const fileOf = (library) => `${library.replace(/^.*\//, '')}.js`

/** Imports of libraries become files at `at`; but for `self`, which is the one that is being made. */
const apart = (at, self) => ({
  name: 'apart',
  setup(bundler) {
    bundler.onResolve({ filter: /^[@a-z]/ }, ({ path }) =>
      libraries.includes(path) && path !== self ? { path: `${at}/${fileOf(path)}`, external: true } : undefined,
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
  const imports = (paths) => paths.flatMap((path) => inputs[path].imports.filter(({ external }) => !external))
  const isLater = ({ path }) => !first.has(path)
  const all = Object.keys(inputs)
  return {
    first,
    gates: named(imports(all).filter((each) => each.kind === 'dynamic-import' && isLater(each))),
    shared: named(imports(all.filter((path) => !first.has(path))).filter((each) => first.has(each.path))),
  }
}

const named = (imports) => [...new Set(imports.map(({ path }) => path))].toSorted()

/** Modules of ours for which `is(path, kind)` says so are asked of another file: `from(path)`, an expression. */
const asked = (is, from) => ({
  name: 'asked',
  setup(bundler) {
    bundler.onResolve({ filter: /^\./, namespace: 'file' }, ({ path, resolveDir, kind }) => {
      const module = relative(repository, resolve(resolveDir, path))
      return resolveDir.startsWith(repository) && is(module, kind) ? { path: module, namespace: 'asked' } : undefined
    })
    bundler.onLoad({ filter: /.*/, namespace: 'asked' }, ({ path }) => ({ contents: `module.exports = ${from(path)}` }))
  },
})

async function buildProgram(name) {
  const entry = `dist/src/bin/${name}.js`
  const { first, gates, shared } = await modulesOf(entry)
  const [program, later] = [`./${name}.js`, `./${name}-later.js`]
  const file = (contents, outfile, plugin) =>
    build({
      ...common,
      external: [...common.external, program, later],
      stdin: { contents, resolveDir: repository, sourcefile: `${outfile}-entry.js` },
      outfile: join(target, 'bin', outfile),
      plugins: [plugin, apart('../lib')],
    })
  const imports = shared.map((path, n) => `import * as m${n} from './${path}'\n`).join('')
  const list = shared.map((path, n) => `  '${path}': m${n},\n`).join('')
  await file(
    `${imports}export const modules = {\n${list}}\nimport './${entry}'\n`,
    program,
    asked((path, kind) => kind === 'dynamic-import' && !first.has(path), (path) => `require('${later}')['${path}']()`), // prettier-ignore
  )
  await file(
    `module.exports = {\n${gates.map((path) => `  '${path}': () => require('./${path}'),\n`).join('')}}\n`,
    later,
    asked((path) => first.has(path), (path) => `require('${program}').modules['${path}']`), // prettier-ignore
  )
}

rmSync(target, { recursive: true, force: true })
for (const folder of ['bin', 'lib']) mkdirSync(join(target, folder), { recursive: true })
for (const name of programs) await buildProgram(name)
for (const library of libraries) {
  await build({
    ...common,
    stdin: { contents: `export * from '${library}'`, resolveDir: repository, sourcefile: `${library}-entry.js` },
    outfile: join(target, 'lib', fileOf(library)),
    plugins: [apart('.', library)],
  })
}
const about = { name: 'apelssm', version, license, type: 'commonjs', private: true }
writeFileSync(join(target, 'package.json'), `${JSON.stringify(about, null, 2)}\n`)
