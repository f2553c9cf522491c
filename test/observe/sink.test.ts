import assert from 'node:assert/strict'
import { readFileSync, writeSync } from 'node:fs'
import { join } from 'node:path'
import { test, type TestContext } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import type { WriteBytes } from '../../src/observe/append-file.js'
import { createSink } from '../../src/observe/sink.js'
import { scratch } from '../kit/scratch.js'

function failing(code: string): Error {
  return Object.assign(new Error(`${code}: made by the test`), { code })
}

function fixture(t: TestContext, write: WriteBytes) {
  const file = join(scratch(t), 'ssm.log')
  return {
    sink: createSink({ file, complain: (text) => `! ${text}`, monotonic: () => 0, write }),
    read: () => readFileSync(file, 'utf8'),
  }
}

test('lines that met a full disk are counted, and the count is said when there is room', (t) => {
  let full = true
  const { sink, read } = fixture(t, (fd, bytes, from, length) => {
    if (full) throw failing('ENOSPC')
    return writeSync(fd, bytes, from, length)
  })
  for (let i = 0; i < 5; i++) {
    sink.write(`line ${i}`)
    sink.flush()
  }
  full = false
  sink.write('room')
  sink.flush()
  sink.write('again')
  sink.close()
  assert.equal(read(), '! 5 log lines were lost: ENOSPC: made by the test\nroom\nagain\n')
})

test('a line torn by a full disk does not swallow the beginning of the next', (t) => {
  let calls = 0
  const { sink, read } = fixture(t, (fd, bytes, from, length) => {
    calls++
    if (calls === 2) throw failing('ENOSPC')
    return writeSync(fd, bytes, from, calls === 1 ? 3 : length)
  })
  sink.write('abcdef')
  sink.flush()
  sink.write('next')
  sink.close()
  assert.equal(read(), 'abc\n! 1 log lines were lost: ENOSPC: made by the test\nnext\n')
})

test('short writes and a slow reader lose nothing and keep the order', async (t) => {
  let calls = 0
  const { sink, read } = fixture(t, (fd, bytes, from, length) => {
    calls++
    if (calls % 3 === 0) throw failing('EAGAIN')
    return writeSync(fd, bytes, from, Math.min(length, 4))
  })
  sink.write('first line')
  sink.flush()
  sink.write('second line')
  for (let i = 0; i < 100 && !read().endsWith('second line\n'); i++) await sleep(10)
  assert.equal(read(), 'first line\nsecond line\n')
  sink.close()
})
