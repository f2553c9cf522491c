/** Claims of both kinds of outgoing spools while the clock jumps, and after a run that is gone. */
import assert from 'node:assert/strict'
import { readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { test } from 'node:test'
import { isSsmError } from '../../src/errors.js'
import { createDisk } from '../../src/os/disk.js'
import { createMessageDirectory } from '../../src/spool/message-directory.js'
import { createSimpleQueue, type Outgoing, type OutgoingOptions } from '../../src/spool/simple-queue.js'
import { createManualClock } from '../kit/manual-clock.js'
import { scratch } from '../kit/scratch.js'

const DAY = 86_400_000
const body = Buffer.from('a record\n')
const isLost = (error: unknown): boolean => isSsmError(error, 'lock-lost')

const KINDS: Readonly<Record<string, (options: OutgoingOptions) => Outgoing>> = {
  dirq: createSimpleQueue,
  directory: createMessageDirectory,
}

/** Says of every record of claims in the spool that its run is gone: nobody has this start time. */
function killRuns(path: string): void {
  const folder = `${path}/.ssm/claims`
  for (const name of readdirSync(folder)) {
    const [first = '', ...rest] = readFileSync(`${folder}/${name}`, 'utf8').split('\n')
    const identity = { ...(JSON.parse(first) as object), started: '1' }
    writeFileSync(`${folder}/${name}`, [JSON.stringify(identity), ...rest].join('\n'))
  }
}

for (const [kind, create] of Object.entries(KINDS)) {
  const open = (path: string, clock = createManualClock()): Outgoing => create({ path, disk: createDisk(), clock })

  for (const step of [DAY, -DAY, 3_600_000, -3_600_000]) {
    test(`${kind}: a claim stays ours when the wall clock jumps by ${step / 3_600_000} h, refreshed or not`, async (t) => {
      const path = scratch(t)
      const clock = createManualClock()
      const queue = open(path, clock)
      for (const isRefreshed of [false, true]) {
        const claim = await queue.claim(await queue.add(body))
        clock.step(step)
        if (isRefreshed) clock.advance(101_000)
        assert.deepEqual(queue.refresh(), [])
        assert.equal(await open(path, clock).claim(claim!.id), null, 'nobody else gets it')
        assert.deepEqual(Buffer.from(await claim!.read()), body)
        await claim!.remove()
      }
      assert.equal(await queue.count(), 0)
    })
  }

  test(`${kind}: a lock that somebody broke is noticed by the refresh and before the removal; the element stays his`, async (t) => {
    const path = scratch(t)
    const clock = createManualClock()
    const queue = open(path, clock)
    const ids = [await queue.add(body), await queue.add(body)]
    const [first, second] = await Promise.all(ids.map((id) => queue.claim(id)))
    // As by a purge whose clock is a day ahead.
    const ahead = createManualClock(Date.now() + DAY)
    const other = open(path, ahead)
    assert.equal((await other.purge()).locks, 2)
    const his = await other.claim(ids[0]!)
    assert.ok(his !== null)
    await assert.rejects(first!.remove(), isLost)
    clock.advance(101_000)
    assert.ok(queue.refresh().includes(ids[1]!))
    await assert.rejects(second!.remove(), isLost)
    await first!.release()
    await second!.release()
    assert.deepEqual(Buffer.from(await his.read()), body)
    await his.remove()
    assert.equal(await queue.count(), 1)
  })

  test(`${kind}: locks of a run that is gone are freed whatever the clock says now, those of a living one never`, async (t) => {
    const path = scratch(t)
    const dead = open(path)
    const ids = [await dead.add(body), await dead.add(body), await dead.add(body)]
    await dead.claim(ids[0]!)
    await dead.claim(ids[1]!)
    killRuns(path)
    const living = open(path)
    await living.claim(ids[2]!)
    const next = open(path, createManualClock(Date.now() - DAY))
    assert.equal(await next.recover(), 2)
    assert.equal(await next.claim(ids[2]!), null)
    for (const id of ids.slice(0, 2)) await (await next.claim(id))!.remove()
    assert.equal(await next.count(), 1)
  })
}
