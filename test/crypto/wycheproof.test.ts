/**
 * The test vectors of project Wycheproof, when WYCHEPROOF names their folder (`testvectors_v1` of its repository): keys that
 * are transported, agreed upon and wrapped, contents, signatures. `valid` must be taken and `invalid` must not be;
 * `acceptable` is a matter of taste. A wrong padding shows as a key that is another one each time.
 */
import assert from 'node:assert/strict'
import { createECDH, createPrivateKey, createPublicKey, type KeyObject } from 'node:crypto'
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, it } from 'node:test'
import { contentCipher } from '../../src/crypto/cipher.js'
import { derNull, element, integer, octetString, oid, sequence } from '../../src/crypto/der-write.js'
import { constructed, parseDer } from '../../src/crypto/der.js'
import { agree, unwrapKey, WRAPS } from '../../src/crypto/key-agreement.js'
import { type OaepDigest, unwrapOaep, unwrapPkcs1 } from '../../src/crypto/key-transport.js'
import { verifySignature } from '../../src/crypto/signature.js'

type Json = Readonly<Record<string, unknown>>

const folder = process.env.WYCHEPROOF
const hex = (value: unknown): Buffer => Buffer.from(typeof value === 'string' ? value : '', 'hex')

/** Throws nothing; says what is wrong with our answer. undefined: it is right, or the case is none of ours. */
type Try = (group: Json, one: Json) => Promise<string | undefined> | string | undefined

/**
 * Content keys have one of these lengths. Bad cases are made of good ones of their group, of whatever length; random ones of
 * fewer octets are alike by chance.
 */
const LENGTHS = [16, 24, 32]

function lengthsOf({ tests }: Json): readonly number[] {
  const made = Array.isArray(tests) ? tests.map((each: Json) => hex(each.msg).length) : []
  return [...new Set([...made, ...LENGTHS])].filter((length) => length >= 4).slice(0, 40)
}

/** A key of `length` octets: the right one for `valid`, never the same twice for `invalid`. */
function judgeKeys(group: Json, one: Json, unwrap: (length: number) => Buffer): string | undefined {
  const message = hex(one.msg)
  if (one.result === 'valid') {
    return message.length === 0 || unwrap(message.length).equals(message) ? undefined : 'was not unwrapped'
  }
  if (one.result !== 'invalid') return undefined
  return lengthsOf(group).some((length) => unwrap(length).equals(unwrap(length))) ? 'was unwrapped' : undefined
}

function judgeTaken(one: Json, taken: boolean): string | undefined {
  if (one.result === 'acceptable') return undefined
  return taken === (one.result === 'valid') ? undefined : taken ? 'was taken' : 'was refused'
}

const privateKey = (group: Json): KeyObject =>
  createPrivateKey({ key: hex(group.privateKeyPkcs8), format: 'der', type: 'pkcs8' })
const publicKey = (group: Json): KeyObject =>
  createPublicKey({ key: hex(group.publicKeyDer ?? group.publicKeyAsn), format: 'der', type: 'spki' })

const OAEP: Readonly<Record<string, OaepDigest>> = { 'SHA-1': 'sha1', 'SHA-256': 'sha256', 'SHA-384': 'sha384', 'SHA-512': 'sha512' } // prettier-ignore

const oaep: Try = (group, one) => {
  const [digest, maskDigest] = [OAEP[String(group.sha)], OAEP[String(group.mgfSha)]]
  if (digest === undefined || maskDigest === undefined) return undefined
  const [key, parameters] = [privateKey(group), { digest, maskDigest, label: hex(one.label) }]
  return judgeKeys(group, one, (length) => unwrapOaep(key, hex(one.ct), length, parameters))
}

const wrap: Try = (group, one) => {
  const key = hex(one.key)
  const entry = [...WRAPS.values()].find(({ keyLength }) => keyLength === key.length)
  return entry === undefined
    ? 'no such wrap'
    : judgeKeys(group, one, (length) => unwrapKey(entry, key, hex(one.ct), length))
}

const CURVES: Readonly<Record<string, readonly [crv: string, node: string, size: number]>> = {
  secp256r1: ['P-256', 'prime256v1', 32],
  secp384r1: ['P-384', 'secp384r1', 48],
  secp521r1: ['P-521', 'secp521r1', 66],
}

const agreement: Try = (group, one) => {
  const [crv = '', node = '', size = 0] = CURVES[String(group.curve)] ?? []
  const scalar = Buffer.from(String(one.private).padStart(size * 2, '0').slice(-size * 2), 'hex') // prettier-ignore
  const ecdh = createECDH(node)
  ecdh.setPrivateKey(scalar)
  const point = ecdh.getPublicKey()
  const text = (octets: Buffer): string => octets.toString('base64url')
  const [x, y] = [text(point.subarray(1, 1 + size)), text(point.subarray(1 + size))]
  const key = createPrivateKey({ key: { kty: 'EC', crv, d: text(scalar), x, y }, format: 'jwk' })
  const secret = agree(key, hex(one.public))
  return judgeTaken(one, secret?.equals(hex(one.shared)) === true)
}

