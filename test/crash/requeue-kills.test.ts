/**
 * `ssmctl spool requeue` killed as `kill -9` does, at the steps of its work on disk: the message is in incoming once, whatever the
 * step was, when the command was given again.
 */
import assert from 'node:assert/strict'
import { existsSync, readFileSync, utimesSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { pathToFileURL } from 'node:url'
import { DEATH_VARIABLE, type Death, type Order } from '../kit/die-at-step.js'
import { scratch } from '../kit/scratch.js'
import { createSite, elementsOf, eventually, freePort, startProgram, type Ended, type Site } from '../kit/site.js'
import { ssmctl } from '../kit/ssmctl.js'
import { root } from '../kit/source.js'

const DIE = pathToFileURL(join(root, 'dist/test/kit/die-at-step.js')).href
/** A message, and so a kill, each. */
const MESSAGES = 16

async function createRejected(site: Site, port: number): Promise<void> {
  site.configure({ receiver: { broker: { listen: `127.0.0.1:${port}`, host: undefined, port: undefined } } })
  site.allow(site.pki.other)
  const receiver = site.startReceiver()
  await eventually('it listens', () => site.log('ssmreceive').includes('Listening on'))
  for (let n = 0; n < MESSAGES; n++) await ssmctl(['spool', 'add', site.outgoing], { input: `record ${n}\n` })
  assert.equal((await site.send()).code, 0)
  await receiver.stop()
  site.allow(site.pki.host)
}

/** Judges one again, and dies if told so. */
async function requeue(site: Site, element: string, notes: string, death?: Death): Promise<Ended> {
  const order: Order = { folder: site.spool, notes, ...(death === undefined ? {} : { death }) }
  const env = { NODE_OPTIONS: `--import ${DIE}`, [DEATH_VARIABLE]: JSON.stringify(order) }
  const id = element.slice(site.spool.length + 1)
  const args = ['spool', 'requeue', site.spool, id, '-c', site.receiverCfg, '-d', site.dns]
  return await startProgram('ssmctl', args, { env }).ended
}

test('killed at the steps of its work: each message is in incoming once', async (t) => {
  const port = await freePort()
  const site = createSite(scratch(t), port)
  await createRejected(site, port)
  const rejects = elementsOf(join(site.spool, 'reject'))
  assert.equal(rejects.length, MESSAGES)
  const notes = join(site.dir, 'notes')
  assert.equal((await requeue(site, rejects[0]!, notes)).code, 0)
  const steps = readFileSync(notes, 'utf8').trim().split('\n').length
  let kills = 0
  for (const [at, element] of rejects.slice(1).entries()) {
    // Spread over all steps, each side in turn.
    const n = 1 + Math.floor((at * steps) / (MESSAGES - 1))
    const killed = await requeue(site, element, notes, { n, side: at % 2 === 0 ? 'before' : 'after' })
    if (killed.signal === 'SIGKILL') kills += 1
    // The lock that it left is old enough to be broken.
    const lock = join(element, 'locked')
    if (existsSync(lock)) utimesSync(lock, 1, 1)
    const id = element.slice(site.spool.length + 1)
    if (existsSync(lock)) assert.equal((await ssmctl(['spool', 'unlock', site.spool, id, '--yes'])).exit, 0)
    if (existsSync(element)) assert.equal((await requeue(site, element, notes)).code, 0, `step ${n} of ${steps}`)
  }
  // What a kill left between intent and rename is finished by whoever works there next.
  const receiver = site.startReceiver()
  const wanted = Array.from({ length: MESSAGES }, (_, n) => `record ${n}\n`).sort()
  await eventually('all are there', () => site.countIncoming() === MESSAGES)
  await receiver.stop()
  assert.deepEqual(site.incoming().map(({ body }) => String(body)).sort(), wanted) // prettier-ignore
  assert.deepEqual(site.reject(), [])
  assert.ok(kills > MESSAGES / 2, `${kills} kills at ${steps} steps`)
  t.diagnostic(`${kills} kills, ${steps} steps`)
})
