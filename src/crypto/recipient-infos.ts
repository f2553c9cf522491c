/**
 * The rarely used parts of an encrypted message as structures of pkijs: KeyAgreeRecipientInfo (RFC 5652 section 6.2.2),
 * ECC-CMS-SharedInfo (RFC 5753 section 7.2), RSAES-OAEP-params (RFC 4055 section 4.1). pkijs reads and writes; it never
 * decides, and no key comes near it.
 *
 * Loaded when the first such message comes: 60 ms that no other program should pay.
 */
import * as asn1js from 'asn1js'
import * as pkijs from 'pkijs'
import type { Certificate } from './certificate.js'
import type { CertificateId } from './cms.js'
import { constructed, malformed } from './der.js'
import type { OaepDigest, OaepParameters } from './key-transport.js'

/** Limits for asn1js: a KeyAgreeRecipientInfo for 32 recipients has 600 elements in 8 KiB. */
const LIMITS: asn1js.FromBerOptions = { maxDepth: 24, maxNodes: 2000, maxContentLength: 65_536, parseEmbedded: false }
/** Most recipients of one key agreement. */
const MAX_KEYS = 32

const WHAT = 'the encrypted message'

/** A KeyAgreeRecipientInfo with an ephemeral key. */
export interface KeyAgreement {
  /** The sender's ephemeral public key. */
  readonly point: Buffer
  readonly scheme: string
  readonly wrap: string
  /** ECC-CMS-SharedInfo for a wrapping key of so many octets. */
  readonly sharedInfo: (keyLength: number) => Buffer
  readonly keys: readonly { readonly id: CertificateId; readonly encryptedKey: Buffer }[]
}

const EC_PUBLIC_KEY = '1.2.840.10045.2.1'

/** The bytes alone: a Buffer is a view of a larger piece of memory, which asn1js would take whole. */
function copyOf(bytes: Uint8Array): ArrayBuffer {
  return Uint8Array.from(bytes).buffer
}

function octets(bytes: Uint8Array): asn1js.OctetString {
  return new asn1js.OctetString({ valueHex: copyOf(bytes) })
}

function octetsOf(block: asn1js.OctetString): Buffer {
  return Buffer.from(block.valueBlock.valueHexView)
}

/** Runs a reader of pkijs; whatever it throws says that the bytes are not what they should be. */
function reading<T>(bytes: Buffer, read: (schema: asn1js.AsnType) => T): T {
  return guarded(() => {
    // It answers -1 for most damage, and throws for some.
    const { result, offset } = asn1js.fromBER(copyOf(bytes), LIMITS)
    if (offset !== bytes.length) throw malformed(WHAT, `has a damaged recipient: ${result.error}`)
    return read(result)
  })
}

function guarded<T>(read: () => T): T {
  try {
    return read()
  } catch (cause) {
    throw Object.assign(malformed(WHAT, 'has a damaged recipient'), { cause })
  }
}

/** Parameters that are an AlgorithmIdentifier themselves; undefined when they are something else. */
function innerAlgorithm({ algorithmParams }: pkijs.AlgorithmIdentifier): pkijs.AlgorithmIdentifier | undefined {
  const schema: unknown = algorithmParams
  return schema instanceof asn1js.Sequence ? guarded(() => new pkijs.AlgorithmIdentifier({ schema })) : undefined
}

/** Reads the [1] of a set of recipients. Throws SsmError `malformed`. */
export function parseKeyAgreement(bytes: Buffer): KeyAgreement {
  const info = reading(asSequence(bytes), (schema) => new pkijs.KeyAgreeRecipientInfo({ schema }))
  const { originator, keyEncryptionAlgorithm: algorithm, recipientEncryptedKeys, ukm } = info
  const key: unknown = originator.value
  if (!(key instanceof pkijs.OriginatorPublicKey) || key.algorithm.algorithmId !== EC_PUBLIC_KEY) {
    throw malformed(WHAT, 'agrees upon a key without an ephemeral one')
  }
  const wrap = innerAlgorithm(algorithm)
  if (wrap === undefined) throw malformed(WHAT, 'agrees upon a key without a key wrap')
  const keys = recipientEncryptedKeys.encryptedKeys
  if (keys.length > MAX_KEYS) throw malformed(WHAT, `has more than ${MAX_KEYS} recipients`)
  return {
    point: Buffer.from(key.publicKey.valueBlock.valueHexView),
    scheme: algorithm.algorithmId,
    wrap: wrap.algorithmId,
    sharedInfo: (keyLength) => sharedInfo(wrap, ukm, keyLength),
    keys: keys.flatMap(({ rid, encryptedKey }) => {
      const id = certificateId(rid)
      return id === undefined ? [] : [{ id, encryptedKey: octetsOf(encryptedKey) }]
    }),
  }
}

/** [1] IMPLICIT SEQUENCE as the SEQUENCE it stands for. */
function asSequence(bytes: Buffer): Buffer {
  const copy = Buffer.from(bytes)
  copy[0] = 0x30
  return copy
}

function certificateId({ value }: pkijs.KeyAgreeRecipientIdentifier): CertificateId | undefined {
  const id: unknown = value
  if (id instanceof pkijs.IssuerAndSerialNumber) {
    return {
      issuer: Buffer.from(id.issuer.valueBeforeDecode),
      serial: Buffer.from(id.serialNumber.valueBlock.valueHexView).toString('hex'),
    }
  }
  if (!(id instanceof pkijs.RecipientKeyIdentifier)) return undefined
  return { subjectKeyId: octetsOf(id.subjectKeyIdentifier).toString('hex') }
}

