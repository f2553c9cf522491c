import assert from 'node:assert/strict'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { opensslHash } from '../../src/crypto/name.js'
import { createTestPki, testKey } from '../kit/ca.js'
import { scratch } from '../kit/scratch.js'
import { ssmctl } from '../kit/ssmctl.js'

test('verify: the content on standard output, the signer on standard error', async (t) => {
  const dir = scratch(t)
  const { host, other, unknown, revoked, capath } = createTestPki(dir)
  const dns = join(dir, 'dns')
  writeFileSync(dns, `${host.dn}\n`)
  const sign = async (who: typeof host, input: string | Buffer): Promise<Buffer> => {
    const pair = ['--certificate', who.certificateFile, '--key', who.keyFile]
    return (await ssmctl(['sign', '--binary', ...pair], { input })).stdout
  }
  for (const body of [Buffer.from('Grüße\r\n'), Buffer.from([0xff, 0x00, 0x0a, 0x0a])]) {
    const run = await ssmctl(['verify', '--capath', capath, '--crls', '--dns', dns], { input: await sign(host, body) })
    assert.deepEqual([run.exit, run.stdout, run.stderr], [0, body, `signer: ${host.dn}\n`])
  }

  const good = await sign(host, 'CpuDuration: 12\n')
  const tampered = Buffer.from(good.toString('latin1').replace('CpuDuration: 12', 'CpuDuration: 92'), 'latin1')
  const cases: [string, Buffer, readonly string[], RegExp][] = [
    ['tampered', tampered, [], /^signature: /u],
    ['not listed', await sign(other, 'x'), ['--dns', dns], /^not-listed: /u],
    ['unknown CA', await sign(unknown, 'x'), [], /^untrusted: /u],
    ['revoked', await sign(revoked, 'x'), ['--crls'], /^revoked: /u],
    ['nothing', Buffer.alloc(0), [], /^empty: /u],
    ['no message', Buffer.from('hello\n'), [], /^not-smime: /u],
    ['random', Buffer.from([0x30, 0x80, 0xff]), [], /^[a-z-]+: /u],
  ]
  for (const [name, input, flags, words] of cases) {
    const run = await ssmctl(['verify', '--capath', capath, ...flags], { input })
    assert.deepEqual([run.exit, run.stdout.toString()], [1, ''], name)
    assert.match(run.stderr, words, name)
  }

  const encrypted = (await ssmctl(['encrypt', '--recipient', other.certificateFile], { input: good })).stdout
  const pair = ['--certificate', other.certificateFile, '--key', other.keyFile]
  const opened = await ssmctl(['verify', '--capath', capath, ...pair], { input: encrypted })
  assert.deepEqual([opened.exit, opened.stdout.toString()], [0, 'CpuDuration: 12\n'])
  assert.match((await ssmctl(['verify', '--capath', capath], { input: encrypted })).stderr, /^undecryptable: /u)
})

test('verify: a CA directory that is none is our trouble, not a verdict', async (t) => {
  const dir = scratch(t)
  for (const capath of [join(dir, 'none'), dir]) {
    const run = await ssmctl(['verify', '--capath', capath], { input: 'x' })
    assert.ok(run.exit === 78 || run.exit === 75, String(run.exit))
    assert.equal(run.stdout.length, 0)
  }
  const half = await ssmctl(['verify', '--capath', dir, '--key', 'x'], { input: 'x' })
  assert.equal(half.exit, 64)
})

test('verify-cert: a line for each, and the exit code for all', async (t) => {
  const dir = scratch(t)
  const { host, ec, expired, revoked, unknown, unknownCa, capath } = createTestPki(dir)
  const judge = async (...args: readonly string[]) => {
    const run = await ssmctl(['verify-cert', '--capath', capath, ...args])
    return { exit: run.exit, lines: run.stdout.toString().trimEnd().split('\n'), stderr: run.stderr }
  }
  const good = await judge('--crls', '--purpose', 'signer', host.certificateFile, ec.certificateFile)
  assert.equal(good.exit, 0, good.stderr)
  assert.deepEqual(good.lines, [`${host.certificateFile}: OK ${host.dn}`, `${ec.certificateFile}: OK ${ec.dn}`])

  const mixed = await judge(
    '--crls',
    host.certificateFile,
    expired.certificateFile,
    revoked.certificateFile,
    unknown.certificateFile,
  )
  assert.equal(mixed.exit, 1)
  assert.match(mixed.lines[0]!, /: OK /u)
  assert.match(mixed.lines[1]!, /: FAILED expired: /u)
  assert.match(mixed.lines[2]!, /: FAILED revoked: /u)
  assert.match(mixed.lines[3]!, /: FAILED untrusted: /u)

  assert.equal((await judge(revoked.certificateFile)).exit, 0, 'without --crls nobody asks')
  assert.match((await judge('--at', '2001-01-01T00:00:00Z', host.certificateFile)).lines[0]!, /FAILED not-yet-valid/u)
  const caFile = join(dir, 'unknown-ca.pem')
  writeFileSync(caFile, unknownCa.certificate.der)
  assert.equal((await judge('--untrusted', caFile, unknown.certificateFile)).exit, 1, 'a candidate is never an anchor')
})

