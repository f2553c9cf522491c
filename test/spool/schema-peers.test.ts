/** The queue with schema shared with Python's, whose purge destroys its own adds. */
import { writeFileSync } from 'node:fs'
import { test } from 'node:test'
import assert from 'node:assert/strict'
import { createDisk } from '../../src/os/disk.js'
import { systemClock as clock } from '../../src/os/clock.js'
import { createSchemaQueue } from '../../src/spool/schema-queue.js'
import type { SchemaQueue } from '../../src/spool/schema-queue.js'
import { formatTable, parseTable } from '../../src/spool/table.js'
import { SCHEMA_READER, SCHEMA_WRITER, runPython, startPython } from '../kit/dirq.js'
import { need } from '../kit/need.js'
import { scratch } from '../kit/scratch.js'

const SCHEMA = { body: 'string', signer: 'string', empaid: 'string?' } as const
const open = (path: string): SchemaQueue<typeof SCHEMA> =>
  createSchemaQueue({ path, disk: createDisk(), clock, schema: SCHEMA })
const OURS = 600
const THEIRS = 400

test('consumers that purge: what we write is neither lost nor doubled', { skip: need('python3-dirq') }, async (t) => {
  const path = `${scratch(t)}/incoming`
  const stop = `${path}.stop`
  const readers = [0, 1].map(() => startPython(SCHEMA_READER, path, stop))
  const writer = startPython(SCHEMA_WRITER, path, 'p', String(THEIRS))
  const queue = open(path)
  for (let number = 0; number < OURS; number += 10) {
    const batch = Array.from({ length: 10 }, (_, index) =>
      queue.add({ body: `n-${number + index}`, signer: '/CN=ours', empaid: 'e' }),
    )
    await Promise.all(batch)
    if (number % 100 === 0) await queue.purge()
  }
  const lost = JSON.parse((await writer.ended()).at(-1) ?? '[]') as string[]
  writeFileSync(stop, '')
  const lines = (await Promise.all(readers.map((reader) => reader.ended()))).flat()
  t.diagnostic(`Python's writer lost ${lost.length} of ${THEIRS} adds to Python's purge`)
  t.diagnostic(lines.filter((line) => line.startsWith('raised')).join(', '))
  const read = lines.filter((line) => line.startsWith('n-')).sort()
  const expected = Array.from({ length: OURS }, (_, number) => `n-${number} /CN=ours`).sort()
  assert.deepEqual(read, expected)
})

test('each reads the other’s fields', { skip: need('python3-dirq') }, async (t) => {
  const path = `${scratch(t)}/incoming`
  const schema = `{'body': 'string', 'raw': 'binary', 'extra': 'table', 'note': 'string?'}`
  const ours = createSchemaQueue({
    path,
    disk: createDisk(),
    clock,
    schema: { body: 'string', raw: 'binary', extra: 'table', note: 'string?' },
  })
  const extra = { b: 'line\nbreak', a: 'tab\there\\', 'k\ty': '' }
  const id = await ours.add({ body: '\ufeffgrüß \u{1F600}\r\n', raw: Buffer.from([0, 255]), extra })
  const program = `
q = Queue(sys.argv[1], schema=${schema})
assert q.lock(sys.argv[2])
e = q.get(sys.argv[2])
print(json.dumps([e['body'], list(e['raw']), e['extra'], 'note' in e]))
q.remove(sys.argv[2])
print(q.add({'body': '\\u00e4', 'raw': b'\\x00\\xfe', 'extra': e['extra'], 'note': 'n'}))`
  const [seen = '', name = ''] = runPython(program, path, id).trim().split('\n')
  assert.deepEqual(JSON.parse(seen), ['\ufeffgrüß \u{1F600}\r\n', [0, 255], extra, false])
  const claim = await ours.claim(name)
  assert.ok(claim !== null)
  const back = await claim.read()
  assert.equal(back.body, 'ä')
  assert.deepEqual([...back.raw], [0, 254])
  assert.deepEqual({ ...back.extra }, extra)
  assert.equal(back.note, 'n')
  await claim.remove()
  assert.equal(await ours.count(), 0)
})

test('Python respects our lock and we respect its', { skip: need('python3-dirq') }, async (t) => {
  const path = `${scratch(t)}/incoming`
  const queue = open(path)
  const lock = `q = Queue(sys.argv[1], schema={'body': 'string', 'signer': 'string', 'empaid': 'string?'})\nprint(q.lock(sys.argv[2]))`
  const [first, second] = [await queue.add({ body: 'a', signer: 'b' }), await queue.add({ body: 'c', signer: 'd' })]
  assert.ok((await queue.claim(first)) !== null)
  assert.equal(runPython(lock, path, first).trim(), 'False')
  assert.equal(runPython(lock, path, second).trim(), 'True')
  assert.equal(await queue.claim(second), null)
})

test('the table encoding is Python’s', { skip: need('python3-dirq') }, () => {
  const table = {
    z: '1',
    'a\\n': 'x\\\n\t',
    '': 'empty key',
    'ä\u{1F600}': 'é',
    '\uff5e': 'after',
    '\u{10000}': 'last',
  }
  const program = `
import dirq.queue as d
table = json.loads(sys.argv[1])
print(json.dumps([d._hash2string(table), d._string2hash(sys.argv[2])]))`
  const [text, back] = JSON.parse(runPython(program, JSON.stringify(table), formatTable(table))) as [string, object]
  assert.equal(formatTable(table), text)
  assert.deepEqual(back, table)
  assert.deepEqual({ ...parseTable(text) }, table)
})
