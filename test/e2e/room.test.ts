/** Limits of the receiver's spools as an operator sets them: `max_spool_messages` pauses and goes on, `reject_max_bytes` drops. */
import assert from 'node:assert/strict'
import { rmSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { sealed } from '../kit/bad-messages.js'
import { startMiniBroker } from '../kit/mini-broker.js'
import { scratch } from '../kit/scratch.js'
import { createSite, elementsOf, eventually } from '../kit/site.js'
import { connectStomp, sendFrame } from '../kit/stomp-client.js'

async function publish(port: number, messages: readonly (readonly [string, Buffer])[]): Promise<void> {
  await using client = await connectStomp(port)
  await client.greet('accept-version:1.2', 'host:/')
  for (const [id, wire] of messages) client.send(sendFrame('/queue/ssm', id, wire))
  for (const _ of messages) assert.match(await client.next(30_000), /^RECEIPT\n/)
}

test('max_spool_messages: no more is taken, in words; when the consumer has been there it goes on, and nothing is lost', async (t) => {
  await using broker = await startMiniBroker()
  const site = createSite(scratch(t), broker.port)
  site.configure({ receiver: { messaging: { max_spool_messages: 10 } } })
  const names = Array.from({ length: 25 }, (_, n) => `record ${n}\n`)
  const wires = await Promise.all(names.map(async (text, n) => [`id-${n}`, await sealed(site.pki.host, text)] as const))
  // One of them is refused: it counts as well.
  await publish(broker.port, [['bad', Buffer.from('no message at all')], ...wires])
  const receiver = site.startReceiver()
  const said = 'max_spool_messages is 10: does their consumer run?'
  await eventually('it pauses', () => site.log('ssmreceive').includes(said))
  const seen = new Set<string>()
  const incoming = join(site.spool, 'incoming')
  const consume = (): void => {
    for (const element of site.incoming()) seen.add(String(element.body))
    for (const element of elementsOf(incoming)) rmSync(element, { recursive: true })
  }
  await sleep(500)
  assert.equal(site.countIncoming() + site.reject().length, 10, 'not one more than that')
  assert.match(
    site.log('ssmreceive'),
    /ERROR - Not taking messages for now; nothing is lost, they wait at the broker: /,
  )
  await eventually(
    'all arrive',
    () => {
      consume()
      return seen.size === names.length
    },
    120,
    500,
  )
  await eventually('the broker has nothing left', () => broker.held() === 0)
  assert.equal((await receiver.stop()).code, 0)
  assert.deepEqual([...seen].sort(), [...names].sort())
  assert.equal(site.reject().length, 1)
})

test('reject_max_bytes: the oldest of nobody known go, the verified stay, and the log says how many', async (t) => {
  await using broker = await startMiniBroker()
  const site = createSite(scratch(t), broker.port)
  site.configure({ receiver: { messaging: { reject_max_bytes: '1 MiB', window: 4 } } })
  const receiver = site.startReceiver()
  // Signed by somebody who may send, and not UTF-8: refused, with its signer.
  const known = await sealed(site.pki.host, 'caf\xe9\n', undefined, true)
  await publish(broker.port, [['known', known]])
  await eventually('it is rejected', () => site.reject().length === 1)
  const garbage = Array.from({ length: 120 }, (_, n) => [`garbage-${n}`, Buffer.alloc(20_000, n + 1)] as const)
  for (let n = 0; n < garbage.length; n += 10) await publish(broker.port, garbage.slice(n, n + 10))
  await eventually('all are judged', () => broker.held() === 0)
  assert.equal((await receiver.stop()).code, 0)
  const left = site.reject().map(({ empaid }) => String(empaid))
  assert.ok(left.includes('known'))
  assert.ok(left.includes('garbage-119') && !left.includes('garbage-0'), left.join(' '))
  // Five blocks for the body, three files and a directory of one block each; what was in flight may come on top.
  assert.ok((left.length - 4) * 9 * 4096 <= 1024 ** 2, `${left.length} are left`)
  assert.match(
    site.log('ssmreceive'),
    /WARNING - Removed the \d+ oldest rejected messages, 0 of them with a verified signer, for reject_max_bytes: \d+ bytes are left\./,
  )
})
