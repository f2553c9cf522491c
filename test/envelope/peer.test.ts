/**
 * The Python SSM as the other end, when a checkout of it is named by SSM_PEER. It is not part of this package and no
 * Debian package: without it there are no such tests, rather than skipped ones where nothing may be skipped.
 */
import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { describe, test } from 'node:test'
import { need } from '../kit/need.js'
import { hasPythonSsm, pythonSsmEnvironment } from '../kit/python-ssm.js'
import { CONTENTS, createScene, reasonOf } from './scene.js'

const skip = !hasPythonSsm || need('python3-openssl', 'openssl')
const scene = createScene()
const { host, other, capath } = { ...scene.pki, capath: scene.pki.capath }

function peerTests(name: string, body: () => void): void {
  if (hasPythonSsm) describe(name, { skip }, body)
}

function python(script: string, args: readonly string[], input: Uint8Array): Buffer {
  const prelude = 'import sys\nfrom ssm import crypto\ntext = sys.stdin.buffer.read().decode()\na = sys.argv[1:]\n'
  const { status, stdout, stderr } = spawnSync('/usr/bin/python3', ['-c', prelude + script, ...args], {
    input,
    env: { ...process.env, ...pythonSsmEnvironment() },
    timeout: 60_000,
  })
  assert.equal(status, 0, stderr.toString('utf8'))
  return stdout
}

const VERIFY =
  'body, dn = crypto.verify(text, a[0], True)\nsys.stdout.buffer.write((dn + "\\n").encode() + body.encode())'
const DECRYPT = 'sys.stdout.buffer.write(crypto.decrypt(text, a[0], a[1]).encode())'

peerTests('the Python SSM reads what we make', () => {
  // Of text without an encoding it strips outer white space, and takes nothing that is only white space.
  const readable = Object.entries(CONTENTS).filter(([, body]) => body.toString('utf8').trim() !== '')
  for (const [name, body] of readable) {
    for (const encrypted of [false, true]) {
      test(`${encrypted ? 'encrypted' : 'signed'}: ${name}`, async () => {
        let wire: Uint8Array = await scene.sealer(host, encrypted ? { recipients: [other.certificate] } : {})({ body })
        if (encrypted) wire = python(DECRYPT, [other.certificateFile, other.keyFile], wire)
        const quoted = Buffer.from(wire).includes('Content-Transfer-Encoding: quoted-printable\n\n')
        const text = python(VERIFY, [capath], wire).toString('utf8')
        const [dn = '', ...lines] = text.split('\n')
        assert.equal(dn, host.dn)
        const expected = body.toString('utf8')
        assert.equal(lines.join('\n'), quoted ? expected : expected.trimEnd())
      })
    }
  }
})

peerTests('we read what the Python SSM makes', () => {
  const SIGN = 'sys.stdout.buffer.write(crypto.sign(text, a[0], a[1]).encode())'
  const ENCRYPT = 'sys.stdout.buffer.write(crypto.encrypt(text, a[0], a[1]).encode())'
  const body = CONTENTS['10 KB of records']!
  const signed = skip === false ? python(SIGN, [host.certificateFile, host.keyFile], body) : Buffer.alloc(0)

  const arrives = async (wire: Uint8Array): Promise<void> => {
    const opened = await scene.opener({ decryption: () => [other] })(wire)
    assert.equal(reasonOf(opened), 'ok')
    assert.ok(opened.verdict === 'ok')
    assert.deepEqual(Buffer.from(opened.plain.body), body)
    assert.equal(opened.signer.slash, host.dn)
  }
  test('signed', async () => {
    await arrives(signed)
  })
  for (const cipher of ['aes128', 'aes192', 'aes256']) {
    test(`encrypted with ${cipher}`, async () => {
      await arrives(python(ENCRYPT, [other.certificateFile, cipher], signed))
    })
  }
})
