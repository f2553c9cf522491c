/**
 * A thousand encrypted messages among plain ones; the receiver is killed again and again, and the thread that uses its private key
 * dies as well: lost 0, doubled 0, altered 0, refused 0.
 */
import assert from 'node:assert/strict'
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { pathToFileURL } from 'node:url'
import { BROKERS } from '../kit/brokers.js'
import { elementsLeft, fillOutgoing, TEXT_KINDS } from '../kit/records.js'
import { scratch } from '../kit/scratch.js'
import { createSite, eventually, startProgram } from '../kit/site.js'

const MESSAGES = 1000
const KILLS = 5
const [RABBITMQ] = BROKERS

/** Loaded before the receiver: each thread of its is ended a while after its first message, in the middle of its work. */
const THREADS_DIE = `
import threads from 'node:worker_threads'
import { syncBuiltinESMExports } from 'node:module'
const { Worker } = threads
threads.Worker = class extends Worker {
  postMessage(...asked) {
    super.postMessage(...asked)
    this.timer ??= setTimeout(() => void this.terminate(), Math.random() * 60)
  }
}
syncBuiltinESMExports()
`

test(
  `${MESSAGES} encrypted messages among as many plain ones, ${KILLS} times kill -9: lost 0, doubled 0`,
  { skip: RABBITMQ!.skip },
  async (t) => {
    await using broker = await RABBITMQ!.start()
    const site = createSite(scratch(t), broker.port)
    site.configure({
      sender: { certificates: { server_cert: site.pki.other.certificateFile } },
      receiver: { logging: { level: 'DEBUG' } },
    })
    const sent = fillOutgoing(site.outgoing, MESSAGES, TEXT_KINDS, 2000)
    const others = join(site.dir, 'outgoing-plain')
    mkdirSync(others)
    sent.push(...fillOutgoing(others, MESSAGES, TEXT_KINDS, 2000))
    const plainCfg = join(site.dir, 'plain.cfg')
    const text = readFileSync(site.senderCfg, 'utf8')
    writeFileSync(plainCfg, text.replace(site.outgoing, others).replace(/^server_cert.*\n/m, ''))
    const senders = [site.startSender(), startProgram('ssmsend', ['-c', plainCfg])]
    const preload = join(site.dir, 'threads-die.mjs')
    writeFileSync(preload, THREADS_DIE)
    const env = { NODE_OPTIONS: `--import=${pathToFileURL(preload).href}` }
    for (let kill = 1; kill <= KILLS; kill += 1) {
      const receiver = kill % 2 === 0 ? site.startReceiver() : site.startWith('ssmreceive', { env })
      const goal = Math.floor((kill * 2 * MESSAGES) / (KILLS + 2))
      await eventually(`${goal} arrived`, () => site.countIncoming() >= goal, 120, 1)
      await receiver.stop('SIGKILL')
    }
    for (const { ended } of senders) {
      const { code, stdout, stderr } = await ended
      assert.equal(code, 0, stdout + stderr)
    }
    assert.deepEqual([...elementsLeft(site.outgoing), ...elementsLeft(others)], [])
    const last = site.startReceiver()
    await eventually('all arrived', () => site.countIncoming() >= 2 * MESSAGES, 120)
    // What the broker still has, if anything, would come within this time.
    await sleep(2000)
    assert.equal((await last.stop()).code, 0)
    const inOrder = (bodies: readonly (Buffer | undefined)[]): string[] => bodies.map((body) => String(body)).sort()
    assert.deepEqual(inOrder(site.incoming().map(({ body }) => body)), inOrder(sent))
    assert.deepEqual(site.reject(), [])
    const log = site.log('ssmreceive')
    const times = (words: RegExp): number => log.match(words)?.length ?? 0
    const [threads, deaths] = [times(/ in a thread of their own\./g), times(/ their own thread is gone: /g)]
    const again = times(/ was already stored as /g)
    t.diagnostic(`${threads} threads, ${deaths} died alone, ${again} messages came again after they were stored`)
    assert.ok(threads >= KILLS && deaths > 0 && again > 0, 'no kill hit what it should: the test proves nothing')
  },
)
