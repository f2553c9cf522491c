/** The npm package: it installs with `npm install --global` into any prefix, and what it brings runs. */
import { test } from 'node:test'
import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { readdirSync } from 'node:fs'
import { join } from 'node:path'
import { scratch } from '../kit/scratch.js'
import { readText, root } from '../kit/source.js'

function npm(cwd: string, ...args: readonly string[]): { stdout: string; stderr: string } {
  const ran = spawnSync('npm', args, { cwd, encoding: 'utf8', timeout: 300_000 })
  assert.equal(ran.status, 0, `npm ${args.join(' ')}: ${ran.stdout}${ran.stderr}${String(ran.error ?? '')}`)
  return ran
}

test('npm pack and npm install --global give three programs that work', (t) => {
  const folder = scratch(t)
  // Built already; `npm pack` by hand builds first.
  npm(root, 'pack', '--silent', '--ignore-scripts', '--pack-destination', folder)
  const archive = readdirSync(folder).find((name) => name.endsWith('.tgz')) ?? ''
  assert.match(archive, /^secure-stomp-messenger-\d+\.\d+\.\d+.*\.tgz$/)
  const prefix = join(folder, 'prefix')
  const flags = ['--prefix', prefix, '--prefer-offline', '--no-audit', '--no-fund']
  const { stderr } = npm(folder, 'install', '--global', ...flags, `./${archive}`)
  // Scripts that npm wants to be allowed, engines that do not fit, packages that are given up.
  assert.doesNotMatch(stderr, /npm warn (?:install-scripts|EBADENGINE|deprecated)/iu)
  const { version } = JSON.parse(readText('package.json')) as { version: string }
  for (const name of ['ssmsend', 'ssmreceive', 'ssmctl']) {
    const ran = spawnSync(join(prefix, 'bin', name), ['--version'], { encoding: 'utf8', timeout: 60_000 })
    assert.deepEqual([ran.status, ran.stdout], [0, `SSM ${version}\n`], ran.stderr)
  }
  const demo = spawnSync(join(prefix, 'bin', 'ssmctl'), ['demo', '--count', '2'], {
    encoding: 'utf8',
    timeout: 120_000,
  })
  assert.equal(demo.status, 0, demo.stdout + demo.stderr)
  // Only what runs and what is read: no tests, no sources, no build state.
  const installed = readdirSync(join(prefix, 'lib', 'node_modules', 'secure-stomp-messenger')).sort()
  assert.deepEqual(installed, ['CHANGELOG.md', 'LICENSE', 'README.md', 'conf', 'dist', 'docs', 'node_modules', 'package.json']) // prettier-ignore
})
