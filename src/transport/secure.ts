/**
 * What every transport that connects has in common: TCP, then TLS with the peer's certificate judged before any byte of
 * ours goes over it. A refusal names the failing check, the certificate's names, and the setting that would accept it.
 */
import { X509Certificate } from 'node:crypto'
import { connect as connectTcp, isIP, type Socket } from 'node:net'
import type { Duplex } from 'node:stream'
import { connect as connectTls, type TLSSocket } from 'node:tls'
import { SsmError } from '../errors.js'
import type { Logger } from '../observe/log.js'
import type { PeerTrust, TlsMaterial } from './port.js'
import { judgeSocketError } from './socket-error.js'
import { createContext, strengthOf, WEAK_KEYS } from './strength.js'

/** Slow links: node's own 250 ms would give up on an address that is one ocean away. */
const ATTEMPT_MS = 2_000

/** Whom we connect to, and what it is called in sentences. */
export interface Peer {
  readonly host: string
  readonly port: number
  readonly where: string
}

/** TCP alone. Rejects with SsmError `unreachable`, or with the reason of the signal. */
export async function openTcp(peer: Peer, signal: AbortSignal): Promise<Socket> {
  const tcp = connectTcp({
    host: peer.host,
    port: peer.port,
    noDelay: true,
    keepAlive: true,
    autoSelectFamilyAttemptTimeout: ATTEMPT_MS,
  })
  await ready(tcp, 'connect', peer.where, null, signal)
  return tcp
}

/** Our subject in slash form, for sentences to the broker's operator. */
export function ownName(material: TlsMaterial): string {
  return `/${new X509Certificate(material.certificate).subject.split('\n').join('/')}`
}

/** TLS over an open connection, judged as `material.verify` says. Without a certificate in it, none is presented. */
export async function secure(
  tcp: Duplex,
  peer: Peer,
  material: PeerTrust | TlsMaterial,
  log: Logger,
  signal: AbortSignal,
): Promise<TLSSocket> {
  const own = 'certificate' in material ? { cert: material.certificate, key: material.key } : {}
  const tls = connectTls({
    socket: tcp,
    host: peer.host,
    ...(isIP(peer.host) === 0 ? { servername: peer.host } : {}),
    secureContext: createContext({ ...own, ca: [...material.ca], ...strengthOf(material) }),
    // Judged below, so that the refusal can name the check, the names and the setting. Node too judges only after the
    // handshake: nothing more is given away.
    rejectUnauthorized: false,
  })
  await ready(tls, 'secureConnect', peer.where, 'certificate' in material ? ownName(material) : null, signal)
  const refusal = material.verify === 'false' ? null : judgePeer(tls, peer.where)
  if (refusal === null) return tls
  if (material.verify === 'warn') {
    log.warning('The broker is not verified, connecting all the same (verify = warn): %s', refusal)
    return tls
  }
  tls.destroy()
  throw refusal
}

function ready(
  socket: Socket,
  event: 'connect' | 'secureConnect',
  where: string,
  own: string | null,
  signal: AbortSignal,
): Promise<void> {
  return new Promise((resolve, reject) => {
    const settle = (act: () => void) => {
      signal.removeEventListener('abort', abort)
      socket.off('error', fail).off('close', close).off(event, done)
      act()
    }
    const refuse = (error: unknown) => {
      settle(() => {
        // A late second error of a destroyed socket has nobody to go to.
        socket.on('error', () => undefined)
        socket.destroy()
        reject(error instanceof Error ? error : new SsmError('aborted', 'aborted'))
      })
    }
    const abort = () => {
      refuse(signal.reason)
    }
    const during = event === 'connect' ? '' : ' during the TLS handshake: is this the broker’s TLS port?'
    const fail = (error: Error) => {
      const judged = judgeSocketError(error, where, own)
      if (judged.code !== 'unreachable') refuse(judged)
      else refuse(new SsmError('unreachable', `${judged.message}${during}`, { cause: error }))
    }
    const close = () => {
      refuse(new SsmError('unreachable', `${where}: the other end closed the connection${during}`))
    }
    const done = () => {
      // Until its next owner listens, an error has somebody to go to; the stream's end tells that owner the same.
      socket.on('error', () => undefined)
      settle(resolve)
    }
    socket.once('error', fail).once('close', close).once(event, done)
    signal.addEventListener('abort', abort, { once: true })
    if (signal.aborted) abort()
  })
}

