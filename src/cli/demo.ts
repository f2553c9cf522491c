/**
 * The demonstration: the real programs, as an administrator would set them up, in a directory of its own. A receiver that
 * listens, a sender, good records, and two messages that must not get through.
 */
import { randomBytes } from 'node:crypto'
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { loadKeyPair } from '../crypto/keys.js'
import { createSeal } from '../envelope/seal.js'
import { SsmError } from '../errors.js'
import { systemClock } from '../os/clock.js'
import { QueueSimple } from '../spool/producers.js'
import { editedConfig } from './demo-config.js'
import { createForger } from './demo-forger.js'
import { freePort, runToEnd, start, waitForPort, type Running } from './demo-processes.js'
import { jobRecord } from './demo-records.js'
import { makePki, type Holder, type Pki } from './pki.js'
import type { CtlProgram } from './ssmctl-process.js'

const DESTINATION = '/queue/accounting'
/** A run of the sender may take so long, and 10 ms more a message. */
const RUN_MS = 60_000

/** Where everything lies. */
export interface Stage {
  readonly dir: string
  readonly pki: Pki
  readonly port: number
  readonly outgoing: string
  readonly encrypting: string
  /** Parent of incoming and reject. */
  readonly spool: string
}

export interface DemoContext {
  readonly program: CtlProgram
  readonly signal: AbortSignal
  /** Says one paragraph. */
  readonly say: (text: string) => Promise<void>
}

/** A message that was put in, and what should become of it. */
export interface Cast {
  /** In words; messages of the same words are told together. */
  readonly what: string
  readonly body: Buffer
  readonly expected: 'incoming' | 'reject'
  /** In words, for somebody who sees it for the first time. */
  readonly why: string
}

/** Directories, certificates and configuration files. */
export async function setStage(dir: string): Promise<Stage> {
  const pki = makePki(join(dir, 'pki'), {
    holders: ['sender', 'receiver', 'stranger'],
    hosts: ['localhost', '127.0.0.1'],
    keyKind: 'rsa2048',
    days: 7,
    now: systemClock.now(),
    label: randomBytes(3).toString('hex'),
  })
  const stage = {
    dir,
    pki,
    port: await freePort(),
    outgoing: join(dir, 'sender', 'outgoing'),
    encrypting: join(dir, 'sender', 'encrypting'),
    spool: join(dir, 'receiver'),
  }
  for (const folder of [stage.outgoing, stage.encrypting, stage.spool]) mkdirSync(folder, { recursive: true })
  writeFileSync(join(dir, 'sender.cfg'), senderConfig(stage, stage.outgoing, null))
  writeFileSync(join(dir, 'encrypting.cfg'), senderConfig(stage, stage.encrypting, holder(pki, 'receiver').certificate))
  writeFileSync(join(dir, 'receiver.cfg'), receiverConfig(stage))
  writeFileSync(join(dir, 'dns'), `# The signers this receiver accepts.\n${holder(pki, 'sender').dn}\n`)
  return stage
}

export function holder(pki: Pki, name: string): Holder {
  const found = pki.holders[name]
  if (found === undefined) throw new Error(`internal error: no certificate for ${name}`)
  return found
}

function senderConfig({ dir, pki, port }: Stage, path: string, serverCert: string | null): string {
  const { certificate, key } = holder(pki, 'sender')
  return editedConfig('sender', {
    broker: { host: '127.0.0.1', port: String(port) },
    certificates: { certificate, key, capath: pki.capath, server_cert: serverCert },
    messaging: { destination: DESTINATION, path },
    logging: { logfile: join(dir, 'ssmsend.log'), console: 'false' },
  })
}

function receiverConfig({ dir, pki, port, spool }: Stage): string {
  const { certificate, key } = holder(pki, 'receiver')
  return editedConfig('receiver', {
    broker: { host: null, port: null, listen: `127.0.0.1:${port}` },
    certificates: { certificate, key, capath: pki.capath },
    messaging: { destination: DESTINATION, path: spool },
    logging: { logfile: join(dir, 'ssmreceive.log') },
    daemon: { pidfile: join(dir, 'ssmreceive.pid') },
  })
}

/** Starts the receiver, and resolves when it listens. */
export async function startReceiver({ dir, port }: Stage, { program, signal }: DemoContext): Promise<Running> {
  const args = ['--foreground', '-c', join(dir, 'receiver.cfg'), '-d', join(dir, 'dns')]
  const receiver = start(program, 'ssmreceive', args)
  try {
    await waitForPort(port, receiver, signal)
    return receiver
  } catch (error) {
    await receiver.end()
    throw error
  }
}

