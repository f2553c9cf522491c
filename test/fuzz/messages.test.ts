/**
 * Messages: whatever comes, there is a verdict, in time; and what is accepted is what was signed, under the signer's name.
 */
import assert from 'node:assert/strict'
import { decodeBase64, encodeBase64Lines } from '../../src/crypto/base64.js'
import { envelopedData } from '../../src/crypto/cms-enveloped.js'
import { parseEnvelopedData } from '../../src/crypto/cms-enveloped.js'
import { parseSignedData } from '../../src/crypto/cms-signed.js'
import { parseCms } from '../../src/crypto/cms.js'
import { decodeQuotedPrintable, encodeQuotedPrintable } from '../../src/crypto/quoted-printable.js'
import { keyAgreementInfo, oaepAlgorithm, parseKeyAgreement, parseOaep } from '../../src/crypto/recipient-infos.js'
import { contentOf, envelopedText, parseSmime } from '../../src/crypto/smime.js'
import { toCrlf } from '../../src/crypto/text.js'
import { isSsmError } from '../../src/errors.js'
import { forgeCms, opaqueOf, signerInfo } from '../envelope/forge.js'
import { createScene } from '../envelope/scene.js'
import { mutate, randomAsn1, type Chance } from './random.js'
import { fuzz } from './target.js'

const scene = createScene()
const { host, other, ec } = scene.pki
const BODIES = ['SiteName: EXAMPLE\nCpuDuration: 3600\n%%\n', 'ünïcode, and\ra CR\n'].map((text) => Buffer.from(text))
const RECIPIENTS = [host.certificate, ec.certificate]

const clear = await Promise.all(
  [other, ec].flatMap((who) => BODIES.map(async (body) => Buffer.from(await scene.sealer(who)({ body })))),
)
const entity = toCrlf(Buffer.from('Content-Type: text/plain\n\nSiteName: EXAMPLE\nCpuDuration: 3600\n%%\n'))
const opaqueCms = forgeCms({
  signers: [signerInfo(entity, other)],
  certificates: [Buffer.from(other.certificate.der)],
  embedded: entity,
})
const opaque = [opaqueOf(opaqueCms)]
const FORMS = [
  { cipher: 'aes256', keyTransport: 'pkcs1' },
  { cipher: 'aes128-gcm', keyTransport: 'oaep' },
] as const
const envelopes = await Promise.all(
  FORMS.flatMap((form) => RECIPIENTS.map((to) => envelopedData(toCrlf(clear[0]!), [to], form))),
)
const encrypted = envelopes.map((cms, at) => envelopedText(cms, at >= 2))
const WIRES = [...clear, ...opaque, ...encrypted]
const STRUCTURES = [...envelopes, opaqueCms, ...(await Promise.all(clear.map(signatureOf)))]

const TOKENS = [
  ...['multipart/signed', 'application/pkcs7-mime', 'application/x-pkcs7-signature', 'text/plain', 'multipart/mixed'],
  ...['Content-Type: ', 'Content-Transfer-Encoding: ', 'base64', 'quoted-printable', 'binary', 'boundary=', '"', ';'],
  ...[
    'smime-type=signed-data',
    'smime-type=authEnveloped-data',
    'protocol=',
    '\r\n',
    '\n\n',
    '\n--',
    '--\n',
    '\n ',
    '=\n',
  ],
].map((text) => Buffer.from(text))

/** The structure of the second part. */
async function signatureOf(wire: Buffer): Promise<Buffer> {
  const smime = await parseSmime(wire)
  assert.ok(smime.kind === 'detached')
  return smime.cms
}

const open = scene.opener({ dns: () => null, decryption: () => [host, ec], binary: true })

async function judge(wire: Buffer): Promise<void> {
  const opened = await open(wire)
  if (opened.verdict === 'ok') {
    assert.ok(
      BODIES.some((body) => body.equals(opened.plain.body)),
      'what was never signed is accepted',
    )
    assert.ok([other.dn, ec.dn].includes(opened.signer.slash), 'a signer that never signed')
    return
  }
  assert.equal(opened.verdict, 'no')
  assert.notEqual(opened.reason, 'internal')
  assert.ok(opened.detail.length < 8192, 'a detail without end')
}

const damaged = (chance: Chance): Buffer => mutate(chance.pick(WIRES), chance, WIRES, TOKENS)

fuzz({ name: 'messages', rounds: 4000, make: damaged, run: judge })

fuzz({
  name: 'structures',
  rounds: 2000,
  // Damage below the base64, where the text around it is in order.
  make: async (chance) => {
    const cms = mutate(chance.pick(STRUCTURES), chance, STRUCTURES)
    if (chance.next() < 0.3) return envelopedText(cms, chance.next() < 0.5)
    if (chance.next() < 0.5) return opaqueOf(cms)
    const wire = chance.pick(clear)
    const old = encodeBase64Lines(await signatureOf(wire)).toString('latin1')
    return Buffer.from(wire.toString('latin1').replace(old, encodeBase64Lines(cms).toString('latin1')), 'latin1')
  },
  run: judge,
})

fuzz({
  name: 'inside',
  rounds: 300,
  // Well encrypted, for us: the damage is in the plain text.
  make: async (chance) => {
    const inner = mutate(chance.pick(WIRES), chance, WIRES, TOKENS)
    const form = chance.pick(FORMS)
    const cms = await envelopedData(inner, [chance.pick(RECIPIENTS)], form)
    return envelopedText(cms, form.cipher.endsWith('-gcm'))
  },
  run: judge,
})

/** What a parser may throw. */
async function refusing(parse: () => unknown): Promise<void> {
  try {
    await parse()
  } catch (error) {
    if (!isSsmError(error, 'malformed', 'limit')) throw error
    assert.ok(error.message.length < 4096, 'an error without end')
  }
}

fuzz({
  name: 'asn1',
  rounds: 4000,
  make: (chance) => (chance.next() < 0.5 ? randomAsn1(chance) : mutate(chance.pick(STRUCTURES), chance, STRUCTURES)),
  run: async (input) => {
    await refusing(() => parseCms(input, 'it', parseSignedData))
    await refusing(() => parseCms(input, 'it', parseEnvelopedData))
  },
})

const agreement = keyAgreementInfo(
  { recipient: ec.certificate, point: Buffer.alloc(65, 4), scheme: '1.3.132.1.11.1', wrap: '2.16.840.1.101.3.4.1.45' },
  Buffer.alloc(40),
)
const oaep = (['sha1', 'sha256', 'sha512'] as const).map((digest) => oaepAlgorithm(digest).subarray(13))

fuzz({
  name: 'recipients',
  rounds: 2000,
  make: (chance) => mutate(chance.pick([agreement, ...oaep]), chance, [agreement, ...oaep, ...envelopes]),
  run: async (input) => {
    await refusing(() => parseKeyAgreement(input).sharedInfo(32))
    await refusing(() => parseOaep(input))
  },
})

fuzz({
  name: 'mime',
  rounds: 4000,
  make: damaged,
  run: async (input) => {
    await refusing(() => parseSmime(input))
    await refusing(() => contentOf(input))
    await refusing(() => decodeBase64(input, 'it'))
    await refusing(() => decodeQuotedPrintable(input, 'it'))
    assert.deepEqual(decodeQuotedPrintable(encodeQuotedPrintable(input), 'it'), input)
  },
})
