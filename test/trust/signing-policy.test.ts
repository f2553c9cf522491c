import assert from 'node:assert/strict'
import { cpSync, mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, describe, it } from 'node:test'
import type { Certificate } from '../../src/crypto/certificate.js'
import { issueCertificate } from '../../src/crypto/issue.js'
import { makeDn, opensslHash, parseSlash } from '../../src/crypto/name.js'
import { isSsmError } from '../../src/errors.js'
import { loadCaDirectory } from '../../src/trust/ca-directory.js'
import type { SigningPolicyMode } from '../../src/trust/policy-files.js'
import type { TrustVerdict } from '../../src/trust/port.js'
import { covers, parseNamespaces, parseSigningPolicy, SELF } from '../../src/trust/signing-policy.js'
import { createTrustStore } from '../../src/trust/store.js'
import { createTestCa, createTestPki, testKey, writeCaDirectory } from '../kit/ca.js'

const dir = mkdtempSync(join(tmpdir(), 'ssm-policy-'))
after(() => {
  rmSync(dir, { recursive: true })
})
const pki = createTestPki(dir)
const onlyMalformed = (error: unknown): boolean => isSsmError(error, 'malformed')
const CA = pki.ca.dn

function dn(slash: string) {
  const name = parseSlash(slash)
  assert.ok(name !== undefined, slash)
  return name
}

function eacl(subjects: string, ca = CA): string {
  return `# a comment\n\n access_id_CA  X509  '${ca}'\n pos_rights\tglobus\tCA:sign\n cond_subjects globus ${subjects}\n`
}

describe('parseSigningPolicy', () => {
  const granted = (text: string, name: string): boolean =>
    parseSigningPolicy(text).some(({ permit, patterns }) => permit && covers(patterns, dn(name)))

  it('reads conditions in every way they are quoted', () => {
    for (const subjects of [
      `'"/C=XX/*" "/DC=org/DC=y/*"'`,
      `'/C=XX/* /DC=org/DC=y/*'`,
      `"/C=XX/* /DC=org/DC=y/*"`,
      `"/C=XX/*" "/DC=org/DC=y/*"`,
      `'"/C=XX/*"  "/DC=org/DC=y/*"' # both`,
    ]) {
      assert.ok(granted(eacl(subjects), '/C=XX/CN=a b'), subjects)
      assert.ok(granted(eacl(subjects), '/DC=org/DC=y/CN=a'), subjects)
      assert.ok(!granted(eacl(subjects), '/C=XY/CN=a'), subjects)
      assert.ok(!granted(eacl(subjects), '/DC=org/DC=yy/CN=a'), subjects)
    }
  })

  it('takes case, white space and names of attributes as names are compared', () => {
    assert.ok(granted(eacl(`'"/c=xx/O=My  Lab/Email=*"'`), '/C=XX/O=my lab/emailAddress=a@b'))
    assert.ok(granted(eacl(`'"/DC=x/USERID=?"'`), '/DC=x/UID=7'))
    assert.ok(!granted(eacl(`'"/DC=x/USERID=?"'`), '/DC=x/UID=77'))
  })

  it('lets identities share what follows, and keeps blocks apart', () => {
    const text = `access_id_CA X509 '/CN=A'\naccess_id_CA X509 '/CN=B'\npos_rights globus CA:sign\ncond_subjects globus '"/C=1/*"'\n${eacl(`'"/C=2/*"'`, '/CN=D')}`
    assert.deepEqual(
      parseSigningPolicy(text).map(({ issuer }) => issuer),
      ['/cn=a', '/cn=b', '/cn=d'],
    )
  })

  it('grants nothing by rights of others, and nothing where rights are taken', () => {
    const rights = (line: string) => eacl(`'"/*"'`).replace(/ pos_rights.*/, line)
    assert.throws(() => parseSigningPolicy(rights('pos_rights globus CA:other')), onlyMalformed)
    assert.throws(() => parseSigningPolicy(rights('pos_rights kerberos CA:sign')), onlyMalformed)
    assert.equal(parseSigningPolicy(rights('neg_rights globus CA:sign'))[0]?.permit, false)
  })

  it('refuses what it does not understand as a whole', () => {
    for (const bad of [
      '',
      'words',
      `pos_rights globus CA:sign`,
      eacl(`'"/C=XX/*"`),
      eacl(`'"/C=XX/*" and "/C=YY/*"'`),
      eacl(`''`),
      `${eacl(`'"/*"'`)}cond_time globus '"now"'\n`,
      `${eacl(`'"/*"'`)}${'x'.repeat(5000)}`,
    ]) {
      assert.throws(() => parseSigningPolicy(bad), onlyMalformed, bad.slice(0, 80))
    }
  })
})