/** The good records: `count` ordinary ones and one that is not ASCII by `ssmsend`, one more encrypted. */
export async function sendGood(stage: Stage, count: number, context: DemoContext): Promise<readonly Cast[]> {
  const why = 'signed by the sender, whose name is in the list'
  const cast: Cast[] = []
  for (let n = 0; n < count; n++) {
    cast.push({ what: 'Ordinary records', body: jobRecord(n), expected: 'incoming', why })
  }
  const foreign = jobRecord(count, { LocalUserId: 'Jürgen', GlobalUserName: '/C=GR/O=Παράδειγμα/CN=Ελένη' })
  cast.push({
    what: 'A record that is not ASCII',
    body: foreign,
    expected: 'incoming',
    why: `${why}; UTF-8 arrives as it is`,
  })
  await addAll(stage.outgoing, cast, context.signal)
  await send(stage, 'sender.cfg', cast.length, context)

  const secret = jobRecord(count + 1)
  await new QueueSimple(stage.encrypting).add(secret)
  await send(stage, 'encrypting.cfg', 1, context)
  const encrypted = `${why}; only the receiver's key could open it`
  return [...cast, { what: 'A record encrypted on its way', body: secret, expected: 'incoming', why: encrypted }]
}

/** Some at a time: the disk makes several durable at once. */
async function addAll(path: string, cast: readonly Cast[], signal: AbortSignal): Promise<void> {
  const queue = new QueueSimple(path)
  for (let at = 0; at < cast.length; at += 32) {
    assertGoing(signal)
    await Promise.all(cast.slice(at, at + 32).map(({ body }) => queue.add(body)))
  }
}

function assertGoing(signal: AbortSignal): void {
  if (signal.aborted) throw new SsmError('aborted', 'the demonstration was stopped')
}

async function send(
  { dir }: Stage,
  config: string,
  count: number,
  { program, signal, say }: DemoContext,
): Promise<void> {
  const begin = systemClock.monotonic()
  const running = start(program, 'ssmsend', ['-c', join(dir, config)])
  const exit = await runToEnd(running, 'ssmsend', RUN_MS + 10 * count, signal)
  assertGoing(signal)
  if (exit !== 0) throw new SsmError('internal', `ssmsend ended with ${exit}. It said:\n${running.said()}`)
  const seconds = ((systemClock.monotonic() - begin) / 1000).toFixed(1)
  const records = count === 1 ? '1 record' : `${count} records`
  await say(
    `ssmsend -c ${config}: ${records} signed, sent and confirmed in ${seconds} s; exit code 0, its spool is empty.`,
  )
}

/** Two messages that the receiver must refuse, carried by somebody in the middle. */
export async function sendBad(stage: Stage): Promise<readonly Cast[]> {
  const { pki, port } = stage
  const carrier = loadPair(holder(pki, 'sender'))
  const ca = readFileSync(join(pki.capath, 'ca.pem'), 'utf8')
  const stranger = await sealAs(holder(pki, 'stranger'), jobRecord(7001))
  const tampered = alter(await sealAs(holder(pki, 'sender'), jobRecord(7002, { CpuDuration: '3412' })))
  const pem = { certificate: carrier.certificatePem, key: carrier.keyPem, ca }
  const forger = await createForger({ port, destination: DESTINATION, ...pem })
  try {
    await forger.send('stranger', stranger)
    await forger.send('tampered', tampered)
  } finally {
    forger.close()
  }
  return [
    {
      what: 'A record of a stranger',
      body: stranger,
      expected: 'reject',
      why: 'the signature is good, but nobody put this name into the list of signers',
    },
    {
      what: 'A record changed on its way',
      body: tampered,
      expected: 'reject',
      why: 'somebody turned "CpuDuration: 3412" into "CpuDuration: 9412": the signature no longer fits',
    },
  ]
}

function loadPair({ certificate, key }: Holder) {
  return loadKeyPair(certificate, key, { now: systemClock.now() })
}

async function sealAs(who: Holder, body: Buffer): Promise<Buffer> {
  const seal = createSeal({
    ...loadPair(who),
    cipher: 'aes256',
    keyTransport: 'pkcs1',
    binary: false,
    clock: systemClock,
  })
  return Buffer.from(await seal({ body }))
}

function alter(sealed: Buffer): Buffer {
  const at = sealed.indexOf('CpuDuration: 3412')
  if (at === -1) throw new Error('internal error: nothing to tamper with')
  const altered = Buffer.from(sealed)
  altered.write('9', at + 'CpuDuration: '.length)
  return altered
}
