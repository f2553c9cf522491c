import assert from 'node:assert/strict'
import { test } from 'node:test'
import { SsmError } from '../../src/errors.js'
import type { Dn, Open, Opened } from '../../src/message.js'
import { judgeHeld } from '../../src/pipeline/held.js'
import { createJudge, errorText } from '../../src/pipeline/judge.js'
import { createPlace, type HeldElement, type Ledger } from '../../src/pipeline/place.js'
import { receive } from '../../src/pipeline/receive.js'
import { supervise } from '../../src/pipeline/supervise.js'
import { identify } from '../../src/spool/journal/identity.js'
import type { Spool } from '../../src/spool/port.js'
import type { Delivery, Subscriber, Transport } from '../../src/transport/port.js'
import { createFastClock, MemoryLog, MemorySpool } from './doubles.js'

const signer: Dn = { rdns: [], slash: '/CN=a', key: 'a' }
const identity = { certificate: '', signature: '', content: '' }

const ODD: Readonly<Record<string, unknown>> = {
  'odd text': 'text',
  'odd undefined': undefined,
  'odd null': null,
  'odd object': { toString: undefined },
  'odd number': 7,
}

/** Verdict by the text of the message. */
const open: Open = (wire) => {
  const text = Buffer.from(wire).toString()
  if (text === 'throw') return Promise.reject(new TypeError('bug'))
  // Not Errors: whatever a library throws.
  // eslint-disable-next-line @typescript-eslint/prefer-promise-reject-errors -- this is what is tried
  if (text.startsWith('odd ')) return Promise.reject(ODD[text])
  if (text === 'odd-now') throw 'thrown before there was a promise' // eslint-disable-line @typescript-eslint/only-throw-error
  if (text === 'trouble') return Promise.reject(new SsmError('no-trust', 'no CA directory'))
  if (text === 'hold') return Promise.resolve({ verdict: 'hold', reason: 'crl-outdated', detail: 'old', ca: '/CN=CA' })
  if (text === 'bad') return Promise.resolve({ verdict: 'no', reason: 'signature', detail: 'altered' })
  return Promise.resolve({ verdict: 'ok', plain: { body: wire }, signer, identity })
}

/** A broker with these bodies: unacknowledged ones come again at the next subscription. */
function createBroker(bodies: readonly string[]): Transport & { waiting: Set<string>; opened: number } {
  const waiting = new Set(bodies)
  const broker = {
    waiting,
    opened: 0,
    openPublisher: () => Promise.reject(new SsmError('usage', 'not here')),
    openSubscriber: (signal: AbortSignal): Promise<Subscriber> => {
      broker.opened += 1
      const ended = new Promise<void>((resolve) => {
        signal.addEventListener('abort', () => {
          resolve()
        })
      })
      async function* deliver(): AsyncGenerator<Delivery, void> {
        for (const text of [...waiting]) {
          if (signal.aborted) return
          yield {
            id: `id-${text}`,
            body: Buffer.from(text),
            stored: () => waiting.delete(text),
            release: () => undefined,
          }
        }
        await ended
      }
      return Promise.resolve({ [Symbol.asyncIterator]: deliver, [Symbol.asyncDispose]: () => Promise.resolve() })
    },
  }
  return broker
}

interface Stored {
  readonly incoming: string[]
  readonly reject: string[]
  readonly held: string[]
}

function createScene() {
  const log = new MemoryLog()
  const stored: Stored = { incoming: [], reject: [], held: [] }
  const ledger: Ledger = {
    look: () => undefined,
    store: (queue, element) => {
      const body = Buffer.from(element.body).toString()
      stored[queue].push('error' in element ? `${body}: ${element.error}` : body)
      return Promise.resolve('00000000/name')
    },
  }
  const printable = (text: string, limit: number) => text.slice(0, limit)
  const place = createPlace({ ledger, identify, replay: 'store', log, printable, now: () => 0 })
  return { log, stored, place }
}

