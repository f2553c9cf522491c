/** What `[monitoring]` asks for: a port that can be looked at, and a file for node_exporter. Neither ever stops a message. */
import type { MonitoringConfig } from '../../config/config.js'
import { messageOf } from '../../errors.js'
import type { Logger } from '../../observe/log.js'
import { systemClock } from '../../os/clock.js'
import { createDisk } from '../../os/disk.js'
import { replaceFile } from '../../os/durable.js'
import { remembered } from '../status/remembered.js'
import type { GetStatus } from '../status/status.js'
import type { Page, Pages } from './http.js'

/** Each answer is made anew after so long, ms: whoever asks a thousand times a second gets the same one. */
const FRESH = 1000
/** A sender that stays writes its metrics so often, ms. */
const WRITE_INTERVAL = 60_000

const TEXT = 'text/plain; charset=utf-8'

/** Listens, where it is asked for, until it is disposed. What goes wrong is said. */
export async function openMonitoring(
  { listen, names }: Omit<MonitoringConfig, 'textfile'>,
  status: GetStatus,
  log: Logger,
): Promise<AsyncDisposable> {
  const nothing = { [Symbol.asyncDispose]: () => Promise.resolve() }
  if (listen === undefined) return nothing
  try {
    const { openHttp } = await import('./http.js')
    const server = await openHttp({ listen, names, pages: await pagesOf(status) })
    log.info('Monitoring listens on %s, port %s', server.address.address, server.address.port)
    return server
  } catch (error) {
    log.warning('There is no monitoring: %s', { message: messageOf(error) })
    return nothing
  }
}

/** All there are. `/healthz`: that it answers is the answer. */
export async function pagesOf(status: GetStatus): Promise<Pages> {
  const [{ renderPage }, { STYLE }, { METRICS_TYPE, metricsOf }] = await Promise.all([
    import('./page.js'),
    import('./style.js'),
    import('./metrics.js'),
  ])
  const page = async (): Promise<Page> => ({
    type: 'text/html; charset=utf-8',
    body: renderPage(await status()).text,
  })
  const ready = async (): Promise<Page> => {
    const { ok, words } = (await status()).health
    return { status: ok ? 200 : 503, type: TEXT, body: `${words}\n` }
  }
  const pages: readonly (readonly [string, () => Promise<Page>])[] = [
    ['/', page],
    ['/style.css', () => Promise.resolve({ type: 'text/css; charset=utf-8', body: STYLE })],
    ['/metrics', async () => ({ type: METRICS_TYPE, body: await metricsOf(await status()) })],
    // That it answers is the answer.
    ['/healthz', () => Promise.resolve({ type: TEXT, body: 'ok\n' })],
    ['/readyz', ready],
  ]
  return new Map(pages.map(([path, make]) => [path, remembered(make, systemClock, FRESH)]))
}

/** Writes metrics for node_exporter. Never throws: what goes wrong is said. */
export async function writeTextfile(
  path: string,
  make: () => Promise<string>,
  log: Logger,
  disk = createDisk(),
): Promise<void> {
  try {
    await replaceFile(disk, path, Buffer.from(await make()), 0o644)
  } catch (error) {
    log.warning('The metrics were not written: %s', { message: messageOf(error) })
  }
}

/** Writes at once, every minute, and at the end. */
export function keepTextfile(path: string | undefined, status: GetStatus, log: Logger): AsyncDisposable {
  if (path === undefined) return { [Symbol.asyncDispose]: () => Promise.resolve() }
  const make = async (): Promise<string> => {
    const { metricsOf } = await import('./metrics.js')
    return await metricsOf(await status())
  }
  let writing = writeTextfile(path, make, log)
  const timer = setInterval(() => {
    writing = writing.then(() => writeTextfile(path, make, log))
  }, WRITE_INTERVAL)
  timer.unref()
  return {
    async [Symbol.asyncDispose]() {
      clearInterval(timer)
      await writing.then(() => writeTextfile(path, make, log))
    },
  }
}
