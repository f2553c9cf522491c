import assert from 'node:assert/strict'
import { test } from 'node:test'
import { isSsmError, SsmError } from '../../src/errors.js'
import type { Sealed } from '../../src/message.js'
import { sendAll, type SendDeps } from '../../src/pipeline/send.js'
import type { Transport } from '../../src/transport/port.js'
import { createFastClock, createScriptedTransport, MemoryLog, MemorySpool, type Script } from './doubles.js'

interface Scene {
  readonly spool: MemorySpool
  readonly log: MemoryLog
  readonly asides: string[]
  readonly deps: SendDeps
}

function scene(spool: MemorySpool, transport: Transport): Scene {
  const log = new MemoryLog()
  const asides: string[] = []
  const deps: SendDeps = {
    outgoing: spool,
    setAside: async (claim, why) => {
      asides.push(`${claim.id}: ${why}`)
      await claim.remove()
    },
    seal: ({ body }) => {
      if (Buffer.from(body).toString() === 'bad') return Promise.reject(new SsmError('cannot-seal', 'not-utf8'))
      return Promise.resolve(body as Sealed)
    },
    transport,
    window: { messages: 8, bytes: 1024 },
    log,
    clock: createFastClock(),
  }
  return { spool, log, asides, deps }
}

const signals = () => ({ stop: new AbortController().signal, force: new AbortController().signal })
const lost = () => new SsmError('connection-lost', 'cut')
const run = (count: number, script: Script) => scene(new MemorySpool(count), createScriptedTransport(script))

test('everything is sent and removed, a window at a time', async () => {
  const transport = createScriptedTransport(() => ({}))
  const { spool, deps, log } = scene(new MemorySpool(100), transport)
  assert.deepEqual(await sendAll(deps, signals()), { sent: 100, setAside: 0, locked: 0, left: 0 })
  assert.equal(spool.elements.size, 0)
  assert.equal(transport.maxInFlight, 8)
  assert.ok(log.lines.includes('INFO Sent m0042'))
})

test('the window of bytes counts bodies, and one larger than it still goes', async () => {
  const transport = createScriptedTransport(() => ({}))
  const spool = new MemorySpool()
  for (let i = 0; i < 6; i++) spool.elements.set(`e${i}`, Buffer.alloc(i === 3 ? 5000 : 400, 97))
  const { deps } = scene(spool, transport)
  assert.equal((await sendAll(deps, signals())).sent, 6)
  assert.equal(transport.maxInFlight, 2)
})

test('a message without a receipt stays, and its claim is released', async () => {
  const { spool, deps } = run(5, (id) => {
    if (id === 'm0002') throw new SsmError('login-refused', 'no')
    return {}
  })
  await assert.rejects(sendAll(deps, signals()), (error) => isSsmError(error, 'login-refused'))
  assert.ok(spool.elements.has('m0002'))
  assert.equal(spool.locked.size, 0)
})

test('a cut connection loses nothing: all unreceipted are sent again', async () => {
  let cuts = 0
  const { spool, deps, asides } = run(30, (id) => {
    if (id === 'm0010' && cuts++ === 0) throw lost()
    return {}
  })
  const report = await sendAll(deps, signals())
  assert.equal(report.sent, 30)
  assert.equal(spool.elements.size, 0)
  assert.deepEqual(asides, [])
})

test('the one message that ends the connection is found, and only it is set aside', async () => {
  const { spool, deps, asides } = run(30, (id) => {
    if (id === 'm0010') throw lost()
    return {}
  })
  const report = await sendAll(deps, signals())
  assert.deepEqual(
    asides.map((line) => line.slice(0, 5)),
    ['m0010'],
  )
  assert.deepEqual(report, { sent: 29, setAside: 1, locked: 0, left: 0 })
  assert.equal(spool.elements.size, 0)
})

test('a broker that cuts whatever is sent ends the run, and no message is blamed', async () => {
  const { spool, deps, asides } = run(10, () => {
    throw lost()
  })
  await assert.rejects(sendAll(deps, signals()), (error) => isSsmError(error, 'connection-lost'))
  assert.equal(spool.elements.size, 10)
  assert.equal(spool.locked.size, 0)
  assert.deepEqual(asides, [])
})