const CBC: Readonly<Record<number, string>> = { 16: '2', 24: '22', 32: '42' }
const GCM: Readonly<Record<number, string>> = { 16: '6', 24: '26', 32: '46' }

/** Contents of a message; the parameters that we refuse (short tags, long nonces) count as refused. */
function content(ids: Readonly<Record<number, string>>, parameters: (one: Json) => Buffer): Try {
  return async (_, one) => {
    const key = hex(one.key)
    const id = `2.16.840.1.101.3.4.1.${ids[key.length] ?? ''}`
    const bytes = parameters(one)
    const algorithm = { bytes, oid: id, parameters: parseDer(bytes, bytes[0] ?? 0, 'the parameters') }
    const authenticated = ids === GCM
    const cipher = contentCipher(algorithm, authenticated, 'the message')
    const aad = hex(one.aad)
    const sealed = { content: hex(one.ct), ...(authenticated ? { mac: hex(one.tag) } : {}), ...(aad.length > 0 ? { attributes: aad } : {}) } // prettier-ignore
    const { plain, intact } = await cipher.decrypt(key, sealed)
    return judgeTaken(one, intact && plain.equals(hex(one.msg)))
  }
}

const gcm: Try = (group, one) =>
  Number(group.ivSize) === 0 || Number(group.ivSize) > 128
    ? undefined
    : content(GCM, ({ iv }) => sequence(octetString(hex(iv)), integer(16)))(group, one)

const RSA: Readonly<Record<string, string>> = { 'SHA-256': '11', 'SHA-384': '12', 'SHA-512': '13' }
const ECDSA: Readonly<Record<string, string>> = { 'SHA-256': '2', 'SHA-384': '3', 'SHA-512': '4' }
const HASHES: Readonly<Record<string, string>> = { 'SHA-1': '1.3.14.3.2.26', 'SHA-256': '2.16.840.1.101.3.4.2.1', 'SHA-384': '2.16.840.1.101.3.4.2.2', 'SHA-512': '2.16.840.1.101.3.4.2.3' } // prettier-ignore

function signature(algorithm: (group: Json) => Buffer | undefined): Try {
  return (group, one) => {
    const named = algorithm(group)
    if (named === undefined) return undefined
    const input = { algorithm: named, data: hex(one.msg), signature: hex(one.sig), key: publicKey(group) }
    const judged = verifySignature(input, { allowSha1: true, allowWeak: true })
    // Two digests in one PSS signature are refused for that, whatever else is right.
    return !judged.ok && judged.reason === 'algorithm' ? undefined : judgeTaken(one, judged.ok)
  }
}

function pss(group: Json): Buffer | undefined {
  const [digest, mask] = [HASHES[String(group.sha)], HASHES[String(group.mgfSha)]]
  if (digest === undefined || mask === undefined) return undefined
  const masked = sequence(oid('1.2.840.113549.1.1.8'), sequence(oid(mask), derNull))
  const parts = [sequence(oid(digest), derNull), masked, integer(Number(group.sLen))]
  const parameters = parts.map((part, at) => element(constructed(at), part))
  return sequence(oid('1.2.840.113549.1.1.10'), sequence(...parameters))
}

/** Which files are tried how. */
const TRIES: readonly (readonly [files: RegExp, Try])[] = [
  [/^rsa_pkcs1_\d+_test/, (group, one) => judgeKeys(group, one, (length) => unwrapPkcs1(privateKey(group), hex(one.ct), length))],
  [/^rsa_oaep_/, oaep],
  [/^aes_wrap_test/, wrap],
  [/^ecdh_secp(256|384|521)r1_ecpoint_test/, agreement],
  [/^aes_cbc_pkcs5_test/, content(CBC, ({ iv }) => octetString(hex(iv)))],
  [/^aes_gcm_test/, gcm],
  [/^rsa_signature_(2048|3072|4096)_sha(256|384|512)_test/, signature(({ sha }) => sequence(oid(`1.2.840.113549.1.1.${RSA[String(sha)] ?? ''}`), derNull))],
  [/^ecdsa_secp(256|384|521)r1_sha(256|384|512)_test/, signature(({ sha }) => sequence(oid(`1.2.840.10045.4.3.${ECDSA[String(sha)] ?? ''}`)))],
  [/^rsa_pss_(2048|3072|4096)_sha(256|384|512)_mgf1_\d+(_params)?_test/, signature(pss)],
  [/^ed25519_test/, signature(() => sequence(oid('1.3.101.112')))],
] // prettier-ignore

if (folder !== undefined) {
  describe('Wycheproof', () => {
    for (const file of readdirSync(folder)) {
      const judge = TRIES.find(([files]) => files.test(file))?.[1]
      if (judge === undefined) continue
      it(file, async () => {
        // The form is Wycheproof's own: groups of tests with results.
        const { testGroups } = JSON.parse(readFileSync(join(folder, file), 'utf8')) as { testGroups: (Json & { tests: Json[] })[] } // prettier-ignore
        for (const group of testGroups) {
          for (const one of group.tests) {
            const wrong = await judge(group, one)
            assert.equal(wrong, undefined, `${String(one.tcId)} ${String(one.result)} "${String(one.comment)}" ${wrong ?? ''}`) // prettier-ignore
          }
        }
      })
    }
  })
}