async function until(condition: () => boolean): Promise<void> {
  for (let i = 0; i < 1000 && !condition(); i++) await new Promise((resolve) => setImmediate(resolve))
  assert.ok(condition())
}

test('every delivery ends in one place and is then acknowledged; a bug of ours stops nothing', async () => {
  const good = Array.from({ length: 20 }, (_, i) => `good${i}`)
  const broker = createBroker(['throw', 'bad', 'hold', ...good])
  const { log, stored, place } = createScene()
  const stop = new AbortController()
  const judge = createJudge({ open, log })
  const done = supervise(
    {
      transport: broker,
      receive: (subscriber, hooks) => receive(subscriber, { open: judge, place, log, ...hooks }),
      programLog: log,
      log,
      clock: createFastClock(),
    },
    stop.signal,
  )
  await until(() => broker.waiting.size === 0)
  stop.abort()
  await done
  assert.deepEqual(stored.incoming.sort(), good.sort())
  assert.deepEqual(stored.reject.sort(), [
    'bad: Failed to verify message: altered [signature]',
    'throw: a fault of this program while opening the message: bug [internal]',
  ])
  assert.deepEqual(stored.held, ['hold: Failed to verify message: old [crl-outdated]'])
  assert.ok(log.lines.includes('INFO Valid signer: /CN=a'))
  assert.ok(log.lines.includes('ERROR Failed to verify message: altered'))
})

test('what is thrown and is no Error stops nothing either, while judging and while placing', async () => {
  const odd = [...Object.keys(ODD), 'odd-now']
  const good = Array.from({ length: 20 }, (_, i) => `good${i}`)
  const broker = createBroker([...odd, ...good])
  const { log, stored, place } = createScene()
  const placing: unknown[] = ['text', undefined, null]
  const end = new AbortController()
  const done = receive(await broker.openSubscriber(end.signal), {
    open: createJudge({ open, log }),
    place: (opened, wire, id) => {
      // Once each, for three good ones.
      // eslint-disable-next-line @typescript-eslint/prefer-promise-reject-errors -- this is what is tried
      if (opened.verdict === 'ok' && placing.length > 0) return Promise.reject(placing.pop())
      return place(opened, wire, id)
    },
    log,
    onStored: () => undefined,
    end: () => {
      end.abort()
    },
  })
  await until(() => broker.waiting.size === 0)
  end.abort()
  await done
  assert.equal(stored.incoming.length, good.length - 3)
  assert.equal(stored.reject.length, odd.length + 3)
  for (const each of stored.reject) assert.match(each, /a fault of this program .*\[internal\]$/)
})

test('ready is asked before each connection; while it throws there is none, and it is said once a minute', async () => {
  const broker = createBroker(['good'])
  const { log, place } = createScene()
  const clock = createFastClock()
  const stop = new AbortController()
  const answers = [new SsmError('disk', 'the disk is full'), 'text', undefined]
  let asked = 0
  const done = supervise(
    {
      transport: broker,
      ready: () => {
        asked += 1
        const trouble = answers.shift()
        // eslint-disable-next-line @typescript-eslint/prefer-promise-reject-errors -- not only Errors are thrown
        return trouble === undefined ? Promise.resolve() : Promise.reject(trouble)
      },
      receive: (subscriber, hooks) => receive(subscriber, { open: createJudge({ open, log }), place, log, ...hooks }),
      programLog: log,
      log,
      clock,
    },
    stop.signal,
  )
  await until(() => broker.waiting.size === 0)
  stop.abort()
  await done
  assert.deepEqual([asked, broker.opened, clock.slept.length], [3, 1, 2])
  assert.equal(log.lines.filter((line) => line.includes('Not taking messages for now')).length, 1)
})

