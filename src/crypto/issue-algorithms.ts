/**
 * With what throw-away certificates and CRLs are signed, MD5 and SHA-1 included: tests need what nobody accepts.
 */
import { constants, type KeyObject, sign } from 'node:crypto'
import * as asn1js from 'asn1js'
import * as pkijs from 'pkijs'
import { SsmError } from '../errors.js'

export type IssueDigest = 'sha1' | 'sha256' | 'sha384' | 'sha512' | 'md5'

interface DigestEntry {
  readonly oid: string
  readonly length: number
  /** With RSA PKCS#1 v1.5, and with ECDSA. */
  readonly rsa: string
  readonly ecdsa?: string
}

const DIGESTS: Readonly<Record<IssueDigest, DigestEntry>> = {
  md5: { oid: '1.2.840.113549.2.5', length: 16, rsa: '1.2.840.113549.1.1.4' },
  sha1: { oid: '1.3.14.3.2.26', length: 20, rsa: '1.2.840.113549.1.1.5', ecdsa: '1.2.840.10045.4.1' },
  sha256: {
    oid: '2.16.840.1.101.3.4.2.1',
    length: 32,
    rsa: '1.2.840.113549.1.1.11',
    ecdsa: '1.2.840.10045.4.3.2',
  },
  sha384: {
    oid: '2.16.840.1.101.3.4.2.2',
    length: 48,
    rsa: '1.2.840.113549.1.1.12',
    ecdsa: '1.2.840.10045.4.3.3',
  },
  sha512: {
    oid: '2.16.840.1.101.3.4.2.3',
    length: 64,
    rsa: '1.2.840.113549.1.1.13',
    ecdsa: '1.2.840.10045.4.3.4',
  },
}

const ED25519 = '1.3.101.112'
const RSASSA_PSS = '1.2.840.113549.1.1.10'
const MGF1 = '1.2.840.113549.1.1.8'

/** The AlgorithmIdentifier of a signature by this key. Throws SsmError `usage` for ECDSA with MD5. */
export function algorithmOf(key: KeyObject, digest: IssueDigest, pss: boolean): pkijs.AlgorithmIdentifier {
  const entry = DIGESTS[digest]
  if (key.asymmetricKeyType === 'ed25519') return new pkijs.AlgorithmIdentifier({ algorithmId: ED25519 })
  if (key.asymmetricKeyType === 'ec') {
    if (entry.ecdsa === undefined) throw new SsmError('usage', 'there is no ECDSA with MD5')
    return new pkijs.AlgorithmIdentifier({ algorithmId: entry.ecdsa })
  }
  return pss ? pssAlgorithm(entry) : withNull(entry.rsa)
}

function withNull(algorithmId: string): pkijs.AlgorithmIdentifier {
  return new pkijs.AlgorithmIdentifier({ algorithmId, algorithmParams: new asn1js.Null() })
}

/** RSASSA-PSS-params (RFC 4055 section 3.1) with MGF1 of the same digest and a salt of its length. */
function pssAlgorithm({ oid, length }: DigestEntry): pkijs.AlgorithmIdentifier {
  const parameters = new pkijs.RSASSAPSSParams({
    hashAlgorithm: withNull(oid),
    maskGenAlgorithm: new pkijs.AlgorithmIdentifier({
      algorithmId: MGF1,
      algorithmParams: withNull(oid).toSchema(),
    }),
    saltLength: length,
  })
  return new pkijs.AlgorithmIdentifier({ algorithmId: RSASSA_PSS, algorithmParams: parameters.toSchema() })
}

export function signWith(key: KeyObject, data: Uint8Array, digest: IssueDigest, pss: boolean): Buffer {
  if (key.asymmetricKeyType === 'ed25519') return sign(null, data, key)
  if (!pss) return sign(digest, data, key)
  return sign(digest, data, { key, padding: constants.RSA_PKCS1_PSS_PADDING, saltLength: DIGESTS[digest].length })
}
