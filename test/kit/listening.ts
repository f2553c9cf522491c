/**
 * A listener for tests: bound to a free port of the loopback, its log kept, its deliveries taken one by one.
 */
import assert from 'node:assert/strict'
import { createListenerTransport, type ListenerSettings } from '../../src/transport/listener/index.js'
import type { Delivery } from '../../src/transport/port.js'
import { testDeps } from './transport.js'

export interface Listening extends AsyncDisposable {
  readonly port: number
  /** `LEVEL text` of every line so far. */
  readonly log: readonly string[]
  /** The next delivery; rejects after 5 s. */
  take(): Promise<Delivery>
  /** Resolves true when nothing is delivered for `ms`. */
  quiet(ms: number): Promise<boolean>
  /** Stores everything that comes from now on; the ids and bodies are kept. */
  storeAll(): { readonly id: string; readonly body: Buffer }[]
}

export const DESTINATION = '/queue/accounting'

export async function openListening(settings: Partial<ListenerSettings> = {}): Promise<Listening> {
  const deps = testDeps()
  const transport = createListenerTransport(
    {
      listen: { host: '127.0.0.1', port: 0 },
      tls: null,
      destination: DESTINATION,
      window: { messages: 64, bytes: 32 * 1024 * 1024 },
      maxConnections: 100,
      maxMessageSize: 1024 * 1024,
      ...settings,
      limits: { tickMs: 20, drainMs: 500, lingerMs: 500, ...settings.limits },
    },
    deps,
  )
  const subscriber = await transport.openSubscriber(new AbortController().signal)
  const address = transport.address()
  assert.ok(address !== null)
  const deliveries = subscriber[Symbol.asyncIterator]()
  // A delivery that was asked for too early is not lost: it is the next one taken.
  let pending: Promise<IteratorResult<Delivery>> | undefined
  const wait = async (ms: number): Promise<Delivery | 'nothing' | 'end'> => {
    pending ??= deliveries.next()
    let timer: NodeJS.Timeout | undefined
    const timeout = new Promise<'nothing'>((resolve) => {
      timer = setTimeout(resolve, ms, 'nothing')
    })
    const first = await Promise.race([pending, timeout])
    clearTimeout(timer)
    if (first === 'nothing') return first
    pending = undefined
    return first.done === true ? 'end' : first.value
  }
  return {
    port: address.port,
    log: deps.log.lines,
    async take() {
      const delivery = await wait(5000)
      assert.ok(typeof delivery === 'object', 'no delivery')
      return delivery
    },
    async quiet(ms) {
      assert.equal(pending, undefined)
      const deadline = performance.now() + ms
      const found = await wait(ms)
      if (typeof found === 'object') pending = Promise.resolve({ done: false, value: found })
      return found === 'nothing' || performance.now() > deadline
    },
    storeAll() {
      const stored: { readonly id: string; readonly body: Buffer }[] = []
      void (async () => {
        for (;;) {
          const found = await wait(600_000)
          if (typeof found !== 'object') return
          stored.push({ id: found.id, body: Buffer.from(found.body) })
          found.stored()
        }
      })()
      return stored
    },
    [Symbol.asyncDispose]: () => subscriber[Symbol.asyncDispose](),
  }
}
