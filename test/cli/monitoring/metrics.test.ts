import assert from 'node:assert/strict'
import { test } from 'node:test'
import { metricsOf, metricsOfRun } from '../../../src/cli/monitoring/metrics.js'
import { readText } from '../../kit/source.js'
import { BUSY, IDLE, SENDER } from '../../kit/status.js'

/** The text format, read by its grammar: https://prometheus.io/docs/instrumenting/exposition_formats/ */
function parse(text: string): ReadonlyMap<string, number> {
  const found = new Map<string, number>()
  const typed = new Set<string>()
  assert.ok(text.endsWith('\n'))
  for (const line of text.split('\n')) {
    if (line === '' || /^# HELP [a-z_:]+ [^\n]+$/u.test(line)) continue
    const type = /^# TYPE ([a-z_:]+) (?:counter|gauge)$/u.exec(line)?.[1]
    if (type !== undefined) {
      assert.ok(!typed.has(type), `${type} is typed twice`)
      typed.add(type)
      continue
    }
    const [, name = '', labels = '', value] =
      /^([a-z_]+)(\{(?:[a-z_]+="(?:[^"\\\n]|\\["\\n])*",?)*\})? (-?[0-9.e+-]+)$/u.exec(line) ?? []
    assert.ok(value !== undefined && typed.has(name), line)
    assert.ok(!found.has(name + labels), `${line} is there twice`)
    found.set(name + labels, Number(value))
  }
  return found
}

test('a receiver in numbers, in the text format', async () => {
  const metrics = parse(await metricsOf(BUSY))
  const some = {
    'ssm_info{program="ssmreceive",version="5.0.0"}': 1,
    ssm_start_time_seconds: Date.parse(BUSY.since) / 1000,
    ssm_connected: 1,
    ssm_paused: 0,
    'ssm_messages_total{outcome="stored"}': 1_234_567,
    'ssm_messages_total{outcome="dropped"}': 0,
    'ssm_refused_total{reason="signature"}': 2,
    'ssm_signer_messages_total{signer="/C=XX/CN=a",outcome="stored"}': 1_234_562,
    'ssm_signer_messages_total{signer="others",outcome="any"}': 9,
    'ssm_spool_messages{spool="held"}': 2,
    ssm_trust_outdated_crls: 1,
    ssm_trust_old: 0,
  }
  for (const [name, value] of Object.entries(some)) assert.equal(metrics.get(name), value, name)
  const hostile = [...metrics.keys()].filter((name) => name.includes('script'))
  assert.equal(hostile.length, 2)
})

test('trouble, and a sender', async () => {
  const paused = parse(await metricsOf(IDLE))
  assert.deepEqual([paused.get('ssm_connected'), paused.get('ssm_paused')], [0, 1])
  const sender = parse(await metricsOf(SENDER))
  assert.equal(sender.get('ssm_messages_total{outcome="set_aside"}'), 1)
  assert.equal(sender.get('ssm_spool_messages{spool="outgoing"}'), 4)
  const run = parse(
    await metricsOfRun({
      at: 1_764_158_400_000,
      exit: 75,
      seconds: 1.5,
      report: { sent: 3, setAside: 0, locked: 1, left: 2 },
      spools: { outgoing: 3, failed: 0 },
    }),
  )
  assert.equal(run.get('ssm_last_run_timestamp_seconds'), 1_764_158_400)
  assert.equal(run.get('ssm_last_run_exit_code'), 75)
  assert.equal(run.get('ssm_last_run_messages{outcome="left"}'), 2)
})

/** The rules, read by the form that they have here: Prometheus takes any YAML, ours is this much of it. */
const RULE =
  /^ {6}- alert: ([A-Z][A-Za-z]+)\n {8}expr: (\S[^\n]*)\n {8}for: (\d+[smhd])\n {8}labels:\n {10}severity: (?:critical|warning)\n {8}annotations:\n {10}summary: '[^'\n]+'\n {10}description: '[^'\n]+'\n/u

test('the example alerts ask for metrics that there are, in expressions that close', async () => {
  const known = await knownMetrics()
  let rest = readText('docs/monitoring/alerts.yml').replace(/^#[^\n]*\n/gmu, '')
  const head = 'groups:\n  - name: ssm\n    rules:\n'
  assert.ok(rest.startsWith(head))
  rest = rest.slice(head.length)
  const names: string[] = []
  for (let rule = RULE.exec(rest); rule !== null; rule = RULE.exec(rest)) {
    const [all, name = '', expression = ''] = rule
    names.push(name)
    const metrics = [...expression.matchAll(/\bssm_[a-z_]+/gu)].map(([metric]) => metric)
    assert.deepEqual(
      metrics.filter((metric) => !known.has(metric)),
      [],
      name,
    )
    assert.ok(metrics.length > 0 || expression.startsWith('up{'), name)
    assert.equal(closes(expression), true, expression)
    rest = rest.slice(all.length)
  }
  assert.equal(rest, '', 'every line belongs to a rule')
  assert.equal(new Set(names).size, names.length)
  assert.ok(names.length >= 10)
})

function closes(expression: string): boolean {
  const open: string[] = []
  for (const each of expression.replace(/"[^"]*"/gu, '')) {
    if ('([{'.includes(each)) open.push(each)
    else if (')]}'.includes(each) && '([{'.indexOf(open.pop() ?? '') !== ')]}'.indexOf(each)) return false
  }
  return open.length === 0
}

async function knownMetrics(): Promise<ReadonlySet<string | undefined>> {
  const report = { sent: 0, setAside: 0, locked: 0, left: 0 }
  const texts = await Promise.all([
    metricsOf(BUSY),
    metricsOf(SENDER),
    metricsOfRun({ at: 0, exit: 0, seconds: 0, report }),
  ])
  return new Set(texts.flatMap((text) => [...text.matchAll(/^# TYPE (\S+)/gmu)].map(([, name]) => name)))
}

test('the dashboard asks for metrics that there are, and its panels do not overlap', async () => {
  const known = await knownMetrics()
  const { panels } = JSON.parse(readText('docs/monitoring/grafana.json')) as {
    panels: { title: string; gridPos: Record<'x' | 'y' | 'w' | 'h', number>; targets: { expr: string }[] }[]
  }
  const taken = new Map<string, string>()
  for (const { title, gridPos, targets } of panels) {
    for (const { expr } of targets) {
      const metrics = [...expr.matchAll(/\bssm_[a-z_]+/gu)].map(([metric]) => metric)
      assert.ok(metrics.length > 0, title)
      assert.deepEqual(
        metrics.filter((metric) => !known.has(metric)),
        [],
        title,
      )
      assert.equal(closes(expr), true, expr)
    }
    const { x, y, w, h } = gridPos
    assert.ok(x + w <= 24, title)
    for (let cell = 0; cell < w * h; cell++) {
      const at = `${x + (cell % w)} ${y + Math.floor(cell / w)}`
      assert.equal(taken.get(at), undefined, `${title} at ${at}`)
      taken.set(at, title)
    }
  }
  assert.ok(panels.length >= 10)
})
