import assert from 'node:assert/strict'
import { closeSync, existsSync, fstatSync, mkdirSync, openSync, readFileSync, renameSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { setImmediate as tick } from 'node:timers/promises'
import { isSsmError } from '../../src/errors.js'
import { createLog, filled, type LogOptions } from '../../src/observe/create-log.js'
import { isJournal } from '../../src/observe/journal.js'
import { scratch } from '../kit/scratch.js'

const AT = new Date(2026, 10, 20, 14, 18, 6, 423).getTime()

function options(more: Partial<LogOptions>): LogOptions {
  return { level: 'INFO', format: 'ssm', clock: { now: () => AT, monotonic: () => 0 }, name: 'ssmsend', ...more }
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
  const log = createLog(options({ clock: { now: () => now, monotonic: () => 0 }, console: (text) => shown.push(text) }))
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

test('json lines: one object each, values as text', () => {
  const shown: string[] = []
  const log = createLog(options({ format: 'json', console: (text) => shown.push(text) }))
  log.named('ssm.crypto').error('Failed to decrypt message: %s', 'say "no"\n{"level":"INFO"}\u2028\ud800')
  log.named('ssm.ssm2').info('Removed %s of %s', 7, new Error('a\tb'))
  log.close()
  const lines = shown.join('').split('\n')
  assert.equal(lines.pop(), '')
  const escaped = 'say "no"\\n{"level":"INFO"}\\u2028\\ud800'
  assert.deepEqual(
    lines.map((line): unknown => JSON.parse(line)),
    [
      {
        time: new Date(AT).toISOString(),
        level: 'ERROR',
        logger: 'ssm.crypto',
        message: `Failed to decrypt message: ${escaped}`,
        fields: { format: 'Failed to decrypt message: %s', values: [escaped] },
      },
      {
        time: new Date(AT).toISOString(),
        level: 'INFO',
        logger: 'ssm.ssm2',
        message: 'Removed 7 of a\\tb',
        fields: { format: 'Removed %s of %s', values: ['7', 'a\\tb'] },
      },
    ],
  )
})

test('in the journal each line begins with its priority, in the file none does', (t) => {
  const file = join(scratch(t), 'ssm.log')
  const shown: string[] = []
  const log = createLog(options({ level: 'DEBUG', file, journal: true, console: (text) => shown.push(text) }))
  const logger = log.named('ssmsend')
  logger.debug('a')
  logger.info('%s', 'b\n<0>c')
  logger.warning('d')
  logger.error('e')
  logger.critical('%s', '<0>f')
  log.close()
  const marks = shown.join('').match(/^<\d>/gmu)
  assert.deepEqual(marks, ['<7>', '<6>', '<4>', '<3>', '<2>'])
  assert.doesNotMatch(readFileSync(file, 'utf8'), /^</mu)
})

test('the journal is known by device and inode, not by the variable alone', (t) => {
  const file = join(scratch(t), 'stream')
  writeFileSync(file, '')
  const fd = openSync(file, 'r')
  const { dev, ino } = fstatSync(fd)
  const asked = (number: number, JOURNAL_STREAM?: string): boolean =>
    isJournal({ env: { JOURNAL_STREAM }, stdout: { fd: number }, stderr: { fd: -1 } }, 'stdout')
  assert.equal(asked(fd, `${dev}:${ino}`), true)
  assert.equal(asked(fd, `${dev}:${ino + 1}`), false)
  assert.equal(asked(fd), false)
  closeSync(fd)
  assert.equal(asked(987_654, `${dev}:${ino}`), false)
})

test('the level can change while loggers are in use', () => {
  const shown: string[] = []
  const log = createLog(options({ console: (text) => shown.push(text) }))
  const logger = log.named('ssm.ssm2')
  logger.debug('1')
  log.setLevel('DEBUG')
  logger.debug('2')
  log.setLevel('ERROR')
  logger.warning('3')
  logger.error('4')
  assert.equal(log.level(), 'ERROR')
  log.close()
  assert.deepEqual(shown.join('').match(/\d$/gmu), ['2', '4'])
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

test('a rename is noticed by itself within a second; a name that leads nowhere waits for the rotation to end', (t) => {
  const directory = scratch(t)
  const file = join(directory, 'ssm.log')
  let at = 0
  const log = createLog(options({ file, clock: { now: () => AT, monotonic: () => at } }))
  const say = (text: string, later: number): void => {
    at += later
    log.named('ssmsend').error(text)
  }
  say('one', 0)
  renameSync(file, `${file}.1`)
  writeFileSync(file, '')
  say('two', 999)
  assert.match(readFileSync(`${file}.1`, 'utf8'), /one\n.*two\n$/u)
  say('three', 1)
  assert.match(readFileSync(file, 'utf8'), /^[^\n]*three\n$/u)
  renameSync(file, `${file}.2`)
  say('four', 1000)
  say('five', 4999)
  assert.equal(existsSync(file), false, 'logrotate makes it itself, and would move ours away')
  say('six', 1000)
  assert.match(readFileSync(file, 'utf8'), /^[^\n]*six\n$/u)
  assert.match(readFileSync(`${file}.2`, 'utf8'), /three\n.*four\n.*five\n$/u)
  log.close()
})

test('a directory that is gone is said once, and lines go on into the file that is open', (t) => {
  const directory = join(scratch(t), 'logs')
  mkdirSync(directory)
  const file = join(directory, 'ssm.log')
  let at = 0
  const log = createLog(options({ file, clock: { now: () => AT, monotonic: () => (at += 3000) } }))
  renameSync(directory, `${directory}.old`)
  for (let i = 0; i < 5; i++) log.named('ssmsend').error('line %s', i)
  const old = readFileSync(join(`${directory}.old`, 'ssm.log'), 'utf8')
  assert.equal(old.match(/create its directory/gu)?.length, 1)
  assert.equal(old.match(/line \d/gu)?.length, 5)
  mkdirSync(directory)
  for (let i = 0; i < 4; i++) log.named('ssmsend').error('found again')
  assert.match(readFileSync(file, 'utf8'), /found again\n$/u)
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
  const before = process.cpuUsage()
  for (let i = 0; i < 50_000; i++) logger.info('Sending message: %s', '5ba24c88/5ba24c8f0f129d')
  log.close()
  // The processor's time, not the clock's: other programs run, too.
  const { user, system } = process.cpuUsage(before)
  const lines = (50_000 / (user + system)) * 1e6
  assert.ok(lines > 100_000, `${Math.round(lines)} lines/s`)
})