function sharedInfo(wrap: pkijs.AlgorithmIdentifier, ukm: asn1js.OctetString | undefined, keyLength: number): Buffer {
  const bits = Buffer.alloc(4)
  bits.writeUInt32BE(keyLength * 8)
  const info = new pkijs.ECCCMSSharedInfo({
    keyInfo: wrap,
    suppPubInfo: octets(bits),
    ...(ukm === undefined ? {} : { entityUInfo: ukm }),
  })
  return Buffer.from(info.toSchema().toBER())
}

/** What one new recipient of a key agreement consists of. */
export interface NewAgreement {
  readonly recipient: Certificate
  readonly point: Buffer
  readonly scheme: string
  readonly wrap: string
}

/** ECC-CMS-SharedInfo for a new message. */
export function newSharedInfo(wrap: string, keyLength: number): Buffer {
  return sharedInfo(new pkijs.AlgorithmIdentifier({ algorithmId: wrap }), undefined, keyLength)
}

/** The [1] of a set of recipients, for one of them. */
export function keyAgreementInfo({ recipient, point, scheme, wrap }: NewAgreement, encryptedKey: Buffer): Buffer {
  const { result: issuer } = asn1js.fromBER(copyOf(recipient.issuerDer), LIMITS)
  const serial = new asn1js.Integer({ valueHex: copyOf(Buffer.from(recipient.serial, 'hex')) })
  const info = new pkijs.KeyAgreeRecipientInfo({
    version: 3,
    originator: new pkijs.OriginatorIdentifierOrKey({
      variant: 3,
      value: new pkijs.OriginatorPublicKey({
        algorithm: new pkijs.AlgorithmIdentifier({ algorithmId: EC_PUBLIC_KEY }),
        publicKey: new asn1js.BitString({ valueHex: copyOf(point) }),
      }),
    }),
    keyEncryptionAlgorithm: new pkijs.AlgorithmIdentifier({
      algorithmId: scheme,
      algorithmParams: new pkijs.AlgorithmIdentifier({ algorithmId: wrap }).toSchema(),
    }),
    recipientEncryptedKeys: new pkijs.RecipientEncryptedKeys({
      encryptedKeys: [
        new pkijs.RecipientEncryptedKey({
          rid: new pkijs.KeyAgreeRecipientIdentifier({
            variant: 1,
            value: new pkijs.IssuerAndSerialNumber({
              issuer: new pkijs.RelativeDistinguishedNames({ schema: issuer }),
              serialNumber: serial,
            }),
          }),
          encryptedKey: octets(encryptedKey),
        }),
      ],
    }),
  })
  const der = Buffer.from(info.toSchema().toBER())
  der[0] = constructed(1)
  return der
}

const RSAES_OAEP = '1.2.840.113549.1.1.7'
const MGF1 = '1.2.840.113549.1.1.8'
const P_SPECIFIED = '1.2.840.113549.1.1.9'

const DIGESTS: Readonly<Record<OaepDigest, string>> = {
  sha1: '1.3.14.3.2.26',
  sha256: '2.16.840.1.101.3.4.2.1',
  sha384: '2.16.840.1.101.3.4.2.2',
  sha512: '2.16.840.1.101.3.4.2.3',
}
const DIGEST_NAMES: ReadonlyMap<string, OaepDigest> = new Map([
  [DIGESTS.sha1, 'sha1'],
  [DIGESTS.sha256, 'sha256'],
  [DIGESTS.sha384, 'sha384'],
  [DIGESTS.sha512, 'sha512'],
])

/** Reads the parameters of an OAEP recipient; undefined parameters are the defaults. Throws SsmError `malformed`. */
export function parseOaep(parameters: Buffer | undefined): OaepParameters {
  const params =
    parameters === undefined
      ? new pkijs.RSAESOAEPParams()
      : reading(parameters, (schema) => new pkijs.RSAESOAEPParams({ schema }))
  const { maskGenAlgorithm: mask, pSourceAlgorithm: source } = params
  const maskDigest = innerAlgorithm(mask)
  if (mask.algorithmId !== MGF1 || maskDigest === undefined) throw refused()
  return {
    digest: digestOf(params.hashAlgorithm),
    maskDigest: digestOf(maskDigest),
    label: labelOf(source),
  }
}

function digestOf({ algorithmId }: pkijs.AlgorithmIdentifier): OaepDigest {
  const name = DIGEST_NAMES.get(algorithmId)
  if (name === undefined) throw refused()
  return name
}

function labelOf(source: pkijs.AlgorithmIdentifier): Buffer {
  // The default of pkijs is the digest of the empty label, where RFC 4055 has the empty label itself.
  if (source.isEqual(pkijs.RSAESOAEPParams.defaultValues('pSourceAlgorithm'))) return Buffer.alloc(0)
  const label: unknown = source.algorithmParams
  if (source.algorithmId !== P_SPECIFIED || !(label instanceof asn1js.OctetString)) throw refused()
  return octetsOf(label)
}

function refused(): Error {
  return malformed(WHAT, 'has a recipient with parameters of OAEP that are not accepted')
}

/** The AlgorithmIdentifier of OAEP with one digest for both uses. */
export function oaepAlgorithm(digest: OaepDigest): Buffer {
  const hashAlgorithm = new pkijs.AlgorithmIdentifier({
    algorithmId: DIGESTS[digest],
    algorithmParams: new asn1js.Null(),
  })
  const maskGenAlgorithm = new pkijs.AlgorithmIdentifier({
    algorithmId: MGF1,
    algorithmParams: hashAlgorithm.toSchema(),
  })
  const parameters = new pkijs.RSAESOAEPParams({ hashAlgorithm, maskGenAlgorithm })
  const algorithm = new pkijs.AlgorithmIdentifier({
    algorithmId: RSAES_OAEP,
    algorithmParams: parameters.toSchema(),
  })
  return Buffer.from(algorithm.toSchema().toBER())
}
