/**
 * One scripted run of a sender and a receiver through a broker, and its log as normalised lines: without time, version,
 * ids, ports and paths. The same script is run with this package's programs and with the Python SSM's.
 */
import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { toPem } from '../../src/crypto/pem.js'
import { forge } from '../envelope/forge.js'
import { sealed } from './bad-messages.js'
import { createSite, eventually, startProgram, type Ended, type Running, type Sections, type Site } from './site.js'
import { startAms } from './ams/index.js'
import { connectStomp, sendFrame } from './stomp-client.js'

export interface Programs {
  send(site: Site): Promise<Ended>
  /** Resolves when it has subscribed. */
  startReceiver(site: Site): Promise<Running>
}

export interface ScriptedLogs {
  readonly sender: readonly string[]
  readonly receiver: readonly string[]
}

/** The programs of this package. */
export const OURS: Programs = {
  send: (site) => site.send(),
  async startReceiver(site) {
    // As the detached child runs, whose log it is.
    const running = startProgram('ssmreceive', ['-c', site.receiverCfg, '-d', site.dns], { env: { SSM_DETACHED: '1' } })
    await eventually('it subscribed', () => /Subscribing to:|Will subscribe to:/.test(site.log('ssmreceive')))
    return running
  },
}

/** How a line loses what differs from run to run. */
const NORMALISE: readonly (readonly [RegExp, string])[] = [
  [/^\d{4}-\d\d-\d\d \d\d:\d\d:\d\d,\d{3} - /, ''],
  [/(SSM version) \S+\.$/, '$1 VERSION.'],
  [/\b[0-9a-f]{8}\/[0-9a-f]{14}\b/g, 'ID'],
  [/(, port) \d+$/, '$1 PORT'],
  [/( encrypted using) \/[^=]*$/, '$1 FILE'],
  [/(Failed to (?:verify|decrypt) message: ).*/, '$1WHY'],
  [/(Received the shutdown signal: ).*/, '$1SIGNAL'],
  [/ [0-9a-f]{8}-(?:[0-9a-f]{4}-){3}[0-9a-f]{12}$/, ' UUID'],
  [/(Will connect to localhost):\d+$/, '$1:PORT'],
  [/(Using AMS version) .*/, '$1 VERSION'],
]

export function normalised(log: string): string[] {
  return (
    log
      .split('\n')
      // What does not begin a line of the log goes on from the line before: OpenSSL's words.
      .filter((line) => /^\d{4}-\d\d-\d\d /.test(line))
      .map((line) => NORMALISE.reduce((text, [pattern, by]) => text.replace(pattern, by), line))
  )
}

function put(site: Site, ...bodies: readonly string[]): void {
  const folder = join(site.outgoing, '68000000')
  mkdirSync(folder, { recursive: true })
  for (const [n, body] of bodies.entries()) writeFileSync(join(folder, `6800000000000${n}`), body)
}

/** What lies between sender and receiver. */
export interface Middle extends AsyncDisposable {
  readonly sections: { readonly both: Sections; readonly sender?: Sections; readonly receiver?: Sections }
  /** Publishes past the sender. */
  publish(id: string, wire: Uint8Array): Promise<void>
  /** Is an empty message a ping to the receiver? */
  readonly pings: boolean
}

/** A STOMP broker on a port, without TLS. */
export function stompMiddle(port: number): Middle {
  const destination = '/queue/ssm'
  return {
    sections: { both: { broker: { port }, messaging: { destination } } },
    pings: true,
    async publish(id, wire) {
      await using client = await connectStomp(port)
      await client.greet('accept-version:1.1', 'host:/', 'login:guest', 'passcode:guest')
      client.send(sendFrame(destination, id, wire))
      await client.next()
    },
    [Symbol.asyncDispose]: () => Promise.resolve(),
  }
}

/** `dir`: an empty folder. The receiver gets, one after the other: three plain messages, an encrypted one, one of an unlisted signer, a tampered one, perhaps a ping. */
export async function scriptedRun(
  dir: string,
  open: (site: Site) => Promise<Middle> | Middle,
  programs: Programs,
): Promise<ScriptedLogs> {
  const site = createSite(dir, 0)
  const { host, other, ec } = site.pki
  await using middle = await open(site)
  // One at a time, as the Python programs: with a window in flight the lines of several messages mingle.
  const { both, sender, receiver: receives } = middle.sections
  const common = { ...both, messaging: { ...both.messaging, window: 1 } }
  const configure = (certificates: Sections): void => {
    site.configure({ both: common, sender: { ...sender, ...certificates }, receiver: receives ?? {} })
  }
  configure({})
  const receiver = await programs.startReceiver(site)
  const handled = (): number => site.log('ssmreceive').split(/Message saved to|Received ping message/).length - 1
  let expected = 0
  const settle = async (count: number): Promise<void> => {
    expected += count
    await eventually(`${expected} are handled`, () => handled() >= expected, 60)
  }
  await programs.send(site)
  put(site, 'one\n', 'two\n', 'three\n')
  await programs.send(site)
  await settle(3)
  configure({ certificates: { server_cert: other.certificateFile } })
  put(site, 'four\n')
  await programs.send(site)
  await settle(1)
  const tampered = forge('five\n', host).toString('latin1').replace('five', 'FIVE')
  for (const [id, wire] of [
    ['unlisted', await sealed(ec, 'six\n')],
    ['tampered', Buffer.from(tampered, 'latin1')],
    ...(middle.pings ? [['ping', Buffer.alloc(0)] as const] : []),
  ] as const) {
    await middle.publish(id, wire)
    await settle(1)
  }
  await receiver.stop()
  return { sender: normalised(site.log('ssmsend')), receiver: normalised(site.log('ssmreceive')) }
}

/** A double of AMS with HTTPS; the CA of its certificate is that of `REQUESTS_CA_BUNDLE`. */
export async function amsMiddle(site: Site, ca: string): Promise<Middle> {
  writeFileSync(ca, toPem('CERTIFICATE', site.pki.ca.certificate.der))
  const ams = await startAms({ tls: site.pki.host })
  const of = (role: 'sender' | 'receiver') => ({
    [role]: { protocol: 'AMS' },
    messaging: { token: ams.tokens[role] },
  })
  return {
    sections: {
      both: {
        broker: { host: `localhost:${ams.port}`, port: undefined, ca },
        messaging: { destination: 'ssm', ams_project: 'accounting' },
      },
      sender: of('sender'),
      receiver: of('receiver'),
    },
    // Its receiver never gets past an empty message.
    pings: false,
    publish: (id, wire) => {
      ams.put('ssm', wire, { empaid: id })
      return Promise.resolve()
    },
    [Symbol.asyncDispose]: () => ams.stop(),
  }
}
