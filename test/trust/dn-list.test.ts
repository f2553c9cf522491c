import assert from 'node:assert/strict'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, describe, it } from 'node:test'
import { element, oid, sequence, setOf } from '../../src/crypto/der-write.js'
import { parseName } from '../../src/crypto/name.js'
import { isSsmError } from '../../src/errors.js'
import type { Dn } from '../../src/message.js'
import { createDnListHolder, loadDnList, parseDnList } from '../../src/trust/dn-list.js'

const dir = mkdtempSync(join(tmpdir(), 'ssm-dns-'))
after(() => {
  rmSync(dir, { recursive: true })
})

const OIDS = { C: '2.5.4.6', O: '2.5.4.10', OU: '2.5.4.11', CN: '2.5.4.3', E: '1.2.840.113549.1.9.1', DC: '0.9.2342.19200300.100.1.25', UID: '0.9.2342.19200300.100.1.1' } // prettier-ignore

/** A name as a certificate has it: attributes are what is given, whatever their values look like. */
function name(...attributes: readonly (readonly [keyof typeof OIDS, string])[]): Dn {
  return parseName(
    sequence(...attributes.map(([type, value]) => setOf(sequence(oid(OIDS[type]), element(0x0c, Buffer.from(value)))))),
  )
}

function allows(line: string, dn: Dn): boolean {
  return parseDnList(`${line}\n`).list.allows(dn)
}

describe('a slash line', () => {
  const host = name(['C', 'UK'], ['O', 'eScience'], ['CN', 'host.example.org'])

  it('allows the certificate with these attributes, whatever case and spacing', () => {
    assert.equal(host.slash, '/C=UK/O=eScience/CN=host.example.org')
    assert.ok(allows(host.slash, host))
    assert.ok(allows('/c=uk/o=ESCIENCE/cn=Host.Example.Org', host))
    assert.ok(allows('/C=UK/O=a  b/CN=x ', name(['C', 'UK'], ['O', ' a b'], ['CN', 'X'])))
    assert.ok(allows('/O=Müller/CN=Ä', name(['O', 'MÜLLER'], ['CN', 'ä'])))
  })

  it('allows nobody else', () => {
    for (const line of [
      '/C=UK/O=eScience',
      '/C=UK/O=eScience/CN=host.example.org/CN=proxy',
      '/CN=host.example.org/O=eScience/C=UK',
      '/C=UK/O=eScience/OU=host.example.org',
      '/C=UK/O=eScience/CN=host.example',
    ]) {
      // prettier-ignore
      assert.equal(allows(line, host), false, line)
    }
    assert.equal(allows('/CN=host', name(['CN', 'ｈｏｓｔ'])), false, 'full width letters are others')
  })

  it('is split at a slash only before a known attribute type', () => {
    assert.ok(allows('/CN=host/x.example.org', name(['CN', 'host/x.example.org'])))
    assert.ok(allows('/CN=a/CN=b', name(['CN', 'a'], ['CN', 'b'])))
    assert.ok(allows('/CN=a/b=c', name(['CN', 'a/b=c'])), 'b is no attribute type')
    assert.ok(allows('/DC=org/DC=x/UID=u/CN=y', name(['DC', 'org'], ['DC', 'x'], ['UID', 'u'], ['CN', 'y'])))
    for (const type of ['emailAddress', 'Email', 'E'])
      assert.ok(allows(`/CN=a/${type}=b@c`, name(['CN', 'a'], ['E', 'b@c'])))
    assert.ok(allows('/CN=a/USERID=b', name(['CN', 'a'], ['UID', 'b'])))
    assert.ok(allows('/CN=a/2.5.4.11=b', name(['CN', 'a'], ['OU', 'b'])))
  })

  it('is never met by a value that holds /TYPE=', () => {
    const forged = name(['CN', 'a/CN=b'])
    assert.equal(forged.slash, '/CN=a/CN=b')
    assert.equal(allows('/CN=a/CN=b', forged), false)
    assert.equal(allows('/CN=a/cn=b', name(['CN', 'a/cn=b'])), false)
    assert.equal(allows('/C=UK/O=x/CN=y', name(['C', 'UK/O=x/CN=y'])), false)
    assert.equal(allows('/CN=a/1.2.3=b', name(['CN', 'a/1.2.3=b'])), false)
  })

  it('is never met by values that imitate the canonical key', () => {
    const key = name(['CN', 'a'], ['OU', 'b']).key
    for (const value of [key, `a/${OIDS.OU}=1:b`, 'a+b', `1:a/${OIDS.OU}=1:b`]) {
      assert.notEqual(name(['CN', value]).key, key)
    }
  })
})

describe('the list', () => {
  it('skips comments and blank lines, and warns of others', () => {
    const { list, warnings } = parseDnList(
      '\ufeff# sites\r\n\r\n/CN=a\r\n  /CN=b  \nCN=c,O=d\n/foo=bar\n/CN=\n\x1b[31m\n',
    )
    assert.equal(list.size, 2)
    assert.deepEqual(
      warnings,
      ['CN=c,O=d', '/foo=bar', '/CN=', '\x1b[31m'].map((line) => `DN in incorrect format: ${line}`),
    )
    assert.equal(parseDnList('x\n'.repeat(1000)).warnings.length, 101)
    assert.throws(() => parseDnList('\n'.repeat(300_000)), (error) => isSsmError(error, 'limit')) // prettier-ignore
  })

  it('is refused when it is missing, no file, or without a valid line', async () => {
    const file = join(dir, 'dns')
    writeFileSync(file, '# nobody\nCN=x\n')
    for (const [path, words] of [
      [file, /holds no DN \(1 lines/],
      [join(dir, 'none'), /does not exist/],
      [dir, /regular file/],
    ] as const) {
      // prettier-ignore
      await assert.rejects(loadDnList(path), (error) => isSsmError(error, 'configuration') && words.test(error.message))
    }
  })

  it('keeps the last good one when a reload fails', async () => {
    const file = join(dir, 'held')
    writeFileSync(file, '/CN=a\n')
    const { holder } = await createDnListHolder(file)
    writeFileSync(file, '# empty by mistake\n')
    assert.equal((await holder.reload()).failed?.code, 'configuration')
    assert.ok(holder.allows(name(['CN', 'a'])))
    writeFileSync(file, '/CN=b\n')
    assert.equal((await holder.reload()).failed, undefined)
    assert.deepEqual(
      [holder.allows(name(['CN', 'a'])), holder.allows(name(['CN', 'b'])), holder.size],
      [false, true, 1],
    )
  })
})
