/**
 * The envelope with the real trust room behind it: who is obeyed.
 */
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { makeDn } from '../../src/crypto/name.js'
import { SsmError } from '../../src/errors.js'
import { systemClock } from '../../src/os/clock.js'
import { parseDnList } from '../../src/trust/dn-list.js'
import type { TrustStore } from '../../src/trust/port.js'
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
  describe('that says more of a name', () => {
    const judge = async (text: string, { policed = false, by = pki.host, crls = true } = {}) => {
      const trust = await createTrust({ capath: pki.capath, clock: systemClock })
      const { list } = parseDnList(text, { wildcards: true })
      const judging: TrustStore = {
        judge: (certificate, options) => {
          const verdict = trust.judge(certificate, options)
          return verdict.verdict === 'ok' ? { ...verdict, policed } : verdict
        },
      }
      return scene.opener({ trust: () => judging, dns: () => list, crls })(await scene.sealer(by)({ body }))
    }
    const below = `${pki.host.dn.slice(0, pki.host.dn.lastIndexOf('/'))}/*`
    test('a banned signer is named, after signature and path were verified, and only then', async () => {
      const banned = await judge(`${pki.host.dn}\n!${pki.host.dn}\n`)
      assert.ok(banned.verdict === 'no')
      assert.deepEqual([banned.reason, banned.signer?.slash], ['banned', pki.host.dn])
      assert.ok(banned.detail.endsWith(pki.host.dn))
      assert.equal(reasonOf(await judge(`!${pki.unknown.dn}`, { by: pki.unknown })), 'untrusted')
      assert.equal(reasonOf(await judge(`!${pki.revoked.dn}`, { by: pki.revoked })), 'revoked')
      const { list } = parseDnList(`!${pki.host.dn}`)
      const wire = Buffer.from(await scene.sealer()({ body }))
      wire[wire.indexOf('record')] = 0x52
      assert.equal(reasonOf(await scene.opener({ dns: () => list })(wire)), 'signature')
    })
    test('a subtree counts with an enforced signing policy only', async () => {
      const refused = await judge(below)
      assert.ok(refused.verdict === 'no')
      assert.equal(refused.reason, 'not-listed')
      assert.match(refused.detail, /counts only for CAs with an enforced signing policy$/)
      assert.equal(reasonOf(await judge(below, { policed: true })), 'ok')
      assert.equal(reasonOf(await judge(`${below}\n${pki.host.dn}`)), 'ok', 'its own line needs no policy')
      assert.equal(reasonOf(await judge(`${below}\n!${pki.host.dn}`, { policed: true })), 'banned')
    })
    test('a pin to the issuer', async () => {
      assert.equal(reasonOf(await judge(`${pki.host.dn}\tissuer=${pki.ca.dn}`)), 'ok')
      assert.equal(reasonOf(await judge(`${pki.host.dn}\tissuer=/CN=another`)), 'not-listed')
    })
    test('no list any more is our trouble', async () => {
      const list = {
        size: 0,
        standing: () => {
          throw new SsmError('no-trust', 'for over an hour: gone')
        },
      }
      await assert.rejects(scene.opener({ dns: () => list })(await scene.sealer()({ body })), /for over an hour/)
    })
  })
  test('a DN that two names may mean is refused, and says why', async () => {
    const judged = await opened(ambiguous, false, [ambiguous])
    assert.ok(judged.verdict !== 'ok')
    assert.equal(judged.reason, 'not-listed')
    assert.ok(judged.detail.startsWith('/C=XX/CN=a/CN=b ('), judged.detail)
  })
})
