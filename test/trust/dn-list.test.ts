import assert from 'node:assert/strict'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, describe, it } from 'node:test'
import { element, oid, sequence, setOf } from '../../src/crypto/der-write.js'
import { parseName } from '../../src/crypto/name.js'
import { formatRfc4514 } from '../../src/crypto/rfc4514.js'
import { isSsmError } from '../../src/errors.js'
import type { Dn } from '../../src/message.js'
import { createDnListHolder, loadDnList } from '../../src/trust/dn-file.js'
import { explainNotListed, parseDnList } from '../../src/trust/dn-list.js'

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

const ISSUER = name(['C', 'UK'], ['CN', 'CA'])

function allows(line: string, dn: Dn): boolean {
  return parseDnList(`${line}\n`).list.standing(dn, ISSUER).standing === 'listed'
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
      '\ufeff# sites\r\n\r\n/CN=a\r\n  /CN=b  \nfoo=c,O=d\n/foo=bar\n/CN=\n\x1b[31m\n',
    )
    assert.equal(list.size, 2)
    assert.deepEqual(
      warnings,
      ['foo=c,O=d', '/foo=bar', '/CN=', '\x1b[31m'].map((line) => `DN in incorrect format: ${line}`),
    )
    assert.equal(parseDnList('x\n'.repeat(1000)).warnings.length, 101)
    assert.throws(() => parseDnList('\n'.repeat(300_000)), (error) => isSsmError(error, 'limit')) // prettier-ignore
  })

  it('is refused when it is missing, no file, or without a valid line', async () => {
    const file = join(dir, 'dns')
    writeFileSync(file, '# nobody\nfoo=x\n')
    for (const [path, words] of [
      [file, /holds no DN \(1 lines/],
      [join(dir, 'none'), /does not exist/],
      [dir, /regular file/],
    ] as const) {
      // prettier-ignore
      await assert.rejects(loadDnList(path), (error) => isSsmError(error, 'configuration') && words.test(error.message))
    }
  })

  it('may be empty when it says so', async () => {
    const file = join(dir, 'none-meant')
    writeFileSync(file, '# None\n')
    const { list, none } = await loadDnList(file)
    assert.deepEqual([list.size, none, list.standing(name(['CN', 'a']), ISSUER).standing], [0, true, 'unlisted'])
  })

  it('keeps the last good one for an hour when a reload fails, then judges nobody', async () => {
    const file = join(dir, 'held')
    writeFileSync(file, '/CN=a\n')
    let now = 0
    const { holder } = await createDnListHolder(file, { clock: { now: () => now } })
    const says = (cn: string) => holder.standing(name(['CN', cn]), ISSUER).standing
    writeFileSync(file, '# empty by mistake\n')
    assert.equal((await holder.reload()).failed?.code, 'configuration')
    assert.equal(says('a'), 'listed')
    now = 3_600_000
    assert.equal((await holder.reload()).failed?.code, 'configuration')
    assert.equal(says('a'), 'listed')
    now++
    assert.throws(() => says('a'), (error) => isSsmError(error, 'no-trust') && error.message.includes('holds no DN')) // prettier-ignore
    writeFileSync(file, '/CN=b\n')
    assert.equal((await holder.reload()).failed, undefined)
    assert.deepEqual([says('a'), says('b'), holder.size], ['unlisted', 'listed', 1])
  })
})