test('a single message that ends every connection stays: nothing else speaks for the broker', async () => {
  const { spool, deps, asides } = run(1, () => {
    throw lost()
  })
  await assert.rejects(sendAll(deps, signals()), (error) => isSsmError(error, 'connection-lost'))
  assert.deepEqual([spool.elements.size, spool.locked.size, asides.length], [1, 0, 0])
})

test('two refused messages are set aside, the others arrive', async () => {
  const { deps, asides } = run(20, (id) => {
    if (id === 'm0003' || id === 'm0009') throw new SsmError('message-refused', 'too large')
    return {}
  })
  assert.deepEqual(await sendAll(deps, signals()), { sent: 18, setAside: 2, locked: 0, left: 0 })
  assert.deepEqual(asides.sort(), ['m0003: too large [message-refused]', 'm0009: too large [message-refused]'])
})

test('a connection that a refusal ended is asked for nothing more, and nobody else is blamed', async () => {
  const asked: string[] = []
  let connections = 0
  const transport: Transport = {
    openSubscriber: () => Promise.reject(new SsmError('usage', 'not here')),
    openPublisher: () => {
      const connection = ++connections
      const ended = new AbortController()
      return Promise.resolve({
        lost: ended.signal,
        async publish({ id }) {
          asked.push(`${connection} ${id}${ended.signal.aborted ? ' in vain' : ''}`)
          await new Promise((resolve) => setImmediate(resolve))
          const fails = connection === 1 || id === 'm0000'
          if (fails) ended.abort(lost())
          if (connection > 1 && fails) throw new SsmError('message-refused', 'not this one')
          if (ended.signal.aborted) throw lost()
          return {}
        },
        [Symbol.asyncDispose]: () => Promise.resolve(),
      })
    },
  }
  const { deps, asides, log } = scene(new MemorySpool(3), transport)
  assert.deepEqual(await sendAll(deps, signals()), { sent: 2, setAside: 1, locked: 0, left: 0 })
  const suspects = ['1 m0000', '1 m0001', '1 m0002', '2 m0000', '3 m0001', '3 m0002']
  assert.deepEqual([asked, asides], [suspects, ['m0000: not this one [message-refused]']])
  assert.deepEqual(
    log.lines.filter((line) => line.includes('locked')),
    [],
  )
})

test('three refusals in a row put the three back and end the run', async () => {
  const { spool, deps, asides } = run(20, () => {
    throw new SsmError('message-refused', 'no rights')
  })
  await assert.rejects(sendAll(deps, signals()), /in a row.*no rights/)
  assert.deepEqual([spool.elements.size, spool.locked.size, asides.length], [20, 0, 0])
})

test('what cannot be sealed is set aside with the reason', async () => {
  const { spool, deps, asides } = run(3, () => ({}))
  spool.elements.set('m0001', Buffer.from('bad'))
  assert.deepEqual(await sendAll(deps, signals()), { sent: 2, setAside: 1, locked: 0, left: 0 })
  assert.deepEqual(asides, ['m0001: not-utf8 [cannot-seal]'])
})

test('a locked message is named and left', async () => {
  const { spool, deps, log } = run(3, () => ({}))
  spool.locked.add('m0001')
  assert.deepEqual(await sendAll(deps, signals()), { sent: 2, setAside: 0, locked: 1, left: 0 })
  assert.ok(log.lines.includes('WARNING Message was locked. m0001 will not be sent.'))
})

test('trouble with one element leaves it; three in a row end the run', async () => {
  const one = run(5, () => ({}))
  const claim = one.spool.claim.bind(one.spool)
  one.spool.claim = (id) => (id === 'm0001' ? Promise.reject(new SsmError('disk', 'EPERM')) : claim(id))
  assert.deepEqual(await sendAll(one.deps, signals()), { sent: 4, setAside: 0, locked: 0, left: 1 })
  const all = run(9, () => ({}))
  all.spool.claim = () => Promise.reject(new SsmError('disk', 'EROFS'))
  await assert.rejects(sendAll(all.deps, signals()), /EROFS/)
  assert.equal(all.spool.elements.size, 9)
})

