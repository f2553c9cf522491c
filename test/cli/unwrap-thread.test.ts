/**
 * The thread for private keys gives what is given without it, whatever becomes of it: dead, silent, wrong, or ended in the middle.
 */
import assert from 'node:assert/strict'
import { createPublicKey, randomBytes, randomInt, type KeyObject } from 'node:crypto'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, test, type TestContext } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { pathToFileURL } from 'node:url'
import { createUnwrapThread, type UnwrapThreadOptions } from '../../src/cli/unwrap-thread.js'
import { unwrapHere, wrapOaep, wrapPkcs1, type WrappedKey } from '../../src/crypto/key-transport.js'
import { testKey } from '../kit/ca.js'
import { scratch } from '../kit/scratch.js'
import { startChild } from '../kit/site.js'
import { root } from '../kit/source.js'
import { createMemoryLog } from '../kit/transport.js'

const KEYS = [testKey('rsa2048', 0), testKey('rsa2048', 1)] as const

interface Question {
  readonly key: KeyObject
  readonly what: WrappedKey
  /** Undefined: it does not unwrap, and the answer is random. */
  readonly expected: Buffer | undefined
}

/** One of all that a message can hold: good and bad, of both kinds, for one key or the other. */
function question(): Question {
  const key = KEYS[randomInt(8) === 0 ? 1 : 0]
  const expected = randomBytes(randomInt(2) === 0 ? 16 : 32)
  const oaep =
    randomInt(2) === 0 ? ({ digest: 'sha256', maskDigest: 'sha256', label: Buffer.alloc(0) } as const) : undefined
  // A view of something larger, as a message's is.
  const around = Buffer.concat([
    randomBytes(700),
    (oaep === undefined ? wrapPkcs1 : wrapOaep)(createPublicKey(key), expected),
  ])
  const wrapped = around.subarray(700)
  const bad = randomInt(4)
  if (bad === 0) wrapped[100] = (wrapped[100] ?? 0) ^ 1
  const cut = bad === 1 ? wrapped.subarray(0, randomInt(wrapped.length)) : wrapped
  const what = { wrapped: cut, length: expected.length, ...(oaep === undefined ? {} : { oaep }) }
  return { key, what, expected: bad < 2 ? undefined : expected }
}

/** Asks many at once, some of them later; all must be answered, and right. */
async function ask(unwrap: (key: KeyObject, what: WrappedKey) => Buffer | Promise<Buffer>, count = 120): Promise<void> {
  await Promise.all(
    Array.from({ length: count }, async () => {
      const { key, what, expected } = question()
      if (randomInt(3) === 0) await sleep(randomInt(40))
      const got = await unwrap(key, what)
      if (expected !== undefined) assert.deepEqual(got, expected)
      assert.equal(got.length, what.length)
      assert.notDeepEqual(got, Buffer.alloc(what.length))
    }),
  )
}

/** A program for the thread: `on` is what it does with a message; `n` counts them, `answer` is what is right. */
function program(t: TestContext, on: string): URL {
  const file = join(scratch(t), 'thread.mjs')
  const ours = pathToFileURL(join(root, 'dist/src/crypto/key-transport.js')).href
  writeFileSync(
    file,
    `import { parentPort } from 'node:worker_threads'
import { unwrapHere } from '${ours}'
let n = 0
parentPort.on('message', ({ number, key, wrapped }) => {
  n += 1
  const answer = { protocol: 1, number, keys: wrapped.map((each) => Uint8Array.from(unwrapHere(key, each))) }
  ${on}
})
`,
  )
  return pathToFileURL(file)
}

function create(options: Omit<UnwrapThreadOptions, 'log'> = {}) {
  const log = createMemoryLog()
  return { log, ...createUnwrapThread({ log, ...options }) }
}

const GONE = 'WARNING Private keys are used in the main thread for a while, their own thread is gone: '
const said = (lines: readonly string[]): readonly string[] => lines.filter((line) => !line.startsWith('DEBUG'))
const STARTED = 'DEBUG Private keys are used in a thread of their own.'

test('right and wrong keys, of both kinds, of two pairs, many at once', async () => {
  await using thread = create()
  for (let round = 0; round < 4; round++) await ask(thread.unwrap)
  assert.deepEqual(thread.log.lines, [STARTED])
})

test('what is wrong gives another random key each time', async () => {
  await using thread = create()
  const key = KEYS[0]
  const wrapped = wrapPkcs1(createPublicKey(KEYS[1]), randomBytes(32))
  const got = await Promise.all(Array.from({ length: 40 }, () => thread.unwrap(key, { wrapped, length: 32 })))
  assert.equal(new Set(got.map((each) => each.toString('hex'))).size, 40)
})

