// Reporter for `node --test`: failures at once and in full, every skip with its reason, then the runner's own closing
// lines (`# tests N`, `# pass N`, …) word for word, the same in Node 20, 22 and 24. With CI=true a skip is a failure.
import { relative } from 'node:path'
import { inspect } from 'node:util'

const CLOSING = /^(tests|suites|pass|fail|cancelled|skipped|todo|duration_ms) [\d.]+$/

const where = (data) => (data.file === undefined ? '' : relative(process.cwd(), data.file).replace(/^dist\//, ''))
const indent = (text) => text.replace(/^/gm, '    ')

// A file or a suite fails because something inside it did; that was printed already.
const isEcho = (error) => error?.failureType === 'subtestsFailed'

function failure(data) {
  const error = data.details?.error
  const cause = error?.cause ?? error
  const stack = cause instanceof Error || typeof cause?.stack === 'string' ? cause.stack : undefined
  const words = stack !== undefined && cause.code !== 'ERR_ASSERTION' ? stack : inspect(cause, { depth: 6 })
  return `FAILED   ${where(data)}:${data.line ?? '?'}  ${data.name}\n${indent(words)}\n`
}

const HANDLERS = {
  'test:fail': (data, seen) => {
    if (data.todo !== undefined) return ''
    if (isEcho(data.details?.error)) return ''
    seen.failed.push(`${where(data)}  ${data.name}`)
    return failure(data)
  },
  'test:pass': (data, seen) => {
    if (data.skip !== undefined) {
      const reason = typeof data.skip === 'string' && data.skip !== '' ? data.skip : 'no reason given'
      seen.skipped.push({ test: `${where(data)}  ${data.name}`, reason })
      return `SKIPPED  ${where(data)}  ${data.name}: ${reason}\n`
    }
    const seconds = (data.details?.duration_ms ?? 0) / 1000
    return seconds >= 5 && data.nesting === 0 ? `passed   ${where(data)}  ${data.name} (${seconds.toFixed(1)} s)\n` : ''
  },
  'test:diagnostic': (data, seen) => {
    if (data.nesting === 0 && CLOSING.test(data.message)) {
      seen.closing.push(data.message)
      return ''
    }
    return `         ${data.message}\n`
  },
  'test:stdout': (data) => data.message,
  'test:stderr': (data) => data.message,
}

function bySkipReason(skipped) {
  const reasons = new Map()
  for (const { test, reason } of skipped) reasons.set(reason, [...(reasons.get(reason) ?? []), test])
  return [...reasons].flatMap(([reason, tests]) => [
    `  ${tests.length} skipped: ${reason}`,
    ...tests.map((test) => `      ${test}`),
  ])
}

function summary(seen) {
  const count = (name) => Number(seen.closing.find((line) => line.startsWith(`${name} `))?.split(' ')[1] ?? 0)
  const lines = ['', '-'.repeat(72)]
  if (seen.failed.length > 0) lines.push('FAILED:', ...seen.failed.map((test) => `  ${test}`))
  if (seen.skipped.length > 0) lines.push('NOT RUN:', ...bySkipReason(seen.skipped))
  if (seen.forbiddenSkips) lines.push('With CI=true nothing may be skipped: this run fails.')
  lines.push(`${count('pass')} passed, ${count('fail') + count('cancelled')} failed, ${count('skipped')} skipped`)
  return [...lines, '-'.repeat(72), ...seen.closing.map((line) => `# ${line}`), ''].join('\n')
}

export default async function* report(source) {
  const seen = { failed: [], skipped: [], closing: [], forbiddenSkips: false }
  for await (const event of source) {
    const line = HANDLERS[event.type]?.(event.data, seen) ?? ''
    if (line !== '') yield line
  }
  seen.forbiddenSkips = process.env.CI === 'true' && seen.skipped.length > 0
  // The runner sets an exit code of its own only for failures.
  if (seen.forbiddenSkips) process.exitCode = 1
  yield summary(seen)
}
