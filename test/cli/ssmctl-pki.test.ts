import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { mkdirSync, readFileSync, readdirSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { need } from '../kit/need.js'
import { scratch } from '../kit/scratch.js'
import { ssmctl } from '../kit/ssmctl.js'

test('pki init makes what OpenSSL accepts, revocation lists included', { skip: need('openssl') }, async (t) => {
  const dir = join(scratch(t), 'new', 'pki')
  const { exit, stderr, stdout } = await ssmctl([
    'pki',
    'init',
    '--key-type',
    'p256',
    '--host',
    'broker.example.org',
    '--',
    dir,
  ])
  assert.equal(exit, 0, stderr)
  assert.match(stderr, /throw-away/u)
  assert.match(stdout.toString(), /DN {2}\/C=XX\/O=Throw-away PKI\/CN=sender\n/u)
  for (const name of ['sender', 'receiver', 'server']) {
    const file = join(dir, `${name}.pem`)
    const args = ['verify', '-x509_strict', '-crl_check', '-CApath', join(dir, 'certificates'), file]
    const verified = spawnSync('openssl', args, { encoding: 'utf8', timeout: 10_000 })
    assert.equal(verified.stdout, `${file}: OK\n`, verified.stderr)
    const text = spawnSync('openssl', ['x509', '-in', file, '-noout', '-text'], {
      encoding: 'utf8',
      timeout: 10_000,
    }).stdout
    assert.match(text, /Throw-away certificate made by ssmctl: worth nothing/u)
    assert.match(text, /DNS:localhost, IP Address:127\.0\.0\.1, DNS:broker\.example\.org/u)
  }
  assert.match(readFileSync(join(dir, 'dns'), 'utf8'), /^#.*\n\/C=XX\/O=Throw-away PKI\/CN=sender\n$/u)
  const keys = readdirSync(dir).filter((name) => name.endsWith('.key.pem'))
  assert.equal(keys.length, 4)
  for (const name of keys) assert.equal(statSync(join(dir, name)).mode & 0o777, 0o600, name)
})

test('pki init refuses a directory that has something in it, and touches nothing', async (t) => {
  const dir = scratch(t)
  writeFileSync(join(dir, 'precious'), 'x')
  const { exit, stdout, stderr } = await ssmctl(['pki', 'init', dir])
  assert.deepEqual([exit, stdout.toString(), readdirSync(dir)], [64, '', ['precious']])
  assert.match(stderr, /is not empty/u)
})

test('pki init where one cannot write says so', async (t) => {
  const dir = scratch(t)
  writeFileSync(join(dir, 'file'), '')
  mkdirSync(join(dir, 'x'))
  const { exit, stderr } = await ssmctl(['pki', 'init', join(dir, 'file', 'pki')])
  assert.equal(exit, 64)
  assert.match(stderr, /ENOTDIR/u)
})
