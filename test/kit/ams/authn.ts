/**
 * A double of the authentication service that gives an AMS token for a client certificate (argo-api-authn): a TLS server
 * of its own, whose `hosts/HOST:authx509` looks the subject up among its bindings and asks AMS for the bound user's token.
 */
import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import type { IncomingMessage, ServerResponse } from 'node:http'
import { createServer } from 'node:https'
import type { AddressInfo, Socket } from 'node:net'
import { TLSSocket, type PeerCertificate } from 'node:tls'
import { toPem } from '../../../src/crypto/pem.js'
import type { TestHost, TestPki } from '../ca.js'
import { createFaults, faultAnswer, type Fault, type FaultRule } from './faults.js'
import { encode } from './go-json.js'
import type { ServerTls } from './listening.js'
import { createRandom, type Ams } from './server.js'

export interface AuthnOptions {
  readonly tls: ServerTls
  /** The CA of clients. */
  readonly pki: TestPki
  /** Whose tokens it gives. */
  readonly ams: Ams
  /** Hosts registered for the service type; default those that tests use. */
  readonly hosts?: readonly string[]
  readonly port?: number
  /** Certificates of unknown CAs, and expired ones, get through the handshake; default false. */
  readonly trustUnknownCas?: boolean
  /** Dates and revocation are looked at, and a certificate must say where its CRL is; default false. */
  readonly verifyCertificate?: boolean
  /** Default `['x509']`. */
  readonly authTypes?: readonly string[]
}

export interface Authn extends AsyncDisposable {
  readonly host: string
  readonly port: number
  /** How many exchanges were asked for, and what each got. */
  readonly statuses: readonly number[]
  /** From now on this certificate gets this user's token. */
  bind(who: TestHost | string, user: string): void
  unbind(who: TestHost | string): void
  /** Only `status`, `reset` and `silence`, on every route. */
  fault(rule: Omit<FaultRule, 'on'>): Fault
}

interface Said {
  readonly status: number
  readonly body: unknown
}

const refusal = (status: number, label: string, message: string): Said => ({
  status,
  body: { error: { message, code: status, status: label } },
})
const absent = (what: string): Said => refusal(404, 'NOT FOUND', `${what} was not found`)

const PATH = /^\/v1\/service-types\/([^/]+)\/hosts\/([^/]+):authx509$/

type Attribute = string | readonly string[] | undefined

/** What stands between the email address and the domain components, in the order in which Go writes a name backwards. */
const MIDDLE = ['serialNumber', 'CN', 'postalCode', 'street', 'ST', 'L', 'OU', 'O', 'C'] as const

