import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { createTestPki } from '../kit/ca.js'
import { need } from '../kit/need.js'
import { scratch } from '../kit/scratch.js'
import { ssmctl } from '../kit/ssmctl.js'

const BODIES: readonly (readonly [string, string])[] = [
  ['plain', 'Site: X\nCpuDuration: 12\n'],
  ['UTF-8, CRLF, trailing blanks, no end of line', 'Grüße  \r\n\n\r東京 \t'],
]

test('sign, encrypt, decrypt in a pipe; OpenSSL agrees on every step', { skip: need('openssl') }, async (t) => {
  const dir = scratch(t)
  const pki = createTestPki(dir)
  const pair = ['--certificate', pki.host.certificateFile, '--key', pki.host.keyFile]
  for (const [name, body] of BODIES) {
    const signed = await ssmctl(['sign', ...pair], { input: body })
    assert.deepEqual([signed.exit, signed.stderr], [0, ''], name)
    const verified = spawnSync('openssl', ['smime', '-verify', '-noverify'], { input: signed.stdout, timeout: 10_000 })
    assert.equal(verified.status, 0, verified.stderr.toString())

    const recipient = ['--recipient', pki.other.certificateFile]
    const encrypted = await ssmctl(['encrypt', ...recipient, '--cipher', 'aes128'], { input: signed.stdout })
    assert.equal(encrypted.exit, 0, encrypted.stderr)
    const args = ['smime', '-decrypt', '-recip', pki.other.certificateFile, '-inkey', pki.other.keyFile]
    const theirs = spawnSync('openssl', args, { input: encrypted.stdout, timeout: 10_000 })
    const other = ['--certificate', pki.other.certificateFile, '--key', pki.other.keyFile]
    const ours = await ssmctl(['decrypt', ...other], { input: encrypted.stdout })
    assert.equal(ours.exit, 0, ours.stderr)
    assert.deepEqual(ours.stdout, theirs.stdout, name)
  }
})

test('sign: what is not UTF-8 only with --binary, nothing empty', async (t) => {
  const pki = createTestPki(scratch(t))
  const pair = ['--certificate', pki.ec.certificateFile, '--key', pki.ec.keyFile]
  const bytes = Buffer.from([0xff, 0xfe, 0x00])
  const refused = await ssmctl(['sign', ...pair], { input: bytes })
  assert.deepEqual([refused.exit, refused.stdout.length], [1, 0])
  assert.match(refused.stderr, /^ssmctl sign: not-utf8/u)
  assert.equal((await ssmctl(['sign', '--binary', ...pair], { input: bytes })).exit, 0)
  assert.deepEqual((await ssmctl(['sign', ...pair])).exit, 1)
})

test('wrong keys and files are said in words, with nothing on standard output', async (t) => {
  const dir = scratch(t)
  const pki = createTestPki(dir)
  const junk = join(dir, 'junk')
  writeFileSync(junk, 'not a key')
  const { host, other, expired } = pki
  const signed = (await ssmctl(['sign', '--certificate', host.certificateFile, '--key', host.keyFile], { input: 'x' }))
    .stdout
  const cases: [readonly string[], number, RegExp][] = [
    [
      ['sign', '--certificate', host.certificateFile, '--key', other.keyFile],
      78,
      /does not belong to the certificate/u,
    ],
    [['sign', '--certificate', host.certificateFile, '--key', junk], 78, /holds no PEM private key/u],
    [['sign', '--certificate', join(dir, 'none'), '--key', host.keyFile], 78, /does not exist/u],
    [['sign', '--certificate', expired.certificateFile, '--key', expired.keyFile], 78, /expired on/u],
    [['sign', '--certificate', host.certificateFile], 64, /--key/u],
    [['encrypt', '--recipient', host.certificateFile, '--cipher', 'rot13'], 64, /aes128/u],
    [['decrypt', '--certificate', host.certificateFile, '--key', host.keyFile], 1, /^not-smime: /u],
  ]
  for (const [args, exit, words] of cases) {
    const run = await ssmctl(args, { input: signed })
    assert.deepEqual([run.exit, run.stdout.toString()], [exit, ''], args.join(' '))
    assert.match(run.stderr, words)
  }
  const encrypted = (await ssmctl(['encrypt', '--recipient', other.certificateFile], { input: signed })).stdout
  const wrong = await ssmctl(['decrypt', '--certificate', host.certificateFile, '--key', host.keyFile], {
    input: encrypted,
  })
  assert.deepEqual([wrong.exit, wrong.stdout.length], [1, 0])
  assert.match(wrong.stderr, /^undecryptable: /u)
})
