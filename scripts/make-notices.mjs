// Writes the licence texts of all libraries that end up in packages and images, from the lock file:
// node scripts/make-notices.mjs FILE. A library without a licence text is an error: somebody must look.
import { existsSync, readFileSync, readdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'

const repository = join(import.meta.dirname, '..')
const target = process.argv[2]
if (target === undefined) throw new Error('usage: node scripts/make-notices.mjs FILE')

const { packages } = JSON.parse(readFileSync(join(repository, 'package-lock.json'), 'utf8'))
const TEXTS = /^(licen[cs]e|copying|notice)([.-].*)?$/i

// An optional library is in the lock file and perhaps not on this machine.
function isShipped([path, { dev, devOptional, optional }]) {
  if (path === '' || dev || devOptional) return false
  return !optional || existsSync(join(repository, path))
}

function notice([path, { version, license }]) {
  const name = path.slice(path.lastIndexOf('node_modules/') + 'node_modules/'.length)
  const folder = join(repository, path)
  const texts = readdirSync(folder, { withFileTypes: true })
    .filter((entry) => entry.isFile() && TEXTS.test(entry.name))
    .map((entry) => readFileSync(join(folder, entry.name), 'utf8').replaceAll('\r\n', '\n').trim())
  if (texts.length === 0) throw new Error(`${path} has no licence text`)
  const title = `${name} ${version} (${license})`
  return [title, '='.repeat(title.length), '', ...texts.flatMap((text) => [text, ''])].join('\n')
}

const shipped = Object.entries(packages)
  .filter(isShipped)
  .sort(([a], [b]) => (a < b ? -1 : 1))
const head = 'This product contains the following libraries. Each stays under its own licence, which follows.\n'
writeFileSync(target, [head, ...shipped.map(notice)].join('\n'))
