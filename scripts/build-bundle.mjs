// Makes one file of each program, and one of each library beside them: node scripts/build-bundle.mjs [DIR] (default
// dist/bundle). After `npm run build`. DIR is what packages install as /usr/lib/apelssm: package.json, bin/*.js, lib/*.js,
// and nothing else is needed but Node. The same sources give the same bytes: no times, no absolute names, no source maps.
//
// A sender from cron mostly finds nothing to send, and what it costs then is what V8 reads: 2 ms for 100 KB, evaluated or
// not. So libraries lie apart and are read when they are first imported. CommonJS, because Node starts it 6 ms sooner than an
// ES module, and because a bundle of that kind asks for a library where it is imported, not at its beginning.
import { chmodSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join, resolve } from 'node:path'
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

rmSync(target, { recursive: true, force: true })
for (const folder of ['bin', 'lib']) mkdirSync(join(target, folder), { recursive: true })
await build({
  ...common,
  entryPoints: programs.map((name) => `dist/src/bin/${name}.js`),
  outdir: join(target, 'bin'),
  plugins: [apart('../lib')],
})
for (const library of libraries) {
  await build({
    ...common,
    stdin: { contents: `export * from '${library}'`, resolveDir: repository, sourcefile: `${library}-entry.js` },
    outfile: join(target, 'lib', fileOf(library)),
    plugins: [apart('.', library)],
  })
}
// The launcher, or who else starts them, says which Node: the line `#!` of the sources would only find any.
for (const name of programs) {
  const file = join(target, 'bin', `${name}.js`)
  writeFileSync(file, readFileSync(file, 'utf8').replace(/^#!.*\n/, ''), { mode: 0o644 })
  chmodSync(file, 0o644)
}
const about = { name: 'apelssm', version, license, type: 'commonjs', private: true }
writeFileSync(join(target, 'package.json'), `${JSON.stringify(about, null, 2)}\n`)
