/**
 * Opening: one received message is judged. Cheapest first: limits, structure, the claimed signer against the list, then
 * the signature, then the path, then the content (RFC 5652 section 5.6, RFC 5280 section 6).
 *
 * The certificate that verified the signature is the one that is judged and named; one value flows.
 */
import { hash } from 'node:crypto'
import { isUtf8 } from 'node:buffer'
import { breatheAfter, digestCanonical, digestInPieces } from '../crypto/breath.js'
import type { Certificate } from '../crypto/certificate.js'
import { signatureCheck, type SignatureCheck } from '../crypto/cms-algorithms.js'
import { CMS, pointsAt } from '../crypto/cms.js'
import type { DecryptionPair } from '../crypto/cms-enveloped.js'
import type { SignerInfo } from '../crypto/cms-signed.js'
import { asBuffer, parseDer, TAG } from '../crypto/der.js'
import type { Unwrap } from '../crypto/key-transport.js'
import type { AlgorithmPolicy, DigestName } from '../crypto/signature.js'
import { contentOf } from '../crypto/smime.js'
import { CR, LF, toCrlf } from '../crypto/text.js'
import type { Open, Opened, Reason } from '../message.js'
import { explainNotListed, explainUnpoliced } from '../trust/dn-list.js'
import type { DnList, DnStanding, TrustStore } from '../trust/port.js'
import { createCertificateReader, whyUnreadable, type CertificateReader } from './certificates.js'
import { isRefusal, refusing, refusingLater, takeApart, type SignedMessage } from './take-apart.js'

export interface OpenSettings extends AlgorithmPolicy {
  /** The snapshots in force; asked for each message. */
  readonly trust: () => TrustStore
  /** The list of allowed signers; null allows every verified one. */
  readonly dns: () => DnList | null
  /** Require a good CRL for each certificate of the path. */
  readonly crls: boolean
  /** Accept contents that are not UTF-8? */
  readonly binary: boolean
  /** Our certificates with their keys, the current one first. Asked for each encrypted message. */
  readonly decryption?: () => readonly DecryptionPair[]
  /** Accept 3DES in encrypted messages? */
  readonly allow3des: boolean
  /** Where private operations of RSA are done; default: here. */
  readonly unwrap?: Unwrap
  /** Octets on the wire. */
  readonly maxMessageSize: number
  readonly clock: { now(): number }
}

type No = Extract<Opened, { verdict: 'hold' | 'no' }>

/** Whom a message says it is by. */
interface Claimed {
  readonly certificate: Certificate
  readonly others: readonly Certificate[]
  readonly signer: SignerInfo
}

/** A signer whose signature fits. */
interface Verified extends Claimed {
  /** What the list says of it. */
  readonly standing: DnStanding
}

const LISTED: DnStanding = { standing: 'listed' }

/** Makes an Open. What it makes throws only for our own trouble (`no-trust`), or for a bug. */
export function createOpen(settings: OpenSettings): Open {
  const readCertificate = createCertificateReader()
  const { decryption: pairs = () => [], allow3des, unwrap } = settings
  const decryption = { pairs, allow3des, ...(unwrap === undefined ? {} : { unwrap }) }
  return async (wire) => {
    if (wire.length === 0) return no('empty', 'the message is empty')
    if (wire.length > settings.maxMessageSize) {
      return no('too-large', `the message has ${wire.length} bytes, max_message_size is ${settings.maxMessageSize}`)
    }
    const message = await takeApart(asBuffer(wire), decryption)
    if (isRefusal(message)) return no(message.refused, message.detail)
    const claimed = findSigner(message, readCertificate)
    if ('verdict' in claimed) return claimed
    await breatheAfter(wire)
    const opened = await judgeClaimed(message, claimed, settings)
    return opened.verdict === 'ok' ? opened : { ...opened, claimed: claimed.certificate.subject }
  }
}

function no(reason: Reason, detail: string, signer?: Certificate): No {
  return { verdict: 'no', reason, detail, ...(signer === undefined ? {} : { signer: signer.subject }) }
}

function findSigner(message: SignedMessage, readCertificate: CertificateReader): Claimed | No {
  const { signer, signers, certificates: ders } = message.data
  if (signer === undefined || signers !== 1) {
    return no('signer-count', `the message has ${signers} signers: there must be exactly one`)
  }
  const certificates = ders.map(readCertificate).filter((each) => each !== undefined)
  const certificate = certificates.find((each) => pointsAt(signer.id, each))
  if (certificate === undefined) {
    // Its own, perhaps: with a key that we do not take (DSA, Ed448).
    const why = ders.map(whyUnreadable).find((each) => each !== undefined)
    const more = why === undefined ? '' : ` (one cannot be used: ${why})`
    return no('no-certificate', `the certificate of the signer is not among the ${ders.length} in the message${more}`)
  }
  return { certificate, others: certificates.filter((each) => each !== certificate), signer }
}

