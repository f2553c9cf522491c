/**
 * One connection to one address: TCP, then TLS with our certificate, and the broker's certificate judged before any
 * byte of ours goes over it; then, where the scheme says so, a WebSocket.
 */
import type { Socket } from 'node:net'
import type { Duplex } from 'node:stream'
import { SsmError } from '../../errors.js'
import type { TlsMaterial, TransportDeps } from '../port.js'
import { proxyText, tunnel, type Proxy } from '../proxy.js'
import { openTcp, ownName, secure } from '../secure.js'
import { addressText, SCHEMES, type Address, type Scheme } from './settings.js'
import { upgrade } from './upgrade.js'

/** Where to, how, and as whom. */
export interface Line {
  readonly address: Address
  readonly scheme: Scheme
  /** Must be there for a scheme with TLS, and is not looked at for others. */
  readonly material: TlsMaterial | null
  /** Bytes of a received body. */
  readonly maxBody: number
  /** Of the environment: for a WebSocket alone. */
  readonly proxy: Proxy | null
}

/** The first step of `dial`: TCP, or a tunnel through the proxy, which then looks up the name. */
export async function openWay(
  { address, proxy, material }: Omit<Line, 'maxBody' | 'scheme'>,
  signal: AbortSignal,
): Promise<Socket> {
  const { host, port } = address
  if (proxy === null) return await openTcp({ host, port, where: addressText(address) }, signal)
  const where = `the proxy ${proxyText(proxy)} of the environment`
  const tcp = await openTcp({ host: proxy.host, port: proxy.port, where }, signal)
  return await tunnel(tcp, proxy, { host, port }, material?.ca ?? [], signal)
}

/**
 * Opens a verified byte stream. Rejects with SsmError `unreachable`, `peer-certificate`, `login-refused`,
 * `not-the-protocol`, or with the signal's reason.
 */
export async function dial(line: Line, deps: TransportDeps, signal: AbortSignal): Promise<Duplex> {
  const { address, scheme, material } = line
  const { tls, web } = SCHEMES[scheme]
  const { log } = deps
  const peer = { host: address.host, port: address.port, where: addressText(address) }
  const tcp = await openWay(line, signal)
  log.info('Established connection to %s, port %s', address.host, address.port)
  let socket = tcp
  if (!tls) {
    log.warning('SSL connection not requested, your messages may be intercepted.')
  } else {
    log.info('Connecting using SSL...')
    if (material === null) throw new SsmError('internal', `internal error: no TLS material for ${peer.where}`)
    socket = await secure(tcp, peer, material, log, signal)
  }
  if (!web) return socket
  const own = tls && material !== null ? ownName(material) : null
  return await upgrade({ socket, address, own, maxBody: line.maxBody }, deps, signal)
}