describe('parseNamespaces', () => {
  it('reads statements over several lines', () => {
    const text = `#NAMESPACES-VERSION: 1.0\nTO Issuer "${CA}" \\\n  PERMIT Subject "/C=XX/O=A \\(B\\)/.*"\nTO Issuer SELF DENY Subject "/C=XX/CN=x.y" # no\n`
    const [first, second] = parseNamespaces(text)
    assert.ok(first?.permit === true && covers(first.patterns, dn('/C=XX/O=a (b)/CN=c')))
    assert.ok(second?.permit === false && second.issuer === SELF)
    assert.deepEqual(
      ['/C=XX/CN=x.y', '/C=XX/CN=xzy'].map((name) => covers(second.patterns, dn(name))),
      [true, false],
    )
  })

  it('refuses what it does not understand as a whole', () => {
    const permit = (subject: string) => `TO Issuer "/CN=A" PERMIT Subject "${subject}"`
    for (const bad of [
      '',
      '# nothing',
      'TO Issuer /CN=A PERMIT Subject "x"',
      permit('/C=XX/*'),
      permit('/(a|b)'),
      `${permit('/C=XX')} rest`,
    ])
      // prettier-ignore
      assert.throws(() => parseNamespaces(bad), onlyMalformed, bad)
  })
})

describe('patterns', () => {
  it('are matched in time that does not explode', () => {
    const [rule] = parseSigningPolicy(eacl(`'"/${'*a'.repeat(200)}*b"'`))
    const started = performance.now()
    assert.equal(covers(rule?.patterns ?? [], makeDn([[{ oid: '2.5.4.3', value: 'a'.repeat(2000) }]])), false)
    assert.ok(performance.now() - started < 1000)
  })

  it('agree with a plain reading of wildcards', () => {
    let state = 7
    const random = (below: number) => (state = (state * 1103515245 + 12345) % 2147483648) % below
    const pick = (letters: string, length: number) =>
      Array.from({ length }, () => letters[random(letters.length)]).join('')
    for (let round = 0; round < 3000; round++) {
      const pattern = `/cn=${pick('ab*?', 1 + random(6))}`
      const name = pick('ab', 1 + random(6))
      const plain = new RegExp(`^${pattern.replaceAll('*', '.*').replaceAll('?', '.')}$`).test(`/cn=${name}`)
      const [rule] = parseSigningPolicy(eacl(`'"${pattern}"'`))
      assert.equal(covers(rule?.patterns ?? [], makeDn([[{ oid: '2.5.4.3', value: name }]])), plain, `${pattern} ${name}`) // prettier-ignore
    }
  })
})

