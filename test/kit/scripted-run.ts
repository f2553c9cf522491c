/**
 * One scripted run of a sender and a receiver through a broker, and its log as normalised lines: without time, version,
 * ids, ports and paths. The same script is run with this package's programs and with the Python SSM's.
 */
import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { forge } from '../envelope/forge.js'
import { sealed } from './bad-messages.js'
import { createSite, eventually, type Ended, type Running, type Site } from './site.js'
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

/** Where both ends meet. */
const destination = '/queue/ssm'

function put(site: Site, ...bodies: readonly string[]): void {
  const folder = join(site.outgoing, '68000000')
  mkdirSync(folder, { recursive: true })
  for (const [n, body] of bodies.entries()) writeFileSync(join(folder, `6800000000000${n}`), body)
}

async function publish(port: number, id: string, wire: Uint8Array): Promise<void> {
  await using client = await connectStomp(port)
  await client.greet('accept-version:1.1', 'host:/', 'login:guest', 'passcode:guest')
  client.send(sendFrame(destination, id, wire))
  await client.next()
}

/** `dir`: an empty folder. The receiver gets, one after the other: three plain messages, an encrypted one, one of an unlisted signer, a tampered one, a ping. */
export async function scriptedRun(dir: string, port: number, programs: Programs): Promise<ScriptedLogs> {
  const site = createSite(dir, port)
  const { host, other, ec } = site.pki
  // One at a time, as the Python programs: with a window in flight the lines of several messages mingle.
  const common = { messaging: { destination, window: 1 } }
  site.configure({ both: common })
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
  site.configure({ both: common, sender: { certificates: { server_cert: other.certificateFile } } })
  put(site, 'four\n')
  await programs.send(site)
  await settle(1)
  const tampered = forge('five\n', host).toString('latin1').replace('five', 'FIVE')
  for (const [id, wire] of [
    ['unlisted', await sealed(ec, 'six\n')],
    ['tampered', Buffer.from(tampered, 'latin1')],
    ['ping', Buffer.alloc(0)],
  ] as const) {
    await publish(port, id, wire)
    await settle(1)
  }
  await receiver.stop()
  return { sender: normalised(site.log('ssmsend')), receiver: normalised(site.log('ssmreceive')) }
}