describe('a line of RFC 4514', () => {
  const host = name(['C', 'UK'], ['O', 'eScience'], ['CN', 'host.example.org'])
  const grid = name(['DC', 'org'], ['DC', 'x'], ['OU', 'a'], ['CN', 'h'])

  it('is read from the end with C, DC or O', () => {
    assert.ok(allows('CN=host.example.org,O=eScience,C=UK', host))
    assert.ok(allows('C = UK, O = eScience, CN = host.example.org', host), 'as openssl prints it')
    assert.ok(allows('cn=host.example.org , o=eScience,  c=uk', host))
    assert.ok(allows('CN=h,OU=a,DC=x,DC=org', grid))
    assert.ok(allows('DC=org,DC=x,OU=a,CN=h', grid))
    assert.ok(allows('CN=alone', name(['CN', 'alone'])))
  })

  it('that is readable in both directions, or in neither, is refused with a warning', () => {
    for (const line of ['O=x,C=UK', 'DC=x,OU=a,DC=org', 'C=UK,CN=a,O=b']) {
      const { list, warnings } = parseDnList(line)
      assert.equal(list.size, 0)
      assert.deepEqual(warnings, [
        `DN in incorrect format: ${line} (readable in both directions: write it with slashes)`,
      ])
    }
    assert.match(parseDnList('CN=a,OU=b').warnings[0] ?? '', /begins with no C, DC or O/)
  })

  it('can say every text a name may have', () => {
    for (const value of [
      'a/CN=b',
      'a,b',
      'a+b',
      ' a',
      'a ',
      '#a',
      'a"b',
      'a\\b',
      '<;>',
      'ü',
      'a=b',
      'a, CN=b',
      '\0x',
    ]) {
      const dn = name(['C', 'UK'], ['CN', value])
      const line = formatRfc4514(dn)
      assert.ok(allows(line, dn), `${JSON.stringify(value)}: ${line}`)
      assert.equal(allows(line, name(['C', 'UK'], ['CN', `${value}x`])), false)
    }
    const both = parseName(
      sequence(
        setOf(sequence(oid(OIDS.C), element(0x0c, Buffer.from('UK')))),
        setOf(
          sequence(oid(OIDS.CN), element(0x0c, Buffer.from('a'))),
          sequence(oid(OIDS.UID), element(0x0c, Buffer.from('b'))),
        ),
      ),
    )
    for (const line of [formatRfc4514(both), 'CN=a+UID=b,C=UK', 'UID=b + CN=a, C=UK'])
      assert.ok(allows(line, both), line)
    assert.equal(allows('/C=UK/CN=a/UID=b', both), false)
    assert.ok(allows('CN=\\C3\\BC,C=UK', name(['C', 'UK'], ['CN', 'ü'])))
    assert.ok(allows('CN="a, b",C=UK', name(['C', 'UK'], ['CN', 'a, b'])))
  })

  it('is not read when it is none', () => {
    for (const line of ['CN', 'CN=', '=a', 'CN=a,', ',CN=a', 'CN=a;C=UK', 'CN=#0500,C=UK', 'CN=\\FF,C=UK', 'CN=a\\', 'CN="a,C=UK', 'CN=a,,C=UK', 'x=a,C=UK', 'CN=<a>']) {
      assert.equal(parseDnList(line).warnings.length, 1, line)
    } // prettier-ignore
  })
})

describe('bans', () => {
  const host = name(['C', 'UK'], ['O', 'x'], ['CN', 'a'])
  const says = (text: string, dn = host) => parseDnList(text).list.standing(dn, ISSUER).standing

  it('count whatever else is listed, before or behind', () => {
    assert.equal(says('/C=UK/O=x/CN=a\n!/C=UK/O=x/CN=a\n'), 'banned')
    assert.equal(says('!CN=a,O=x,C=UK\n/C=UK/O=x/CN=a\n'), 'banned')
    assert.equal(says('! /c=uk/o=X/cn=A\n'), 'banned')
    assert.equal(says('!/C=UK/O=x/CN=b\n/C=UK/O=x/CN=a\n'), 'listed')
    assert.equal(parseDnList('!/CN=a\n!/CN=b/*\n').bans, 2)
  })
  it('of a subtree count without dn_wildcards', () => {
    assert.equal(says('/C=UK/O=x/CN=a\n!/C=UK/O=x/*\n'), 'banned')
    assert.equal(says('/C=UK/O=x/CN=a\n!/C=UK/O=xx/*\n'), 'listed')
  })
})

describe('subtrees', () => {
  const tree = (text: string, dn: Dn) => parseDnList(text, { wildcards: true }).list.standing(dn, ISSUER)
  const host = name(['C', 'UK'], ['O', 'x'], ['CN', 'a'])

  it('are refused with a warning unless dn_wildcards is on', () => {
    const { list, warnings } = parseDnList('/C=UK/O=x/*')
    assert.equal(list.size, 0)
    assert.match(warnings[0] ?? '', /dn_wildcards = true only/)
  })
  it('allow what lies below, by whole attributes, and say which line', () => {
    assert.deepEqual(tree('/C=UK/O=x/*', host), { standing: 'listed', subtree: '/C=UK/O=x/*' })
    assert.deepEqual(tree('/C=UK/*', host), { standing: 'listed', subtree: '/C=UK/*' })
    assert.equal(tree('/C=UK/O=x/CN=a/*', host).standing, 'unlisted', 'not the name itself')
    assert.equal(tree('/C=UK/O=xy/*', host).standing, 'unlisted')
    assert.equal(tree('/C=UK/O=x/*', name(['C', 'UK'], ['O', 'x/CN=a'])).standing, 'unlisted')
    assert.equal(tree('/C=UK/O=x/*', name(['C', 'UK'], ['O', 'xy'], ['CN', 'a'])).standing, 'unlisted')
    assert.deepEqual(tree('/C=UK/*\n/C=UK/O=x/CN=a', host), { standing: 'listed' }, 'by its own line: no subtree')
  })
})

