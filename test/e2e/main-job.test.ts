/**
 * The main job with the real programs: from one spool to another, byte for byte, through a broker and without one.
 */
import assert from 'node:assert/strict'
import { readdirSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { BROKERS } from '../kit/brokers.js'
import { fillOutgoing, TEXT_KINDS } from '../kit/records.js'
import { scratch } from '../kit/scratch.js'
import { createSite, eventually, freePort, type Sections, type Site } from '../kit/site.js'
import { brokerTls } from '../kit/transport.js'

const EVERY_KIND = [...TEXT_KINDS, 'binary'] as const
const BINARY: Sections = { messaging: { binary: true } }

/** Elements of an outgoing dirq that are left. */
function left(outgoing: string): number {
  const folders = readdirSync(outgoing).filter((name) => /^[0-9a-f]{8}$/.test(name))
  return folders.flatMap((folder) => readdirSync(join(outgoing, folder))).length
}

function digest(bodies: readonly Buffer[]): string[] {
  return bodies.map((body) => body.toString('base64')).sort()
}

/** How many of `expected` are missing from `got`, how many of `got` are not among them, how many came more than once. */
function compare(expected: readonly Buffer[], got: readonly Buffer[]) {
  const wanted = new Set(digest(expected))
  const seen = new Set<string>()
  let doubled = 0
  let foreign = 0
  for (const body of digest(got)) {
    if (!wanted.has(body)) foreign++
    else if (seen.has(body)) doubled++
    seen.add(body)
  }
  return { lost: [...wanted].filter((body) => !seen.has(body)).length, foreign, doubled }
}

const bodies = (site: Site): Buffer[] => site.incoming().map(({ body }) => body!)

for (const { name, skip, start } of BROKERS) {
  test(`1 000 messages through ${name}, restarted in the middle: none lost, all identical`, { skip }, async (t) => {
    await using broker = await start()
    const site = createSite(scratch(t), broker.port)
    site.configure({ both: BINARY })
    const sent = fillOutgoing(site.outgoing, 1000, EVERY_KIND)
    const receiver = site.startReceiver()
    const sending = site.send()
    await eventually('a third arrived', () => site.countIncoming() > 333)
    await broker.stop()
    await broker.start()
    const first = await sending
    for (let run = 0; left(site.outgoing) > 0 && run < 5; run++) await site.send()
    assert.ok([0, 75].includes(first.code ?? -1), first.stdout + first.stderr)
    assert.equal(left(site.outgoing), 0)
    await eventually('all arrived', () => site.countIncoming() >= 1000 && compare(sent, bodies(site)).lost === 0, 60)
    const ended = await receiver.stop()
    assert.equal(ended.code, 0, ended.stderr)
    const { lost, foreign, doubled } = compare(sent, bodies(site))
    assert.deepEqual({ lost, foreign }, { lost: 0, foreign: 0 })
    t.diagnostic(`doubled: ${doubled}`)
    assert.deepEqual(site.reject(), [])
    assert.ok(site.incoming().every(({ signer }) => signer?.toString() === site.pki.host.dn))
  })

  test(`TLS with client certificates through ${name}, EC key, encrypted`, { skip }, async (t) => {
    const site = createSite(scratch(t), 0)
    const { pki } = site
    await using broker = await start({
      tls: brokerTls(pki, pki.other),
      users: { 'CN=ec.example.org,O=Test,C=XX': '', 'CN=other.example.org,O=Test,C=XX': '' },
    })
    site.allow(pki.ec)
    const certificates = {
      certificate: pki.ec.certificateFile,
      key: pki.ec.keyFile,
      server_cert: pki.other.certificateFile,
    }
    site.configure({
      both: { broker: { port: broker.tlsPort, use_ssl: true } },
      sender: { certificates },
    })
    const sent = fillOutgoing(site.outgoing, 200, TEXT_KINDS)
    const receiver = site.startReceiver()
    const ended = await site.send()
    assert.equal(ended.code, 0, ended.stdout + ended.stderr + site.log('ssmsend'))
    await eventually('all arrived', () => site.countIncoming() >= 200)
    await receiver.stop()
    assert.deepEqual(compare(sent, bodies(site)), { lost: 0, foreign: 0, doubled: 0 })
    assert.ok(site.incoming().every(({ signer }) => signer?.toString() === pki.ec.dn))
  })
}

for (const [name, tls, encrypted, key] of [
  ['plain, signed, RSA', false, false, 'host'],
  ['plain, encrypted, EC', false, true, 'ec'],
  ['TLS, signed, EC', true, false, 'ec'],
  ['TLS, encrypted, RSA', true, true, 'host'],
] as const) {
  test(`1 000 messages to a listener: ${name}`, async (t) => {
    const port = await freePort()
    const site = createSite(scratch(t), port)
    const host = site.pki[key]
    site.allow(host)
    site.configure({
      both: { broker: { use_ssl: tls }, ...BINARY },
      receiver: { broker: { host: undefined, port: undefined, listen: `127.0.0.1:${port}` } },
      sender: {
        certificates: {
          certificate: host.certificateFile,
          key: host.keyFile,
          server_cert: encrypted ? site.pki.other.certificateFile : undefined,
        },
      },
    })
    const sent = fillOutgoing(site.outgoing, 1000, EVERY_KIND)
    const receiver = site.startReceiver()
    await eventually('it listens', () => site.log('ssmreceive').includes('Listening on'))
    const ended = await site.send()
    assert.equal(ended.code, 0, ended.stdout + ended.stderr)
    assert.equal(left(site.outgoing), 0)
    assert.deepEqual(compare(sent, bodies(site)), { lost: 0, foreign: 0, doubled: 0 })
    assert.deepEqual(site.reject(), [])
    assert.equal((await receiver.stop()).code, 0)
  })
}
