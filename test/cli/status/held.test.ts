/** What is held, and why: by CA and reason, the oldest first, whatever lies there. */
import assert from 'node:assert/strict'
import { mkdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { loadReceiverConfig } from '../../../src/config/load.js'
import { lookAtHeld, type HeldView } from '../../../src/cli/status/held.js'
import { renderSeen } from '../../../src/cli/status/render.js'
import { receiverStatus } from '../../../src/cli/status/status.js'
import { createTally } from '../../../src/observe/tally.js'
import { createDisk } from '../../../src/os/disk.js'
import { scratch } from '../../kit/scratch.js'
import { createSite } from '../../kit/site.js'
import { ssmctl } from '../../kit/ssmctl.js'
import { BUSY } from '../../kit/status.js'
import { treeOf } from '../../kit/tree.js'

const disk = createDisk()
const T0 = Date.parse('2026-11-20T10:00:00.000Z')
const HOUR = 3_600_000
const KEEP = 7 * 24 * HOUR

type Fields = Readonly<Partial<Record<'ca' | 'error' | 'since', string>>>

const held = (ca: string, reason: string, hours: number): Fields => {
  return { ca, error: `Failed to verify message: x [${reason}]`, since: String(T0 + hours * HOUR) }
}

/** Elements of two intermediate directories, in the order given. */
function fill(path: string, elements: readonly Fields[]): void {
  for (const [at, fields] of elements.entries()) {
    const directory = at * 2 < elements.length ? '69a42b40' : '69a42b7c'
    const element = join(path, '.ssm/held', directory, `${directory}${at.toString(16).padStart(6, '0')}`)
    mkdirSync(element, { recursive: true })
    for (const [name, value] of Object.entries(fields)) writeFileSync(join(element, name), value)
  }
}

const CAS = ['/C=XX/CN=A', '/C=XX/CN=B'] as const
const THREE = [held(CAS[0], 'crl-outdated', 1), held(CAS[1], 'crl-missing', 0), held(CAS[0], 'crl-outdated', 2)]
const VIEW: HeldView = {
  groups: [
    { ca: CAS[0], reason: 'crl-outdated', count: 2, since: '2026-11-20T11:00:00.000Z' },
    { ca: CAS[1], reason: 'crl-missing', count: 1, since: '2026-11-20T10:00:00.000Z' },
  ],
  looked: 3,
  of: 3,
  since: '2026-11-20T10:00:00.000Z',
  until: '2026-11-27T10:00:00.000Z',
}

test('by CA and reason, with the oldest of each and of all', async (t) => {
  const path = scratch(t)
  fill(path, THREE)
  assert.deepEqual(await lookAtHeld(disk, path, 3, KEEP), VIEW)
  assert.equal(await lookAtHeld(disk, path, 0, KEEP), undefined)
  const { until, ...endless } = VIEW
  assert.deepEqual(await lookAtHeld(disk, path, 3, undefined), endless, `not known: ${until}`)
})

test('of many the oldest alone; what is damaged counts, without what it does not say', async (t) => {
  const path = scratch(t)
  fill(path, [{ ca: 'x\x1b[2J', error: 'y', since: 'soon' }, {}, held(CAS[1], 'policy', 3), ...THREE])
  const link = join(path, '.ssm/held/69a42b40/69a42b40000001/ca')
  symlinkSync('/etc/passwd', link)
  const seen = await lookAtHeld(disk, path, 6, KEEP, 3)
  assert.deepEqual(seen, {
    groups: [
      { ca: 'x\\x1b[2J', reason: '-', count: 1 },
      { ca: '', reason: '-', count: 1 },
      { ca: CAS[1], reason: 'policy', count: 1, since: '2026-11-20T13:00:00.000Z' },
    ],
    looked: 3,
    of: 6,
    since: '2026-11-20T13:00:00.000Z',
    until: '2026-11-27T13:00:00.000Z',
  })
  rmSync(link)
})

test('in words, of what runs and what does not', () => {
  const expected = `held by CA and reason, the first since 2026-11-20 10:00:00 UTC (6 d ago), kept until 2026-11-27 10:00:00 UTC (in 22 h):
          2  crl-outdated, /C=XX/CN=A (since 6 d ago)
          1  crl-missing, /C=XX/CN=B (since 6 d ago)
`
  const running = renderSeen({ ...BUSY, running: true, held: VIEW }, false)
  assert.ok(running.includes(`\n${expected}`), running)
  const spools = { incoming: 0, reject: 0, held: 9, journal: { files: 0, bytes: 0 } }
  const place = { running: false, program: 'ssmreceive', path: '/x', now: '2026-11-26T12:00:00.000Z' } as const
  const stopped = renderSeen({ ...place, spools, held: VIEW }, false)
  assert.ok(stopped.endsWith(`\n${expected}`), stopped)
  const many = renderSeen({ ...place, spools, held: { ...VIEW, of: 9 } }, false)
  assert.match(many, /\nheld by CA and reason \(the oldest 3 of 9\), the first/u)
})

test('ssmctl status says them with hold_keep of the file, and touches nothing; so does a receiver that runs', async (t) => {
  const site = createSite(scratch(t), 1)
  site.configure()
  const text = readFileSync(site.receiverCfg, 'utf8')
  assert.match(text, /^\[certificates\]$/mu)
  writeFileSync(site.receiverCfg, text.replace('[certificates]', '[certificates]\nhold_keep = 7d'))
  fill(site.spool, THREE)
  const before = treeOf(site.dir)
  const run = await ssmctl(['status', '-c', site.receiverCfg, '--json'])
  assert.deepEqual([run.exit, run.stderr], [1, ''])
  assert.deepEqual((JSON.parse(run.stdout.toString()) as { held?: unknown }).held, VIEW)
  assert.deepEqual(treeOf(site.dir), before)

  const { config } = loadReceiverConfig(site.receiverCfg, site.dir)
  const tally = createTally('ssmreceive', { now: () => T0, monotonic: () => 0 })
  const status = receiverStatus({ tally, trustFigures: () => BUSY.trust! }, config, { pid: 1 } as never)
  assert.deepEqual((await status()).held, VIEW)
})