test('verify-cert: what cannot be judged is exit code 2, wrong usage 64', async (t) => {
  const dir = scratch(t)
  const { host, capath } = createTestPki(dir)
  const cases: [readonly string[], number][] = [
    [['--capath', join(dir, 'none'), host.certificateFile], 2],
    [['--capath', capath, join(dir, 'none.pem')], 2],
    [['--capath', capath, '--at', 'yesterday', host.certificateFile], 64],
    [['--capath', capath, '--at', '2026-02-30T00:00:00Z', host.certificateFile], 64],
    [['--capath', capath, '--purpose', 'tls', host.certificateFile], 64],
    [['--capath', capath, '--signing-policy', 'some', host.certificateFile], 64],
    [['--capath', capath, '--allow-sha1', 'messages', host.certificateFile], 64],
    [['--capath', capath, '--allow-weak', '3des', host.certificateFile], 64],
    [['--capath', capath], 64],
    [[host.certificateFile], 64],
  ]
  for (const [args, exit] of cases) {
    const run = await ssmctl(['verify-cert', ...args])
    assert.deepEqual([run.exit, run.stdout.toString()], [exit, ''], args.join(' '))
    assert.notEqual(run.stderr, '')
  }
})

test('verify-cert: signing policies, SHA-1 and short keys as a receiver is told', async (t) => {
  const dir = scratch(t)
  const pki = createTestPki(dir)
  const { host, ca, capath } = pki
  const sha1 = pki.add('sha1', { digest: 'sha1' })
  const weak = pki.add('weak', { key: testKey('rsa1024') })
  const judge = async (...args: readonly string[]): Promise<string> => {
    const run = await ssmctl(['verify-cert', '--capath', capath, ...args])
    return `${run.exit} ${/: (?:OK|FAILED \S+)/u.exec(run.stdout.toString())?.[0] ?? run.stderr}`
  }
  const file = join(capath, `${opensslHash(ca.certificate.subject)}.signing_policy`)
  const policy = (subjects: string): void => {
    writeFileSync(
      file,
      `access_id_CA X509 '${ca.dn}'\npos_rights globus CA:sign\ncond_subjects globus '"${subjects}"'\n`,
    )
  }
  assert.equal(await judge(host.certificateFile), '0 : OK')
  assert.equal(await judge('--signing-policy', 'enforce', host.certificateFile), '1 : FAILED policy:')
  policy('/C=XX/O=Elsewhere/*')
  assert.equal(await judge(host.certificateFile), '1 : FAILED policy:')
  assert.equal(await judge('--signing-policy', 'ignore', host.certificateFile), '0 : OK')
  policy('/C=XX/O=Test/*')
  assert.equal(await judge('--signing-policy', 'enforce', host.certificateFile), '0 : OK')

  assert.equal(await judge(sha1.certificateFile), '1 : FAILED algorithm:')
  assert.equal(await judge('--allow-sha1', 'certificates', sha1.certificateFile), '0 : OK')
  assert.equal(await judge('--allow-sha1', 'crls', sha1.certificateFile), '1 : FAILED algorithm:')
  pki.writeCrl({ digest: 'sha1' })
  assert.equal(await judge('--crls', '--allow-sha1', 'certificates', host.certificateFile), '1 : FAILED crl-invalid:')
  assert.equal(await judge('--crls', '--allow-sha1', 'crls', host.certificateFile), '0 : OK')
  assert.equal(await judge('--purpose', 'signer', weak.certificateFile), '1 : FAILED algorithm:')
  assert.equal(await judge('--purpose', 'signer', '--allow-weak', 'rsa1024', weak.certificateFile), '0 : OK')
})