describe('signing policies of the CA directory', () => {
  const hash = opensslHash(pki.ca.certificate.subject)
  let count = 0

  async function judge(
    files: Readonly<Record<string, string>>,
    mode?: SigningPolicyMode,
    leaf: Certificate = pki.host.certificate,
    candidates: readonly Certificate[] = [],
    crlPolicy: 'hold' | 'require' = 'hold',
  ): Promise<TrustVerdict> {
    const capath = join(dir, `case${count++}`)
    cpSync(pki.capath, capath, { recursive: true })
    for (const [name, text] of Object.entries(files)) {
      if (text.startsWith('->')) symlinkSync(text.slice(2), join(capath, name))
      else writeFileSync(join(capath, name), text)
    }
    const settings = { allowSha1: false, allowWeak: false, crlPolicy, ...(mode && { signingPolicy: mode }) }
    const store = createTrustStore(await loadCaDirectory(capath), settings)
    return store.judge(leaf, { at: Date.now(), purpose: 'signer', crls: true, candidates })
  }
  const said = (verdict: TrustVerdict): string =>
    verdict.verdict === 'ok' ? `ok ${verdict.policed ?? false}` : `${verdict.verdict} ${verdict.reason}`
  const good = eacl(`'"/C=XX/O=Test/*"'`)
  const narrow = eacl(`'"/C=XX/O=Other/*"'`)

  it('bind a CA that has one, whatever the file is called', async () => {
    assert.equal(said(await judge({})), 'ok false')
    assert.equal(said(await judge({ [`${hash}.signing_policy`]: good })), 'ok true')
    const verdict = await judge({ 'Test-CA.signing_policy': narrow, [`${hash}.signing_policy`]: '->Test-CA.signing_policy' }) // prettier-ignore
    assert.equal(said(verdict), 'no policy')
    assert.ok(verdict.verdict === 'no')
    assert.match(verdict.detail, /may not speak for \/C=XX\/O=Test\/CN=host\.example\.org: .*\.signing_policy does not/)
    assert.equal(said(await judge({ 'any.signing_policy': narrow })), 'no policy')
    assert.equal(said(await judge({ 'any.signing_policy': narrow }, 'ignore')), 'ok false')
    assert.equal(said(await judge({ [`${hash}.signing_policy`]: eacl(`'"/*"'`, '/CN=Another') })), 'no policy')
  })

  it('must all grant the name: each kind of file, and no denial', async () => {
    const namespaces = (effect: string, subject: string) => `TO Issuer "${CA}" ${effect} Subject "${subject}"\n`
    const both = (text: string) => judge({ [`${hash}.signing_policy`]: good, [`${hash}.namespaces`]: text })
    assert.equal(said(await both(namespaces('PERMIT', '/C=XX/.*'))), 'ok true')
    assert.equal(said(await both(namespaces('PERMIT', '/C=YY/.*'))), 'no policy')
    assert.equal(said(await both(namespaces('PERMIT', '/C=XX/.*') + namespaces('DENY', '.*/CN=host.*'))), 'no policy')
    assert.equal(said(await both('TO Issuer SELF PERMIT Subject "/C=XX/O=Test/.*"')), 'ok true')
  })

  it('are asked for by enforce', async () => {
    assert.equal(said(await judge({}, 'enforce')), 'no policy')
    assert.equal(said(await judge({ [`${hash}.signing_policy`]: good }, 'enforce')), 'ok true')
  })

  it('when damaged make messages wait instead of passing or refusing them', async () => {
    const verdict = await judge({ [`${hash}.signing_policy`]: 'nonsense' })
    assert.equal(said(verdict), 'hold policy')
    assert.ok(verdict.verdict === 'hold' && verdict.detail.includes(`${hash}.signing_policy`))
    assert.equal(said(await judge({ [`${hash}.signing_policy`]: '->nowhere' })), 'hold policy')
    assert.equal(said(await judge({ [`${hash}.namespaces`]: 'x' }, 'auto', pki.host.certificate, [], 'require')), 'no policy') // prettier-ignore
    assert.equal(said(await judge({ 'another.signing_policy': 'nonsense' })), 'ok false', 'not of this CA')
  })

  it('bind what is below a subordinate CA that has none of its own', async () => {
    const key = testKey('p256', 4)
    const sub = issueCertificate({ subject: '/C=XX/O=Test/CN=Sub', key, issuer: pki.ca.issuer, ca: true })
    const at = (subject: string) =>
      issueCertificate({ subject, key: testKey('p256', 5), issuer: { certificate: sub, key } })
    const settings = { allowSha1: false, allowWeak: false, crlPolicy: 'hold' } as const
    const capath = join(dir, 'below')
    mkdirSync(capath)
    writeCaDirectory(capath, [{ certificate: pki.ca.certificate }])
    writeFileSync(join(capath, `${hash}.signing_policy`), good)
    const store = async () => createTrustStore(await loadCaDirectory(capath), settings)
    const options = { at: Date.now(), purpose: 'any', crls: false, candidates: [sub] } as const
    assert.equal(said((await store()).judge(at('/C=XX/O=Test/CN=a'), options)), 'ok true')
    assert.equal(said((await store()).judge(at('/C=YY/O=Else/CN=a'), options)), 'no policy')
    writeFileSync(join(capath, 'sub.signing_policy'), eacl(`'"/C=YY/*"'`, '/C=XX/O=Test/CN=Sub'))
    assert.equal(said((await store()).judge(at('/C=YY/O=Else/CN=a'), options)), 'ok true')
    assert.equal(said((await store()).judge(at('/C=XX/O=Test/CN=a'), options)), 'no policy')
  })

  it('never grant a name that can be read in two ways', async () => {
    const trick = issueCertificate({ subject: makeDn([[{ oid: '2.5.4.6', value: 'XX' }], [{ oid: '2.5.4.10', value: 'Test/CN=host' }]]), key: testKey('p256', 5), issuer: pki.ca.issuer }) // prettier-ignore
    assert.equal(said(await judge({ [`${hash}.signing_policy`]: good }, 'auto', trick)), 'no policy')
  })

  it('leave a CA alone that certifies a new key of its own', async () => {
    const renewed = createTestCa(CA, { key: testKey('p256', 6), issuer: pki.ca.issuer })
    const leaf = issueCertificate({ subject: '/C=XX/O=Test/CN=n', key: testKey('p256', 5), issuer: { certificate: renewed.certificate, key: testKey('p256', 6) } }) // prettier-ignore
    const options = { [`${hash}.signing_policy`]: eacl(`'"/C=XX/O=Test/CN=n"'`) }
    const capath = join(dir, 'renewed')
    cpSync(pki.capath, capath, { recursive: true })
    for (const [name, text] of Object.entries(options)) writeFileSync(join(capath, name), text)
    const store = createTrustStore(await loadCaDirectory(capath), { allowSha1: false, allowWeak: false, crlPolicy: 'hold' }) // prettier-ignore
    const verdict = store.judge(leaf, {
      at: Date.now(),
      purpose: 'any',
      crls: false,
      candidates: [renewed.certificate],
    })
    assert.equal(said(verdict), 'ok true')
  })
})