test('trouble of ours is thrown as it is without a thread', async () => {
  await using thread = create()
  const what = { wrapped: randomBytes(256), length: 32 }
  const key = testKey('p256')
  assert.throws(() => unwrapHere(key, what))
  const got = await Promise.allSettled([1, 2, 3].map(() => thread.unwrap(key, what)))
  assert.deepEqual(
    got.map(({ status }) => status),
    ['rejected', 'rejected', 'rejected'],
  )
  await ask(thread.unwrap)
  assert.deepEqual(thread.log.lines, [STARTED])
})

test('one message at a time has no thread', async () => {
  await using thread = create({ program: new URL('file:///nowhere/thread.js') })
  for (let n = 0; n < 5; n++) await ask(thread.unwrap, 1)
  assert.deepEqual(thread.log.lines, [])
})

describe('all are answered, and right, when the thread', () => {
  const deaths: Readonly<Record<string, string>> = {
    'throws in the middle': `if (n === 3) throw new Error('a bug'); parentPort.postMessage(answer)`,
    'throws at once': `throw new Error('a bug')`,
    'ends in the middle': `if (n === 2) process.exit(3); parentPort.postMessage(answer)`,
    'ends with success': `process.exit(0)`,
    'falls silent': `if (n < 3) parentPort.postMessage(answer)`,
    'is stuck': `if (n > 2) for (;;); parentPort.postMessage(answer)`,
    'answers what nobody asked': `parentPort.postMessage({ ...answer, number: number + 1000 })`,
    'answers a part': `parentPort.postMessage({ ...answer, keys: answer.keys.slice(1) })`,
    'is of another version': `parentPort.postMessage({ ...answer, protocol: 2 })`,
    'answers nothing': `parentPort.postMessage(null)`,
    'answers twice': `parentPort.postMessage(answer); parentPort.postMessage(answer)`,
  }
  for (const [name, on] of Object.entries(deaths)) {
    test(name, async (t) => {
      await using thread = create({ program: program(t, on), patience: 300 })
      for (let round = 0; round < 2; round++) await ask(thread.unwrap)
      const lines = said(thread.log.lines)
      assert.equal(lines.length, 1, lines.join('\n'))
      assert.ok(lines[0]?.startsWith(GONE), lines[0])
    })
  }
  test('cannot be started', async () => {
    await using thread = create({ program: new URL('file:///nowhere/thread.js') })
    for (let round = 0; round < 2; round++) await ask(thread.unwrap)
    assert.equal(said(thread.log.lines).length, 1)
  })
  test('answers with keys of a wrong length, or none: those are done here', async (t) => {
    const on = `answer.keys = answer.keys.map((key, at) => [key, null, 'text', key.subarray(1)][at % 4])
    parentPort.postMessage(answer)`
    await using thread = create({ program: program(t, on) })
    for (let round = 0; round < 2; round++) await ask(thread.unwrap)
    assert.deepEqual(thread.log.lines, [STARTED])
  })
  test('is ended in the middle', async () => {
    for (let after = 0; after < 60; after += 15) {
      const thread = create()
      const asked = ask(thread.unwrap)
      await sleep(after)
      await thread[Symbol.asyncDispose]()
      await asked
      await ask(thread.unwrap, 3)
      assert.deepEqual(said(thread.log.lines), [])
    }
  })
})

test('after a pause there is a new one', async (t) => {
  const on = `if (n === 2) process.exit(3); parentPort.postMessage(answer)`
  await using thread = create({ program: program(t, on), pause: 50 })
  for (let round = 0; round < 6; round++) {
    await ask(thread.unwrap)
    await sleep(60)
  }
  assert.ok(thread.log.lines.filter((line) => line === STARTED).length > 2, thread.log.lines.join('\n'))
})

test('an idle thread keeps no program from ending, one that works does not let it end', async (t) => {
  const file = join(scratch(t), 'program.mjs')
  const at = (path: string): string => JSON.stringify(pathToFileURL(join(root, 'dist/src', path)).href)
  writeFileSync(
    file,
    `import { generateKeyPairSync, randomBytes } from 'node:crypto'
const { createUnwrapThread } = await import(${at('cli/unwrap-thread.js')})
const { wrapPkcs1 } = await import(${at('crypto/key-transport.js')})
const { publicKey, privateKey } = generateKeyPairSync('rsa', { modulusLength: 2048 })
const { unwrap } = createUnwrapThread({ log: { debug: console.log, warning: console.log } })
const wrapped = wrapPkcs1(publicKey, randomBytes(32))
for (let n = 0; n < 20; n++) void unwrap(privateKey, { wrapped, length: 32 }).then(() => console.log('answered'))
`,
  )
  const { code, stdout, stderr } = await startChild(process.execPath, [file]).ended
  assert.deepEqual([code, stderr], [0, ''])
  assert.equal(stdout.match(/answered/g)?.length, 20, stdout)
})
