// Makes one file of each program, its libraries included but one: node scripts/build-bundle.mjs [DIR] (default dist/bundle).
// After `npm run build`. DIR is what packages install as /usr/lib/apelssm: package.json and bin/*.js, and nothing else is
// needed but Node. Libraries that are imported when needed stay unevaluated until then. The same sources give the same
// bytes: no times, no absolute names, no source maps.
import { chmodSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { join, resolve } from 'node:path'
import { build } from 'esbuild'

const repository = join(import.meta.dirname, '..')
const target = resolve(process.argv[2] ?? join(repository, 'dist', 'bundle'))
const { version, license } = JSON.parse(readFileSync(join(repository, 'package.json'), 'utf8'))
const programs = ['ssmsend', 'ssmreceive', 'ssmctl']

// Libraries written for `require` ask for modules of Node with it; there is none in an ES module.
const REQUIRE = "import { createRequire as createRequireOfNode } from 'node:module'"
const banner = `${REQUIRE}\nconst require = createRequireOfNode(import.meta.url)`

// undici is a third of all code, and needed for AMS alone: in the same file it would be read at each start of a sender from
// cron (16 of 109 ms, 1.4 MB of memory). So it has a file of its own, beside the programs.
const APART = 'undici'
const apart = {
  name: 'apart',
  setup(bundler) {
    bundler.onResolve({ filter: new RegExp(`^${APART}$`) }, () => ({ path: `./${APART}.js`, external: true }))
  },
}
// It is written for `require`: an ES module has names only when somebody lists them.
const names = Object.keys(createRequire(import.meta.url)(APART)).filter((name) => /^[A-Za-z_$][\w$]*$/.test(name))
const apartEntry = `import all from '${APART}'\nexport const { ${names.filter((name) => name !== 'default').join(', ')} } = all\n`

const common = {
  absWorkingDir: repository,
  bundle: true,
  platform: 'node',
  format: 'esm',
  target: 'node20.19',
  banner: { js: banner },
  // Faster native forms that `ws` uses when somebody has installed them.
  external: ['bufferutil', 'utf-8-validate'],
  // Stack traces in reports should be readable; the licences are in THIRD-PARTY-NOTICES.
  minify: false,
  legalComments: 'none',
  charset: 'ascii',
  sourcemap: false,
  logLevel: 'warning',
}

rmSync(target, { recursive: true, force: true })
mkdirSync(join(target, 'bin'), { recursive: true })
await build({
  ...common,
  entryPoints: programs.map((name) => `dist/src/bin/${name}.js`),
  outdir: join(target, 'bin'),
  plugins: [apart],
})
await build({
  ...common,
  stdin: { contents: apartEntry, resolveDir: repository, sourcefile: `${APART}-entry.js` },
  outfile: join(target, 'bin', `${APART}.js`),
})
// The launcher, or who else starts them, says which Node: the line `#!` of the sources would only find any.
for (const name of programs) {
  const file = join(target, 'bin', `${name}.js`)
  writeFileSync(file, readFileSync(file, 'utf8').replace(/^#!.*\n/, ''), { mode: 0o644 })
  chmodSync(file, 0o644)
}
// What makes `.js` an ES module.
const about = { name: 'apelssm', version, license, type: 'module', private: true }
writeFileSync(join(target, 'package.json'), `${JSON.stringify(about, null, 2)}\n`)
