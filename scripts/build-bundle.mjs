// Makes one file of each program, its libraries included: node scripts/build-bundle.mjs [DIR] (default dist/bundle).
// After `npm run build`. DIR is what packages install as /usr/lib/apelssm: package.json and bin/*.js, and nothing else is
// needed but Node. Libraries that are imported when needed stay unevaluated until then. The same sources give the same
// bytes: no times, no absolute names, no source maps.
import { mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { build } from 'esbuild'

const repository = join(import.meta.dirname, '..')
const target = resolve(process.argv[2] ?? join(repository, 'dist', 'bundle'))
const { version, license } = JSON.parse(readFileSync(join(repository, 'package.json'), 'utf8'))
const programs = ['ssmsend', 'ssmreceive', 'ssmctl']

// Libraries written for `require` ask for modules of Node with it; there is none in an ES module.
const REQUIRE = "import { createRequire as createRequireOfNode } from 'node:module'"
const banner = `${REQUIRE}\nconst require = createRequireOfNode(import.meta.url)`

rmSync(target, { recursive: true, force: true })
mkdirSync(join(target, 'bin'), { recursive: true })
await build({
  absWorkingDir: repository,
  entryPoints: programs.map((name) => `dist/src/bin/${name}.js`),
  outdir: join(target, 'bin'),
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
})
// What makes `.js` an ES module.
const about = { name: 'apelssm', version, license, type: 'module', private: true }
writeFileSync(join(target, 'package.json'), `${JSON.stringify(about, null, 2)}\n`)
