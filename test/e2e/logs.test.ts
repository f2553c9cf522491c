/**
 * The log as collectors, the journal, logrotate and an operator at work have it.
 */
import assert from 'node:assert/strict'
import { readdirSync, readFileSync, renameSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { gunzipSync } from 'node:zlib'
import { QueueSimple } from '../../src/index.js'
import { startHoldingBroker } from '../kit/holding-broker.js'
import { need } from '../kit/need.js'
import { scratch } from '../kit/scratch.js'
import { createSite, eventually, startChild, startProgram, type Ended } from '../kit/site.js'
import { root } from '../kit/source.js'

const program = join(root, 'dist/src/bin/ssmsend.js')

/** A run that fails at once. */
const noKey = { certificates: { key: '/nonexistent/key.pem' } }

describe('the log', () => {
  test('format json: every line is an object, also of a run that fails', async (t) => {
    const site = createSite(scratch(t), 1)
    site.configure({ sender: { ...noKey, logging: { format: 'json', console: true } } })
    const ended = await site.send()
    assert.equal(ended.code, 78)
    const lines = site.log('ssmsend').trimEnd().split('\n')
    assert.ok(lines.length > 5)
    const objects = lines.map((line) => JSON.parse(line) as Record<string, unknown>)
    for (const each of objects) {
      assert.deepEqual(Object.keys(each), ['time', 'level', 'logger', 'message', 'fields'])
      assert.ok(Date.now() - Date.parse(String(each.time)) < 120_000)
    }
    const fields = (start: string): unknown => objects.find(({ message }) => String(message).startsWith(start))?.fields
    assert.deepEqual(fields('Setting up'), { format: 'Setting up SSM with protocol: %s', values: ['STOMP'] })
    assert.equal((fields('SSM failed') as { format: string }).format, 'SSM failed to complete successfully: %s')
    for (const line of lines) assert.ok(ended.stdout.includes(`${line}\n`), 'the console has the same lines')
  })

  test('a console that nobody reads, or that is full, ends no run', async (t) => {
    const site = createSite(scratch(t), 1)
    site.configure({ sender: { logging: { console: true } } })
    const unread = startProgram('ssmsend', ['-c', site.senderCfg])
    unread.child.stdout?.destroy()
    const full = startChild('sh', ['-c', 'exec "$0" "$@" >/dev/full', process.execPath, program, '-c', site.senderCfg])
    for (const run of [unread, full]) {
      const { code, stderr } = await run.ended
      assert.deepEqual([code, stderr], [0, ''])
    }
    assert.equal(site.log('ssmsend').split('SSM has shut down.').length, 3)
  })

  test('in the journal lines carry priorities, in the file and at a terminal none', async (t) => {
    const site = createSite(scratch(t), 1)
    site.configure({ sender: { ...noKey, logging: { console: true, unknown: 1 } } })
    const stream = join(site.dir, 'stream')
    writeFileSync(stream, '')
    const { dev, ino } = statSync(stream)
    const run = async (JOURNAL_STREAM: string): Promise<string> => {
      writeFileSync(stream, '')
      const words = [process.execPath, program, '-c', site.senderCfg]
      await startChild('sh', ['-c', 'exec "$0" "$@" >>"$STREAM"', ...words], {
        env: { JOURNAL_STREAM, STREAM: stream },
      }).ended
      return readFileSync(stream, 'utf8')
    }
    const journal = await run(`${dev}:${ino}`)
    assert.match(journal, /^<6>[\d:, -]+ - ssmsend - INFO - Starting sending/mu)
    assert.match(journal, /^<4>[^\n]* - WARNING - /mu)
    assert.match(journal, /^<3>[^\n]* - ERROR - SSM failed to complete/mu)
    assert.doesNotMatch(journal, /^\d{4}-/mu)
    assert.doesNotMatch(site.log('ssmsend'), /^</mu)
    assert.doesNotMatch(await run(`${dev}:${ino + 1}`), /^</mu)
  })

  test('a watching sender follows a rotated file by itself, and takes a new level at SIGHUP', async (t) => {
    await using broker = await startHoldingBroker()
    broker.allow(1000)
    const site = createSite(scratch(t), broker.port)
    const run = site.startSender('--watch')
    // Later lines would have it look at the file's name once more, and then not for a second.
    await eventually('it is connected', () => site.log('ssmsend').includes('Will send messages to: '))
    const producer = new QueueSimple(site.outgoing)
    const file = join(site.dir, 'ssmsend.log')
    await sleep(1100)
    renameSync(file, `${file}.1`)
    writeFileSync(file, '')
    await producer.add('after the rotation\n')
    await eventually('the new file has lines', () => site.log('ssmsend').includes('INFO - Sent '))

    const level = (word: string): void => {
      site.configure({ sender: { logging: { level: word } } })
      run.child.kill('SIGHUP')
    }
    level('WARN')
    await eventually('it says so', () => site.log('ssmsend').includes('The level of the log is WARNING, and was INFO.'))
    const before = site.log('ssmsend')
    await producer.add('quiet\n')
    await eventually('two are sent', () => broker.receipted.length === 2)
    await sleep(200)
    assert.equal(site.log('ssmsend'), before)
    level('INFO')
    await eventually('it says so again', () => site.log('ssmsend').includes('is INFO, and was WARNING.'))
    await producer.add('heard\n')
    await eventually('three are logged', () => (site.log('ssmsend').match(/INFO - Sent /gu)?.length ?? 0) === 2)
    const ctl = (...words: readonly string[]): Promise<Ended> =>
      startProgram('ssmctl', ['log-level', '-c', site.senderCfg, ...words]).ended
    const asked = async (...words: readonly string[]): Promise<unknown[]> => {
      const { code, stdout, stderr } = await ctl(...words)
      return [code, stdout, stderr]
    }
    assert.deepEqual(await asked(), [0, 'INFO\n', ''])
    assert.deepEqual(await asked('debug'), [0, 'DEBUG, was INFO\n', ''])
    await eventually('it says so', () => site.log('ssmsend').includes('The level of the log is DEBUG, and was INFO.'))
    assert.deepEqual(await asked('warn'), [0, 'WARNING, was DEBUG\n', ''])
    assert.equal((await ctl('loud')).code, 64)
    level('INFO')
    await eventually('SIGHUP brings back what is configured', () =>
      /INFO, and was WARNING\.[^]*INFO, and was WARNING\./u.test(site.log('ssmsend')),
    )
    level('LOUD')
    await eventually('a bad level is said', () => site.log('ssmsend').includes('The level of the log stays INFO: '))
    assert.equal((await run.stop()).code, 0)
    site.configure()
    const nobody = await ctl('INFO')
    assert.deepEqual([nobody.code, nobody.stdout], [75, ''])
    assert.match(nobody.stderr, /^ssmctl log-level: no program that could be asked runs with /u)
  })

  test(
    'logrotate itself, without a signal: nothing is lost, and nothing is moved out of its way',
    {
      skip: need('logrotate', 'root'),
    },
    async (t) => {
      await using broker = await startHoldingBroker()
      broker.allow(1_000_000)
      const site = createSite(scratch(t), broker.port)
      const run = site.startSender('--watch')
      await eventually('it watches', () => site.log('ssmsend').includes('Watching '))
      const file = join(site.dir, 'ssmsend.log')
      const config = join(site.dir, 'logrotate.conf')
      // As packaging/logrotate.conf, without its `postrotate`.
      const words = 'weekly\nrotate 8\ncompress\ndelaycompress\nnotifempty\nsu root root\ncreate 0644 root root'
      writeFileSync(config, `${file} {\n${words}\n}\n`, { mode: 0o644 })
      const producer = new QueueSimple(site.outgoing)
      for (let n = 1; n <= 60; n++) {
        await producer.add(`record ${n}\n`)
        if (n % 20 === 10) {
          const rotated = await startChild('logrotate', ['-f', '-s', join(site.dir, 'state'), config]).ended
          assert.deepEqual([rotated.code, rotated.stderr], [0, ''])
        }
        await sleep(120)
      }
      await eventually('all are sent', () => broker.receipted.length === 60)
      assert.equal((await run.stop()).code, 0)
      const names = readdirSync(site.dir).filter((name) => name.startsWith('ssmsend.log'))
      assert.deepEqual(names.sort(), ['ssmsend.log', 'ssmsend.log.1', 'ssmsend.log.2.gz', 'ssmsend.log.3.gz'])
      const text = (name: string): string => {
        const bytes = readFileSync(join(site.dir, name))
        return (name.endsWith('.gz') ? gunzipSync(bytes) : bytes).toString()
      }
      const sent =
        names
          .map(text)
          .join('')
          .match(/INFO - Sent \S+/gu) ?? []
      assert.equal(new Set(sent).size, 60)
      assert.match(text('ssmsend.log'), /SSM has shut down\./u)
    },
  )
})
