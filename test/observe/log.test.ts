import assert from 'node:assert/strict'
import { mkdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { setImmediate as tick } from 'node:timers/promises'
import { isSsmError } from '../../src/errors.js'
import { createLog, filled, type LogOptions } from '../../src/observe/create-log.js'
import { scratch } from '../kit/scratch.js'

const AT = new Date(2026, 10, 20, 14, 18, 6, 423).getTime()

function options(more: Partial<LogOptions>): LogOptions {
  return { level: 'INFO', format: 'ssm', clock: { now: () => AT }, name: 'ssmsend', ...more }
}

test('a line has local time with milliseconds, name, level and message', async (t) => {
  const file = join(scratch(t), 'ssm.log')
  const shown: string[] = []
  const log = createLog(options({ file, console: (text) => shown.push(text) }))
  const logger = log.named('ssm.ssm2')
  logger.debug('not seen')
  logger.info('Sending message: %s', '5ba24c88/5ba24c8f0f129d')
  logger.warning('Message rejected: %s', 'a\nb')
  assert.equal(readFileSync(file, 'utf8'), '', 'nothing is written before the tick ends')
  await tick()
  const expected =
    '2026-11-20 14:18:06,423 - ssm.ssm2 - INFO - Sending message: 5ba24c88/5ba24c8f0f129d\n' +
    '2026-11-20 14:18:06,423 - ssm.ssm2 - WARNING - Message rejected: a\\nb\n'
  assert.equal(readFileSync(file, 'utf8'), expected)
  assert.deepEqual(shown, [expected], 'one write for the batch')
  log.close()
})

test('the time follows the clock, milliseconds and seconds', () => {
  let now = AT
  const shown: string[] = []
  const log = createLog(options({ clock: { now: () => now }, console: (text) => shown.push(text) }))
  for (const step of [0, 1, 576, 577, 1577, -86_400_000]) {
    now = AT + step
    log.named('ssmsend').error('x')
  }
  log.close()
  assert.deepEqual(
    shown.map((line) => line.slice(0, 23)),
    [
      '2026-11-20 14:18:06,423',
      '2026-11-20 14:18:06,424',
      '2026-11-20 14:18:06,999',
      '2026-11-20 14:18:07,000',
      '2026-11-20 14:18:08,000',
      '2026-11-19 14:18:06,423',
    ],
  )
})

test('ERROR is in the file when the call returns, and close writes the rest', (t) => {
  const file = join(scratch(t), 'ssm.log')
  const log = createLog(options({ file }))
  log.named('ssmsend').info('one')
  log.named('ssmsend').error('two')
  assert.match(readFileSync(file, 'utf8'), /one\n.*two\n$/u)
  log.named('ssmsend').info('three')
  log.close()
  assert.match(readFileSync(file, 'utf8'), /three\n$/u)
  log.named('ssmsend').error('after the end')
})

test('json lines', () => {
  const shown: string[] = []
  const log = createLog(options({ format: 'json', console: (text) => shown.push(text) }))
  log.named('ssm.crypto').error('Failed to decrypt message: %s', 'say "no"')
  assert.deepEqual(JSON.parse(shown.join('')), {
    time: new Date(AT).toISOString(),
    name: 'ssm.crypto',
    level: 'ERROR',
    message: 'Failed to decrypt message: say "no"',
  })
})

test('values: strings cut at 256, sentences at 2 048, too few and too many', () => {
  assert.equal(filled('a %s b %s c', ['x', 7]), 'a x b 7 c')
  assert.equal(filled('a %s', ['%s']), 'a %s')
  assert.equal(filled('a %s b %s', ['x']), 'a x b %s')
  assert.equal(filled('a', ['x', 'y']), 'a x y')
  assert.equal(filled('%s', ['x'.repeat(300)]).length, 256)
  assert.equal(filled('%s', [new Error('x'.repeat(3000))]).length, 2048)
  assert.equal(filled('%s', [new Error('a\nb')]), 'a\\nb')
})

test('reopen follows a rotated file; when it cannot, the old one is kept and says so', (t) => {
  const directory = scratch(t)
  const file = join(directory, 'ssm.log')
  const log = createLog(options({ file }))
  log.named('ssmsend').info('before')
  renameSync(file, `${file}.1`)
  log.reopen()
  log.named('ssmsend').error('after')
  assert.match(readFileSync(`${file}.1`, 'utf8'), /before\n$/u)
  assert.match(readFileSync(file, 'utf8'), /^[^\n]*after\n$/u)
  renameSync(file, `${file}.2`)
  mkdirSync(file)
  log.reopen()
  log.named('ssmsend').error('still here')
  assert.match(
    readFileSync(`${file}.2`, 'utf8'),
    /WARNING - The log file .*not a directory.*old file\.\n.*still here\n$/u,
  )
  log.close()
})

test('an unopenable file is a configuration error with a remedy', (t) => {
  const directory = scratch(t)
  writeFileSync(join(directory, 'file'), '')
  for (const [file, words] of [
    [join(directory, 'no', 'ssm.log'), 'create its directory'],
    [directory, 'name a file'],
    [join(directory, 'file', 'x'), 'not a directory'],
  ] as const) {
    assert.throws(
      () => createLog(options({ file })),
      (error) => isSsmError(error, 'configuration') && error.message.includes(words) && error.message.includes(file),
    )
  }
})

test('a full disk neither throws nor stops; the loss is counted', () => {
  const shown: string[] = []
  const log = createLog(options({ file: '/dev/full', console: (text) => shown.push(text) }))
  for (let i = 0; i < 5; i++) log.named('ssmsend').error('line %s', i)
  assert.equal(shown.length, 5)
  log.close()
})

test('fast enough for four lines a message at thousands of messages a second', (t) => {
  const log = createLog(options({ file: join(scratch(t), 'ssm.log') }))
  const logger = log.named('ssm.ssm2')
  const start = performance.now()
  for (let i = 0; i < 50_000; i++) logger.info('Sending message: %s', '5ba24c88/5ba24c8f0f129d')
  log.close()
  const lines = (50_000 / (performance.now() - start)) * 1000
  assert.ok(lines > 100_000, `${Math.round(lines)} lines/s`)
})