/** Looks the claimed signer up in the list, checks the signature with its key, then the path, then the content. */
async function judgeClaimed(message: SignedMessage, claimed: Claimed, settings: OpenSettings): Promise<Opened> {
  const { certificate, signer } = claimed
  const standing = settings.dns()?.standing(certificate.subject, certificate.issuer) ?? LISTED
  if (standing.standing === 'unlisted') {
    return no('not-listed', explainNotListed(certificate.subject, standing, ' (not verified)'))
  }
  const trouble = await refusingLater(() => checkSignature(message, certificate, signer, settings))
  if (trouble !== undefined) return isRefusal(trouble) ? no(trouble.refused, trouble.detail) : trouble
  const verified = { ...claimed, standing }
  return judgePath(verified, settings) ?? (await judgeContent(message, verified, settings))
}

/** Undefined when the signature fits. */
async function checkSignature(
  message: SignedMessage,
  certificate: Certificate,
  signer: SignerInfo,
  policy: AlgorithmPolicy,
): Promise<No | undefined> {
  const { attributes, digestAlgorithm, signatureAlgorithm, signature } = signer
  const check = signatureCheck(certificate.publicKey, digestAlgorithm, signatureAlgorithm, policy)
  if (!check.ok) return no(check.reason, `the signature ${check.detail}`)
  if (attributes === undefined) return checkBare(message, check, signature)
  if (attributes.contentType !== CMS.data) {
    return no('signature', 'the signature is for another type of content')
  }
  if (!(await hasDigest(message, check.digest, attributes.messageDigest)))
    return no('signature', 'the signature does not fit the content: altered on the way, or forged')
  if (check.verify(attributes.set, signature)) return undefined
  return no('signature', 'the signature is not by the key of the certificate it names: forged, or damaged')
}

/**
 * Without signed attributes the content itself is signed. Content that is a SET could be somebody's signed attributes
 * presented as content, with their signature: refused (RFC 5652 section 5.4 signs both the same way).
 */
function checkBare(message: SignedMessage, check: SignatureCheck, signature: Buffer): No | undefined {
  if (!isRefusal(refusing(() => parseDer(message.content, TAG.set, 'the content')))) {
    return no('signature', 'content that could be signed attributes is only accepted with signed attributes of its own')
  }
  for (const form of candidates(message)) if (check.verify(form, signature)) return undefined
  return no('signature', 'the signature does not fit the content: altered on the way, or forged')
}

/**
 * The forms in which the content may have been hashed: canonical line ends (RFC 8551 section 3.1.1), and the octets as
 * they came, for what was signed as binary. Content inside the structure has not been through a transport of text.
 */
function* candidates({ content, detached }: SignedMessage): Generator<Buffer> {
  const canonical = detached ? toCrlf(content) : content
  yield canonical
  if (canonical !== content) yield content
}

/**
 * The forms of `candidates`, hashed without ever being in memory: 10 KB take 3 µs less so, and 10 MB hold up nobody. What begins with
 * a line ended by CRLF (encrypted text mostly is so) is likely canonical as it is: hashed as it came first, 20 instead of 6 µs.
 */
async function hasDigest({ content, detached }: SignedMessage, name: DigestName, expected: Buffer): Promise<boolean> {
  const asItCame = async (): Promise<boolean> => (await digestInPieces(name, content)).equals(expected)
  if (!detached) return await asItCame()
  const canonical = async (): Promise<boolean> => (await digestCanonical(name, [content])).equals(expected)
  const likely = content[content.indexOf(LF) - 1] === CR
  return likely ? (await asItCame()) || (await canonical()) : (await canonical()) || (await asItCame())
}

/**
 * Undefined when the path is good and the list stands to it. While the path is not good nobody vouches for the name in the
 * certificate: it is not given as signer, and nobody is dropped as banned.
 */
function judgePath({ certificate, others, standing }: Verified, settings: OpenSettings): No | undefined {
  const verdict = settings.trust().judge(certificate, {
    candidates: others,
    at: settings.clock.now(),
    purpose: 'signer',
    crls: settings.crls,
  })
  if (verdict.verdict === 'ok') {
    if (standing.standing === 'banned')
      return no('banned', `the signer is banned by the list of DNs: ${certificate.subject.slash}`, certificate)
    if (standing.standing !== 'listed' || standing.subtree === undefined || verdict.policed === true) return undefined
    return no('not-listed', explainUnpoliced(certificate.subject, standing.subtree), certificate)
  }
  const { reason, detail, ca } = verdict
  return { verdict: verdict.verdict, reason, detail, ...(ca === undefined ? {} : { ca }) }
}

async function judgeContent(
  message: SignedMessage,
  { certificate, signer }: Verified,
  settings: OpenSettings,
): Promise<Opened> {
  await breatheAfter(message.content)
  const body = await refusingLater(() => contentOf(message.content, message.ours))
  if (isRefusal(body)) return no(body.refused, body.detail, certificate)
  if (body.length === 0) return no('empty', 'the message has no content', certificate)
  if (!settings.binary && !isUtf8(body)) {
    return no('not-utf8', 'the content is not UTF-8; binary = true would accept it', certificate)
  }
  await breatheAfter(body)
  const content = await digestInPieces('sha256', body)
  const signingTime = signer.attributes?.signingTime
  return {
    verdict: 'ok',
    plain: { body },
    signer: certificate.subject,
    identity: {
      certificate: certificate.fingerprint,
      signature: hash('sha256', signer.signature),
      content: content.toString('hex'),
      ...(signingTime === undefined ? {} : { signingTime }),
    },
  }
}
