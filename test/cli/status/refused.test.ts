/** Reasons read from spools: newest first, with a limit, whatever lies there. */
import assert from 'node:assert/strict'
import { mkdirSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test, type TestContext } from 'node:test'
import { lookAtRefused } from '../../../src/cli/status/refused.js'
import { createDisk } from '../../../src/os/disk.js'
import { scratch } from '../../kit/scratch.js'
import { createSite } from '../../kit/site.js'
import { ssmctl } from '../../kit/ssmctl.js'
import { treeOf } from '../../kit/tree.js'

const disk = createDisk()

/** Elements of two intermediate directories, each with its `error`. */
function createReject(t: TestContext, errors: readonly (string | undefined)[]): string {
  const path = join(scratch(t), 'reject')
  fill(path, errors)
  return path
}

function fill(path: string, errors: readonly (string | undefined)[]): void {
  for (const [at, error] of errors.entries()) {
    const directory = at * 2 < errors.length ? '69a42b40' : '69a42b7c'
    const element = join(path, directory, `${directory}${at.toString(16).padStart(6, '0')}`)
    mkdirSync(element, { recursive: true })
    if (error !== undefined) writeFileSync(join(element, 'error'), error)
  }
}

test('each reason counted; without one, of a Python receiver, a link, too large', async (t) => {
  const path = createReject(t, ['x [signature]', 'x [signature]', 'Signer not in valid DNs list: /CN=x', 'x', undefined, 'y', 'z'.repeat(100_000)]) // prettier-ignore
  const link = join(path, '69a42b7c/69a42b7c000005/error')
  rmSync(link)
  symlinkSync('/etc/passwd', link)
  assert.deepEqual(await lookAtRefused(disk, path, 7), {
    reasons: { signature: 2, 'not-listed': 1, '-': 4 },
    looked: 7,
    of: 7,
  })
})

test('of many the newest alone', async (t) => {
  const path = createReject(t, ['x [expired]', 'x [expired]', 'x [revoked]', 'x [signature]'])
  assert.deepEqual(await lookAtRefused(disk, path, 4, 2), { reasons: { signature: 1, revoked: 1 }, looked: 2, of: 4 })
  assert.deepEqual(await lookAtRefused(disk, join(path, 'none'), 0), { reasons: {}, looked: 0, of: 0 })
})

test('ssmctl status of a receiver that does not run says them, and touches nothing', async (t) => {
  const site = createSite(scratch(t), 1)
  site.configure()
  fill(join(site.spool, 'reject'), ['x [expired]', 'x [expired]', 'x [not-listed]'])
  const before = treeOf(site.dir)
  const run = await ssmctl(['status', '-c', site.receiverCfg])
  assert.equal(run.exit, 1)
  assert.match(run.stdout.toString(), /^ssmreceive: not running .*\nspools: incoming 0, reject 3,.*\n.*\nreject by reason: expired 2, not-listed 1\n$/u) // prettier-ignore
  const json = JSON.parse((await ssmctl(['status', '-c', site.receiverCfg, '--json'])).stdout.toString()) as object
  assert.deepEqual('refused' in json && json.refused, { reasons: { 'not-listed': 1, expired: 2 }, looked: 3, of: 3 })
  assert.deepEqual(treeOf(site.dir), before)
})