test('ready: a configuration that is wrong ends it, before any connection', async () => {
  const broker = createBroker([])
  const { log } = createScene()
  const wrong = new SsmError('configuration', 'the spool is somebody else’s')
  const deps = { transport: broker, ready: () => Promise.reject(wrong), receive: () => Promise.resolve() }
  const running = supervise({ ...deps, programLog: log, log, clock: createFastClock() }, new AbortController().signal)
  await assert.rejects(running, wrong)
  assert.equal(broker.opened, 0)
})

test('trouble of ours rejects nothing: the message goes back and is taken when the trouble is over', async () => {
  const broker = createBroker(['one', 'two'])
  const { log, stored, place } = createScene()
  const stop = new AbortController()
  const clock = createFastClock()
  let full = true
  const done = supervise(
    {
      transport: broker,
      receive: (subscriber, hooks) =>
        receive(subscriber, {
          open,
          place: (...args) => (full ? Promise.reject(new SsmError('disk', 'ENOSPC: full')) : place(...args)),
          log,
          ...hooks,
        }),
      programLog: log,
      log,
      clock,
    },
    stop.signal,
  )
  await until(() => broker.opened >= 12)
  assert.equal(broker.waiting.size, 2)
  full = false
  await until(() => broker.waiting.size === 0)
  stop.abort()
  await done
  assert.deepEqual(stored, { incoming: ['one', 'two'], reject: [], held: [] })
  const complaints = log.lines.filter((line) => line.startsWith('ERROR Not taking messages for now'))
  const minutes = clock.slept.reduce((sum, ms) => sum + ms, 0) / 60_000
  assert.ok(complaints.length >= 1 && complaints.length <= minutes + 2, `${complaints.length} in ${minutes} min`)
  assert.ok(Math.max(...clock.slept) <= 60_000 && clock.slept[0]! <= 1000)
})

test('no-trust is trouble of ours even while judging', async () => {
  await assert.rejects(createJudge({ open, log: new MemoryLog() })(Buffer.from('trouble')), /no CA directory/)
})

test('the error field begins as the reference writes it', () => {
  const field = (opened: Omit<Extract<Opened, { verdict: 'hold' | 'no' }>, 'verdict'>) =>
    errorText({ verdict: 'no', ...opened })
  assert.equal(field({ reason: 'undecryptable', detail: 'x' }), 'Failed to decrypt message: x')
  assert.equal(field({ reason: 'untrusted', detail: 'x' }), 'Failed to verify message: x')
  assert.equal(field({ reason: 'not-listed', detail: '/CN=b' }), 'Signer not in valid DNs list: /CN=b')
})

test('held messages are judged again; those held too long are rejected with their reason', async () => {
  const { log, stored, place } = createScene()
  const memory = new MemorySpool()
  const element = (body: string, since: number): HeldElement => ({
    body: Buffer.from(body),
    empaid: 'x',
    error: '',
    ca: '',
    since: String(since),
  })
  const elements = new Map([
    ['a', element('hold', 1000)],
    ['b', element('fine', 1000)],
    ['c', element('hold', 0)],
  ])
  for (const name of elements.keys()) memory.elements.set(name, Buffer.from(name))
  const held: Spool<HeldElement> = {
    add: () => Promise.reject(new Error('not here')),
    ids: () => memory.ids(),
    count: () => memory.count(),
    purge: () => memory.purge(),
    claim: async (id) => {
      const claim = await memory.claim(id)
      return claim === null ? null : { ...claim, read: () => Promise.resolve(elements.get(id)!) }
    },
  }
  const gone: string[] = []
  const left = await judgeHeld(
    {
      held,
      open,
      place,
      log,
      now: () => 1500,
      keep: 1000,
      onLeft: ({ body }) => gone.push(Buffer.from(body).toString()),
    },
    new AbortController().signal,
  )
  assert.equal(left, 2)
  assert.deepEqual(stored, {
    incoming: ['fine'],
    reject: ['hold: Failed to verify message: old [crl-outdated]'],
    held: [],
  })
  assert.deepEqual([...memory.elements.keys()], ['a'])
  assert.deepEqual(gone.sort(), ['fine', 'hold'])
})