const escaped = (value: string): string =>
  value.replace(/[,+"\\<>;]/g, (found) => `\\${found}`).replace(/^[ #]| $/g, (found) => `\\${found}`)

/** A subject as bindings have it: `E` first, `DC` last, several values of one kind joined by `+`. */
export function bindingName(subject: Readonly<Record<string, Attribute>>): string {
  const part = (label: string, value: Attribute, put = escaped): string[] => {
    if (value === undefined) return []
    const values = typeof value === 'string' ? [value] : value
    return [values.map((each) => `${label}=${put(each)}`).join('+')]
  }
  const plain = (value: string): string => value
  return [
    ...part('E', subject.emailAddress, plain),
    ...MIDDLE.flatMap((name) => part(name === 'serialNumber' ? 'SERIALNUMBER' : name.toUpperCase(), subject[name])),
    ...part('DC', subject.DC, plain),
  ].join(',')
}

/** The same for a certificate of the test CA. */
export const bindingOf = (host: TestHost): string => bindingName(attributesOf(host.dn))

/** `/C=XX/O=Test/CN=x` as a table. */
function attributesOf(dn: string): Record<string, string[]> {
  const table: Record<string, string[]> = {}
  for (const [, name = '', value = ''] of dn.matchAll(/\/([A-Za-z]+)=((?:[^/]|\/(?![A-Za-z]+=))*)/g)) {
    ;(table[name] ??= []).push(value)
  }
  return table
}

/** Starts it on a free port of the loopback. */
export async function startAuthn(options: AuthnOptions): Promise<Authn> {
  const bindings = new Map<string, string>()
  const statuses: number[] = []
  const faults = createFaults(createRandom(1))
  const sockets = new Set<Socket>()
  const server = createServer(
    {
      cert: readFileSync(options.tls.certificateFile),
      key: readFileSync(options.tls.keyFile),
      ca: toPem('CERTIFICATE', options.pki.ca.certificate.der),
      requestCert: true,
      rejectUnauthorized: false,
      minVersion: 'TLSv1.2',
    },
    (request, response) => {
      // Its certificate was refused meanwhile.
      if (request.socket.destroyed) return
      const fault = faults.strike(null, false)?.fault
      if (fault?.kind === 'silence') return
      if (fault?.kind === 'reset') return void request.socket.destroy()
      if (fault?.kind === 'status') {
        const said = faultAnswer(fault)
        statuses.push(said.status)
        response.writeHead(said.status, { 'Content-Type': said.contentType }).end(said.body)
        return
      }
      answer(request, response, exchange(options, bindings, request), statuses)
    },
  )
  server.on('secureConnection', (socket: TLSSocket) => {
    sockets.add(socket)
    socket.on('close', () => sockets.delete(socket)).on('error', () => undefined)
    // Given and not good: the handshake fails there. One that was not given may go on.
    const given = Object.keys(socket.getPeerCertificate()).length > 0
    if (given && !socket.authorized && options.trustUnknownCas !== true) socket.destroy()
  })
  server.listen(options.port ?? 0, '127.0.0.1')
  await once(server, 'listening')
  // A TCP server's address.
  const { port } = server.address() as AddressInfo
  const nameOf = (who: TestHost | string): string => (typeof who === 'string' ? who : bindingOf(who))
  return {
    host: 'localhost',
    port,
    statuses,
    bind: (who, user) => void bindings.set(nameOf(who), user),
    unbind: (who) => void bindings.delete(nameOf(who)),
    fault: (rule) => faults.add(rule),
    async [Symbol.asyncDispose]() {
      const closed = server.listening ? once(server, 'close') : undefined
      server.close()
      for (const socket of sockets) socket.destroy()
      await closed
    },
  }
}

function answer(request: IncomingMessage, response: ServerResponse, said: Said | null, statuses: number[]): void {
  request.resume()
  if (said === null) {
    response.writeHead(404, { 'Content-Type': 'text/plain; charset=utf-8' }).end('404 page not found\n')
    return
  }
  statuses.push(said.status)
  response.writeHead(said.status, { 'Content-Type': 'application/json; charset=utf-8' }).end(encode(said.body, 1))
}

const TYPE = 'ams'
const HOSTS = ['localhost', '127.0.0.1']

/** null: no such route. */
function exchange(options: AuthnOptions, bindings: ReadonlyMap<string, string>, request: IncomingMessage): Said | null {
  const path = new URL(request.url ?? '/', 'https://authn').pathname
  const match = request.method === 'GET' ? PATH.exec(decodeURIComponent(path)) : null
  if (match === null) return null
  const [, type, host = ''] = match
  if (!(request.socket instanceof TLSSocket)) return null
  const certificate = request.socket.getPeerCertificate()
  if (Object.keys(certificate).length === 0) return refusal(400, 'BAD REQUEST', 'No certificate provided')
  const bad = options.verifyCertificate === true ? badCertificate(options, certificate) : undefined
  if (bad !== undefined) return refusal(403, 'ACCESS_FORBIDDEN', bad)
  if (type !== TYPE) return absent('Service-type')
  const authTypes = options.authTypes ?? ['x509']
  if (!authTypes.includes('x509')) {
    const message = `Auth type: x509 is not yet supported.Supported:[${authTypes.join(' ')}]`
    return refusal(422, 'UNPROCESSABLE ENTITY', message)
  }
  if (!(options.hosts ?? HOSTS).includes(host)) return absent('Host')
  // Node's table of the subject's attributes: a text, or a list where there are several.
  const name = bindingName(certificate.subject)
  const user = bindings.get(name)
  if (user === undefined) return absent('Binding')
  if (!options.ams.listening) {
    const { host: amsHost, port } = options.ams
    const message = `Internal Error: Get "https://${amsHost}:${port}/v1/users:byUUID": connect: connection refused`
    return refusal(500, 'INTERNAL SERVER ERROR', message)
  }
  return { status: 200, body: { token: options.ams.user(user).token } }
}

/** The DER of the object identifier of CRL distribution points, 2.5.29.31. */
const CRL_POINTS = Buffer.from('0603551d1f', 'hex')

/** Why it is not let in; with `verifyCertificate` only. */
function badCertificate({ pki }: AuthnOptions, certificate: PeerCertificate): string | undefined {
  const now = Date.now()
  if (now > Date.parse(certificate.valid_to)) return 'Your certificate has expired'
  if (now < Date.parse(certificate.valid_from)) return 'Your certificate is not active yet'
  if (!certificate.raw.includes(CRL_POINTS)) {
    return 'Your certificate is invalid. No CRLDistributionPoints found on the certificate'
  }
  const same = BigInt(`0x${certificate.serialNumber}`) === BigInt(`0x${pki.revoked.certificate.serial}`)
  return same ? 'Your certificate has been revoked' : undefined
}
