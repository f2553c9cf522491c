/**
 * The envelope with the real trust room behind it: who is obeyed.
 */
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { makeDn } from '../../src/crypto/name.js'
import { systemClock } from '../../src/os/clock.js'
import { parseDnList } from '../../src/trust/dn-list.js'
import { createTrust } from '../../src/trust/trust-holder.js'
import type { TestHost } from '../kit/ca.js'
import { createScene, reasonOf } from './scene.js'

const scene = createScene()
const { pki } = scene
const body = Buffer.from('record\n')
const everybody = [pki.host, pki.ec, pki.expired, pki.revoked, pki.unknown]
const ambiguous = pki.add('ambiguous', {
  subject: makeDn([[{ oid: '2.5.4.6', value: 'XX' }], [{ oid: '2.5.4.3', value: 'a/CN=b' }]]),
})

async function opened(by: TestHost, crls: boolean, listed: readonly TestHost[] = everybody) {
  const trust = await createTrust({ capath: pki.capath, clock: systemClock })
  const { list } = parseDnList(listed.map((host) => `${host.dn}\n`).join(''))
  const open = scene.opener({ trust: () => trust, dns: () => list, crls })
  return open(await scene.sealer(by)({ body }))
}

describe('with a CA directory and a list of DNs', () => {
  for (const [by, crls, expected] of [
    [pki.host, false, 'ok'],
    [pki.host, true, 'ok'],
    [pki.ec, true, 'ok'],
    [pki.other, true, 'not-listed'],
    [pki.expired, true, 'expired'],
    [pki.revoked, false, 'ok'],
    [pki.revoked, true, 'revoked'],
    [pki.unknown, true, 'untrusted'],
  ] as const) {
    test(`${by.name}, CRLs ${crls ? 'on' : 'off'}: ${expected}`, async () => {
      const judged = await opened(by, crls)
      assert.equal(reasonOf(judged), expected, JSON.stringify(judged))
      assert.equal(judged.signer?.slash, expected === 'ok' ? by.dn : undefined, 'only a verified path gives a name')
    })
  }
  test('a CA certificate may not sign messages', async () => {
    const ca = { ...pki.host, certificate: pki.ca.certificate, key: pki.ca.issuer.key, dn: pki.ca.dn, name: 'ca' }
    assert.equal(reasonOf(await opened(ca, false, [ca])), 'purpose')
  })
  test('a DN that two names may mean is refused, and says why', async () => {
    const judged = await opened(ambiguous, false, [ambiguous])
    assert.ok(judged.verdict !== 'ok')
    assert.equal(judged.reason, 'not-listed')
    assert.ok(judged.detail.startsWith('/C=XX/CN=a/CN=b ('), judged.detail)
  })
})