describe('pins', () => {
  const host = name(['C', 'UK'], ['CN', 'a'])
  const other = name(['C', 'UK'], ['CN', 'Other CA'])

  it('allow certificates of that issuer only', () => {
    for (const line of ['/C=UK/CN=a\tissuer=/C=UK/CN=CA', 'CN=a,C=UK \t issuer = CN=CA,C=UK']) {
      const { list, warnings } = parseDnList(line)
      assert.deepEqual(warnings, [])
      assert.deepEqual(list.standing(host, ISSUER), { standing: 'listed' })
      const refused = list.standing(host, other)
      assert.ok(refused.standing === 'unlisted')
      assert.match(explainNotListed(host, refused), /listed for certificates of \/C=UK\/CN=CA, and this one is of \/C=UK\/CN=Other CA/)
    } // prettier-ignore
  })
  it('of several lines are alternatives, and a line without one allows all', () => {
    const two = parseDnList('/C=UK/CN=a\tissuer=/C=UK/CN=CA\n/C=UK/CN=a\tissuer=/C=UK/CN=Other CA').list
    for (const issuer of [ISSUER, other]) assert.equal(two.standing(host, issuer).standing, 'listed')
    for (const text of ['/C=UK/CN=a\n/C=UK/CN=a\tissuer=/CN=x', '/C=UK/CN=a\tissuer=/CN=x\n/C=UK/CN=a']) {
      assert.equal(parseDnList(text).list.standing(host, ISSUER).standing, 'listed')
    }
  })
  it('that are damaged make no line', () => {
    for (const line of ['/CN=a\tissuer', '/CN=a\tissuer=', '/CN=a\tx=/CN=b', '/CN=a\tissuer=/CN=b\tissuer=/CN=c', '!/CN=a\tissuer=/CN=b']) {
      assert.equal(parseDnList(line).warnings.length, 1, line)
    } // prettier-ignore
  })
})

describe('why a signer is not listed', () => {
  const LIST = '/C=UK/O=eScience/CN=host.example.org\n/C=UK/O=eScience/OU=a/CN=other\n'
  const why = (dn: Dn, text = LIST) => {
    const standing = parseDnList(text).list.standing(dn, ISSUER)
    assert.ok(standing.standing === 'unlisted')
    return explainNotListed(dn, standing, ' (not verified)')
  }
  it('names the nearest listed one, and where it differs', () => {
    assert.equal(
      why(name(['C', 'UK'], ['O', 'eScience'], ['CN', 'hots.example.org'])),
      '/C=UK/O=eScience/CN=hots.example.org (not verified); the nearest listed DN is /C=UK/O=eScience/CN=host.example.org: ' +
        'it has CN=host.example.org where this one has CN=hots.example.org',
    )
    assert.match(why(name(['C', 'UK'], ['O', 'eScience'], ['CN', 'other'])), /: it has OU=a where this one has CN=other$/)
    assert.match(why(name(['C', 'UK'], ['O', 'eScience'], ['CN', 'host.example.org'], ['CN', 'proxy'])), /: it lacks CN=proxy$/)
    assert.match(why(name(['C', 'UK'], ['O', 'eScience'])), /: it has CN=host.example.org besides$/)
  }) // prettier-ignore
  it('says nothing when nothing is near', () => {
    assert.equal(why(name(['C', 'DE'], ['O', 'y'], ['CN', 'z'])), '/C=DE/O=y/CN=z (not verified)')
  })
  it('gives the line that a name without a slash form needs', () => {
    const dn = name(['C', 'UK'], ['CN', 'a/CN=b'])
    const text = why(dn)
    assert.match(text, /list it in the form CN=a\/CN=b,C=UK$/)
    assert.ok(allows('CN=a/CN=b,C=UK', dn))
  })
  it('is found in a long list, too', () => {
    const many = Array.from({ length: 20_000 }, (_, n) => `/C=UK/O=eScience/OU=site${n}/CN=host${n}`).join('\n')
    assert.match(
      why(name(['C', 'UK'], ['O', 'eScience'], ['OU', 'sitex'], ['CN', 'host19999']), many),
      /it has OU=site19999 where this one has OU=sitex/,
    )
  })
})
