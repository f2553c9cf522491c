/**
 * The DN list as an operator writes it, with the programs: bans, subtrees that hold only where a signing policy does, pinned
 * issuers, and changes that SIGHUP takes up.
 */
import assert from 'node:assert/strict'
import { rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test, type TestContext } from 'node:test'
import { opensslHash } from '../../src/crypto/name.js'
import { sealed } from '../kit/bad-messages.js'
import type { TestHost } from '../kit/ca.js'
import { startMiniBroker, type MiniBroker } from '../kit/mini-broker.js'
import { scratch } from '../kit/scratch.js'
import { createSite, eventually, type Running, type Site } from '../kit/site.js'
import { connectStomp, sendFrame } from '../kit/stomp-client.js'

interface Scene {
  readonly site: Site
  readonly receiver: Running
  /** Sends one message and waits until it is judged: where it is then, or why it is not. */
  readonly fate: (id: string, wire: Buffer) => Promise<string>
  /** Writes the list, and has it read. */
  readonly list: (...lines: readonly string[]) => Promise<void>
  /** Writes the CA's signing policy, or takes it away, and has it read. */
  readonly policy: (subjects: string | undefined) => Promise<void>
}

async function start(t: TestContext, broker: MiniBroker, wildcards: boolean): Promise<Scene> {
  const site = createSite(scratch(t), broker.port)
  site.configure({ receiver: { certificates: { dn_wildcards: wildcards } } })
  const receiver = site.startReceiver()
  await eventually('it is connected', () => site.log('ssmreceive').includes('Subscribing to'))
  const { ca } = site.pki
  const policyFile = join(site.pki.capath, `${opensslHash(ca.certificate.subject)}.signing_policy`)
  const refreshed = (): number => site.log('ssmreceive').split('Refreshing valid DNs').length
  const read = async (): Promise<void> => {
    const before = refreshed()
    receiver.child.kill('SIGHUP')
    await eventually('it reads again', () => refreshed() > before)
    // The line stands before the reading: the next message must not be faster than that.
    const again = refreshed()
    receiver.child.kill('SIGHUP')
    await eventually('it has read', () => refreshed() > again)
  }
  return {
    site,
    receiver,
    async fate(id, wire) {
      await using client = await connectStomp(broker.port)
      await client.greet('accept-version:1.2', 'host:/')
      client.send(sendFrame('/queue/ssm', id, wire))
      await client.next(30_000)
      await eventually('it is judged', () => broker.held() === 0)
      const has = ({ empaid }: { readonly empaid?: Buffer }): boolean => String(empaid) === id
      const accepted = site.incoming().find(has)
      if (accepted !== undefined) return `incoming by ${String(accepted.signer)}`
      const refused = site.reject().find(has)
      return refused === undefined ? 'nowhere' : `reject ${/\[[a-z-]+\]$/u.exec(String(refused.error))?.[0] ?? '?'}`
    },
    list(...lines) {
      writeFileSync(site.dns, `${lines.join('\n')}\n`)
      return read()
    },
    policy(subjects) {
      if (subjects === undefined) rmSync(policyFile)
      else {
        const text = `access_id_CA X509 '${ca.dn}'\npos_rights globus CA:sign\ncond_subjects globus '"${subjects}"'\n`
        writeFileSync(policyFile, text)
      }
      return read()
    },
  }
}

const record = (by: TestHost, text: string): Promise<Buffer> => sealed(by, `${text}\n`)

test('bans: dropped when signature and path say who it is, named once an hour, and forgiven', async (t) => {
  await using broker = await startMiniBroker()
  const { site, receiver, fate, list } = await start(t, broker, false)
  const { host, other, unknown } = site.pki
  await list(host.dn, other.dn, unknown.dn, `!${other.dn}`, `!${unknown.dn}`)
  assert.equal(await fate('good', await record(host, 'one')), `incoming by ${host.dn}`)
  assert.equal(await fate('banned-1', await record(other, 'two')), 'nowhere')
  assert.equal(await fate('banned-2', await record(other, 'three')), 'nowhere')
  // Nobody is dropped for a name that he did not prove.
  const forged = Buffer.from((await record(other, 'four')).toString('latin1').replace('four', 'f0ur'), 'latin1')
  assert.equal(await fate('forged', forged), 'reject [signature]')
  assert.equal(await fate('unknown', await record(unknown, 'five')), 'reject [untrusted]')
  const said = site.log('ssmreceive').match(/WARNING - Messages of the banned signer .* dropped: \d+/gu) ?? []
  assert.equal(said.length, 1)
  assert.ok(said.join('').includes(other.dn))
  await list(host.dn, other.dn)
  assert.equal(await fate('forgiven', await record(other, 'six')), `incoming by ${other.dn}`)
  assert.equal((await receiver.stop()).code, 0)
})

test('subtrees: only with dn_wildcards, and only as far as a signing policy of the CA is kept', async (t) => {
  await using broker = await startMiniBroker()
  const { site, receiver, fate, list, policy } = await start(t, broker, true)
  const { host, other, ec } = site.pki
  const stranger = site.pki.add('stranger', { subject: '/C=XX/O=Elsewhere/CN=stranger' })
  await list('/C=XX/O=Test/*', `!${other.dn}`)
  assert.equal(await fate('no-policy', await record(host, 'one')), 'reject [not-listed]')
  await policy('/C=XX/O=Test/*')
  assert.equal(await fate('policy', await record(host, 'two')), `incoming by ${host.dn}`)
  assert.equal(await fate('another', await record(ec, 'three')), `incoming by ${ec.dn}`)
  assert.equal(await fate('banned', await record(other, 'four')), 'nowhere')
  assert.equal(await fate('outside', await record(stranger, 'five')), 'reject [not-listed]')
  // The CA may speak for other names than these: its certificates for them are worth nothing.
  await policy('/C=XX/O=Elsewhere/*')
  assert.equal(await fate('not-granted', await record(host, 'six')), 'reject [policy]')
  await policy(undefined)
  assert.equal(await fate('no-policy-again', await record(host, 'seven')), 'reject [not-listed]')
  // By its own name it needs no policy.
  await list('/C=XX/O=Test/*', host.dn)
  assert.equal(await fate('by-name', await record(host, 'eight')), `incoming by ${host.dn}`)
  await list('!/C=XX/O=Test/*', host.dn, '/C=XX/O=Elsewhere/CN=stranger')
  assert.equal(await fate('banned-subtree', await record(host, 'nine')), 'nowhere')
  assert.equal(await fate('not-below', await record(stranger, 'ten')), `incoming by ${stranger.dn}`)
  assert.equal((await receiver.stop()).code, 0)
})

test('without dn_wildcards a subtree is a line in incorrect format, with the reason; pinned issuers are kept', async (t) => {
  await using broker = await startMiniBroker()
  const { site, receiver, fate, list, policy } = await start(t, broker, false)
  const { host, other, ca, unknownCa } = site.pki
  await policy('/C=XX/O=Test/*')
  await list('/C=XX/O=Test/*', `${host.dn}\tissuer=${ca.dn}`, `${other.dn}\tissuer=${unknownCa.dn}`)
  assert.match(site.log('ssmreceive'), /WARNING - DN in incorrect format: \/C=XX\/O=Test\/\*.*dn_wildcards/u)
  assert.equal(await fate('pinned', await record(host, 'one')), `incoming by ${host.dn}`)
  assert.equal(await fate('pinned-elsewhere', await record(other, 'two')), 'reject [not-listed]')
  assert.equal((await receiver.stop()).code, 0)
})