interface Check {
  readonly words: string
  /** The setting that would accept it. */
  readonly remedy: string
}

const UNKNOWN_ISSUER: Check = {
  words: 'its path does not end in a CA that we know',
  remedy: 'put the CA’s certificate into the CA directory, or name its file in `[broker] ca = FILE`',
}

/** OpenSSL's and node's names of the checks. */
const CHECKS: Readonly<Record<string, Check>> = {
  DEPTH_ZERO_SELF_SIGNED_CERT: {
    words: 'it is self-signed',
    remedy: 'when it is the right one, save it and set `[broker] ca = FILE`',
  },
  SELF_SIGNED_CERT_IN_CHAIN: UNKNOWN_ISSUER,
  UNABLE_TO_GET_ISSUER_CERT: UNKNOWN_ISSUER,
  UNABLE_TO_GET_ISSUER_CERT_LOCALLY: UNKNOWN_ISSUER,
  UNABLE_TO_VERIFY_LEAF_SIGNATURE: UNKNOWN_ISSUER,
  CERT_HAS_EXPIRED: {
    words: 'it, or a CA of its path, has expired',
    remedy: 'the broker’s operator must renew it; until then `[broker] verify = warn`',
  },
  CERT_NOT_YET_VALID: {
    words: 'it, or a CA of its path, is not valid yet',
    remedy: 'check this machine’s clock; else `[broker] verify = warn`',
  },
  // Node's name for every check that it has no name for; of those, only these are met (seen: 20.19 to 26.10).
  UNSPECIFIED: {
    words: 'a key or a signature of its path is too weak for this Node.js (RSA below 2048 bits, SHA-1)',
    remedy: `the broker’s operator must renew it; until then ${WEAK_KEYS} for such keys, or \`[broker] verify = warn\``,
  },
  ERR_TLS_CERT_ALTNAME_INVALID: {
    words: 'it is not made for this host name',
    remedy: 'set `[broker] host` to a name that it carries, or `[broker] verify = warn`',
  },
}

/** Null: acceptable. */
export function judgePeer(tls: TLSSocket, where: string): SsmError | null {
  if (tls.authorized) return null
  // Node: the code when the error has one, else its message.
  const code = String(tls.authorizationError)
  const known = Object.hasOwn(CHECKS, code) ? CHECKS[code] : undefined
  const check = known ?? { words: `the check ${code} failed`, remedy: '`[broker] verify = warn`' }
  return new SsmError(
    'peer-certificate',
    `the certificate of ${where} is not acceptable: ${check.words}; ` +
      `${describe(tls)}; nothing was sent; to accept it: ${check.remedy}`,
  )
}

/** Node 20 takes the certificate out of the handle when it is asked for it: the second time there is none (seen). */
const presented = new WeakMap<TLSSocket, X509Certificate>()

/** What the broker presents; undefined: nothing. */
export function peerCertificate(tls: TLSSocket): X509Certificate | undefined {
  const certificate = presented.get(tls) ?? tls.getPeerX509Certificate()
  if (certificate !== undefined) presented.set(tls, certificate)
  return certificate
}

/** The broker's certificate in words. Outside text. */
export function describe(tls: TLSSocket): string {
  const certificate = peerCertificate(tls)
  if (certificate === undefined) return 'it has none'
  const line = (name: string) => `/${name.split('\n').join('/')}`
  return (
    `it is ${line(certificate.subject)}, for ${certificate.subjectAltName ?? 'no host name'}, ` +
    `issued by ${line(certificate.issuer)}, valid from ${certificate.validFrom} to ${certificate.validTo}`
  )
}
