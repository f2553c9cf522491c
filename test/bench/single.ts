/**
 * What is not a matter of many messages: the start of a program that finds nothing to do, and one large message.
 */
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { buildBundle } from '../kit/bundle.js'
import { hasPythonSsm, startPythonReceiver, startPythonSender } from '../kit/python-ssm.js'
import { startRabbitmq } from '../kit/rabbitmq.js'
import { fillOutgoing } from '../kit/records.js'
import { createSite, eventually, startChild, type Running, type Site } from '../kit/site.js'
import { median, type Figure } from './figures.js'
import { meter } from './meter.js'

/** Starts of each program; the median counts. */
const STARTS = 9

async function timeStart(what: string, start: () => Running): Promise<Figure> {
  const times: number[] = []
  let rss = 0
  for (let n = 0; n < STARTS; n++) {
    const begin = performance.now()
    const running = start()
    const read = meter(running, 2)
    const ended = await running.ended
    times.push(performance.now() - begin)
    if (ended.code !== 0) throw new Error(`${what}: exit ${ended.code}: ${ended.stdout}${ended.stderr}`)
    rss = Math.max(rss, read().rss)
  }
  const ms = median(times)
  return { what: `${what}: ${ms.toFixed(0)} ms`, rate: 1000 / ms, rss }
}

/** `ssmsend` with nothing to send beside an empty Node, and the Python program when it is there. Bundled: as packages have it. */
export async function idle(dir: string): Promise<Figure[]> {
  const site = createSite(dir, 1)
  const bundle = join(dir, 'bundle')
  buildBundle(bundle)
  const bundled = [join(bundle, 'bin', 'ssmsend.js'), '-c', site.senderCfg]
  return [
    await timeStart('node -e 0', () => startChild(process.execPath, ['-e', '0'])),
    await timeStart('ssmsend, bundled, nothing to send', () => startChild(process.execPath, bundled)),
    await timeStart('ssmsend, nothing to send', () => site.startSender()),
    ...(hasPythonSsm ? [await timeStart('  Python SSM, nothing to send', () => startPythonSender(site))] : []),
  ]
}

const MIB = 1024 * 1024

/** The longest pause of the event loop after the program's start-up, ms. */
function longestPause(file: string, since: number): number {
  const pauses = JSON.parse(readFileSync(file, 'utf8')) as readonly { readonly at: number; readonly ms: number }[]
  return Math.max(0, ...pauses.filter(({ at, ms }) => at - ms >= since).map(({ ms }) => ms))
}

/** When the first line with these words was logged, ms since the epoch. */
function loggedAt(site: Site, program: 'ssmsend' | 'ssmreceive', words: string): number {
  const line =
    site
      .log(program)
      .split('\n')
      .find((each) => each.includes(words)) ?? ''
  return new Date(`${line.slice(0, 10)}T${line.slice(11, 19)}.${line.slice(20, 23)}`).getTime()
}

/** Runs with the preload that watches the event loop. */
function watched<T>(file: string, start: () => T): T {
  const preload = pathToFileURL(join(import.meta.dirname, 'loop-delay.js')).href
  const before = { options: process.env.NODE_OPTIONS, file: process.env.SSM_BENCH_LOOP }
  Object.assign(process.env, { NODE_OPTIONS: `--import ${preload}`, SSM_BENCH_LOOP: file })
  try {
    return start()
  } finally {
    for (const [name, value] of [
      ['NODE_OPTIONS', before.options],
      ['SSM_BENCH_LOOP', before.file],
    ] as const) {
      if (value === undefined) Reflect.deleteProperty(process.env, name)
      else process.env[name] = value
    }
  }
}

/** One message of 10 MB, signed and encrypted, through RabbitMQ: whole processes, and how long the event loop stood still. */
export async function big(dir: string): Promise<Figure[]> {
  await using broker = await startRabbitmq()
  const site = createSite(dir, broker.port)
  site.configure({ sender: { certificates: { server_cert: site.pki.other.certificateFile } } })
  const figures: Figure[] = []
  const note = (what: string, ms: number, rss: number, pause?: number): void => {
    const stood = pause === undefined ? '' : `, event loop stood ${pause.toFixed(0)} ms`
    figures.push({ what: `${what} 10 MB: ${(ms / 1000).toFixed(2)} s${stood}`, rate: 1000 / ms, rss })
  }
  const receive = async (what: string, start: () => Promise<Running>, stop: NodeJS.Signals): Promise<void> => {
    const had = site.countIncoming()
    const file = join(dir, 'loop-receive')
    const begin = performance.now()
    const running = await watched(file, start)
    const read = meter(running)
    await eventually('it is stored', () => site.countIncoming() > had, 60, 5)
    const ms = performance.now() - begin
    const { rss } = read()
    await running.stop(stop)
    note(what, ms, rss, stop === 'SIGTERM' ? longestPause(file, loggedAt(site, 'ssmreceive', 'Connected.')) : undefined)
  }
  const send = async (what: string, start: () => Running, isOurs: boolean): Promise<void> => {
    fillOutgoing(site.outgoing, 1, ['ascii'], 10 * MIB)
    const file = join(dir, 'loop-send')
    const begin = performance.now()
    const running = watched(file, start)
    const read = meter(running)
    const { code, stderr } = await running.ended
    const ms = performance.now() - begin
    if (code !== 0) throw new Error(`${what}: exit ${code}: ${stderr}`)
    note(what, ms, read().rss, isOurs ? longestPause(file, loggedAt(site, 'ssmsend', 'Found 1 messages')) : undefined)
  }
  await send('send', () => site.startSender(), true)
  await receive('receive', () => Promise.resolve(site.startReceiver()), 'SIGTERM')
  if (hasPythonSsm) {
    await send('  Python SSM, send', () => startPythonSender(site), false)
    await receive('  Python SSM, receive', () => startPythonReceiver(site), 'SIGKILL')
  }
  return figures
}
