/**
 * From a TCP connection to a socket that may speak STOMP. With TLS: the handshake with the newest certificate pair, then
 * the judge on the client's certificates. Node's own check of the client's path decides nothing here: it knows neither
 * CRLs nor signing policies as this program means them.
 */
import type { Socket } from 'node:net'
import { TLSSocket, type SecureContext } from 'node:tls'
import type { TlsMaterial } from '../port.js'
import { createContext, strengthOf } from '../strength.js'

export type PeerJudgement = { readonly ok: true; readonly dn: string } | { readonly ok: false; readonly detail: string }

/** Judges the client's certificates, DER, leaf first; empty: it showed none. */
export type AuthorizePeer = (chain: readonly Uint8Array[]) => Promise<PeerJudgement>

export interface Entrant {
  readonly socket: Socket
  /** Null without TLS. */
  readonly judgement: PeerJudgement | null
}

/** Rejects when the handshake fails, or our own pair cannot be read. */
export type Door = (raw: Socket) => Promise<Entrant>

/** No path of a real CA is longer; a longer one is not worth the reading. */
const CHAIN_LENGTH = 10

export const openDoor: Door = (raw) => Promise.resolve({ socket: raw, judgement: null })

/** Checks the pair once by making a context of it: throws what `material` throws, or SsmError `configuration`. */
export async function createTlsDoor(material: () => Promise<TlsMaterial>, authorize: AuthorizePeer): Promise<Door> {
  const context = createContexts()
  context(await material())
  return async (raw) => {
    const socket = new TLSSocket(raw, {
      isServer: true,
      secureContext: context(await material()),
      requestCert: true,
      rejectUnauthorized: false,
    })
    await handshake(socket)
    const chain = peerChain(socket)
    if (chain.length === 0) return { socket, judgement: { ok: false, detail: 'it showed no certificate' } }
    return { socket, judgement: await authorize(chain) }
  }
}

/** Contexts cost milliseconds with hundreds of CAs: a new one only for a new pair. */
function createContexts(): (material: TlsMaterial) => SecureContext {
  let last: { readonly text: string; readonly context: SecureContext } | undefined
  return (material) => {
    const text = [material.certificate, material.key, ...material.ca].join('\n')
    if (last?.text === text) return last.context
    const context = createContext({
      cert: material.certificate,
      key: material.key,
      minVersion: 'TLSv1.2',
      // Their names are sent to the client, to help it choose a certificate.
      ...(material.ca.length > 0 ? { ca: [...material.ca] } : {}),
      ...strengthOf(material),
    })
    last = { text, context }
    return context
  }
}

function handshake(socket: TLSSocket): Promise<void> {
  return new Promise((resolve, reject) => {
    const failed = (error: Error) => {
      socket.destroy()
      reject(error)
    }
    const left = () => {
      failed(new Error('closed during the TLS handshake'))
    }
    socket.once('error', failed)
    socket.once('close', left)
    // A client that goes in the middle only half-closes for us, and nothing more would come of it.
    socket.once('end', left)
    socket.once('secure', () => {
      socket.off('error', failed).off('close', left).off('end', left)
      // Until a session takes over: an error must never be without a listener.
      socket.on('error', () => undefined)
      // Renegotiation costs us more than the client, and would change who it is.
      socket.disableRenegotiation()
      resolve()
    })
  })
}

/** What the client sent, and issuers that node found for it, leaf first. */
function peerChain(socket: TLSSocket): Uint8Array[] {
  const chain: Uint8Array[] = []
  const seen = new Set<string>()
  let next: Partial<ReturnType<TLSSocket['getPeerCertificate']>> = socket.getPeerCertificate(true)
  while (next.raw !== undefined && next.fingerprint256 !== undefined && !seen.has(next.fingerprint256)) {
    seen.add(next.fingerprint256)
    chain.push(next.raw)
    if (chain.length === CHAIN_LENGTH || !('issuerCertificate' in next)) break
    next = next.issuerCertificate
  }
  return chain
}