test('stop takes no new message and finishes those in flight', async () => {
  const stop = new AbortController()
  let seen = 0
  const { spool, deps } = run(100, () => {
    if (++seen === 20) stop.abort()
    return {}
  })
  const report = await sendAll(deps, { stop: stop.signal, force: new AbortController().signal })
  assert.ok(report.sent >= 20 && report.sent < 40, String(report.sent))
  assert.equal(spool.elements.size, 100 - report.sent)
  assert.equal(spool.locked.size, 0)
})

test('no broker for a minute ends the run; a broker that comes back does not', async () => {
  const { deps } = run(3, () => ({}))
  const clock = createFastClock()
  const open = deps.transport.openPublisher.bind(deps.transport)
  let tries = 0
  const away = (until: number): Transport => ({
    ...deps.transport,
    openPublisher: (signal) => (++tries < until ? Promise.reject(new SsmError('unreachable', 'down')) : open(signal)),
  })
  await assert.rejects(sendAll({ ...deps, clock, transport: away(Infinity) }, signals()), /down/)
  assert.deepEqual([tries, clock.slept.length], [13, 12])
  tries = 0
  assert.equal((await sendAll({ ...deps, clock, transport: away(4) }, signals())).sent, 3)
})

test('a copy is kept before the broker is asked, confirmed when the element is gone, dropped when it stays', async () => {
  const happened: string[] = []
  const { deps, spool } = run(4, (id) => {
    happened.push(`ask ${id}`)
    if (id === 'm0001') throw new SsmError('message-refused', 'no')
    return {}
  })
  const archive: SendDeps['archive'] = {
    keep: (id) => {
      happened.push(`keep ${id}`)
      if (id === 'm0003') return Promise.reject(new SsmError('disk', 'ENOSPC'))
      return Promise.resolve({
        confirm: () => void happened.push(`confirm ${id} ${String(spool.elements.has(id))}`),
        drop: () => void happened.push(`drop ${id}`),
      })
    },
  }
  const claim = spool.claim.bind(spool)
  spool.claim = async (id) => {
    const claimed = await claim(id)
    const fails = () => Promise.reject(new SsmError('lock-lost', 'gone'))
    return claimed === null || id !== 'm0002' ? claimed : { ...claimed, remove: fails }
  }
  assert.deepEqual(await sendAll({ ...deps, archive }, signals()), { sent: 2, setAside: 1, locked: 0, left: 2 })
  const of = (id: string): string[] => happened.filter((line) => line.includes(id))
  assert.deepEqual(of('m0000'), ['keep m0000', 'ask m0000', 'confirm m0000 false'])
  assert.deepEqual(of('m0001'), ['keep m0001', 'ask m0001', 'drop m0001'])
  assert.deepEqual(of('m0002'), ['keep m0002', 'ask m0002', 'confirm m0002 true'])
  assert.deepEqual(of('m0003'), ['keep m0003'], 'nothing is sent without its copy')
})

test('the copy of what is gone is confirmed, although the disk failed at its removal', async () => {
  const happened: string[] = []
  const { deps, spool } = run(2, () => ({}))
  const keep = (id: string) =>
    Promise.resolve({
      confirm: () => void happened.push(`confirm ${id}`),
      drop: () => void happened.push(`drop ${id}`),
    })
  const claim = spool.claim.bind(spool)
  spool.claim = async (id) => {
    const claimed = await claim(id)
    const remove = (): Promise<void> => {
      if (id === 'm0001') spool.elements.delete(id)
      return Promise.reject(new SsmError('disk', 'EIO'))
    }
    return claimed && { ...claimed, remove }
  }
  const has = (id: string): boolean => spool.elements.has(id)
  await sendAll({ ...deps, archive: { keep }, outgoing: Object.assign(spool, { has }) }, signals())
  assert.deepEqual(happened.sort(), ['confirm m0001', 'drop m0000'])
})

test('elements that only their owner may lock do not hold up those behind them', async () => {
  const { deps, spool } = run(12, () => ({}))
  const claim = spool.claim.bind(spool)
  const cause = Object.assign(new Error('EPERM'), { code: 'EPERM' })
  spool.claim = (id) => (id < 'm0008' ? Promise.reject(new SsmError('disk', 'not ours', { cause })) : claim(id))
  assert.deepEqual(await sendAll(deps, signals()), { sent: 4, setAside: 0, locked: 0, left: 8 })
})
