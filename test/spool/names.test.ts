/** Names, their order, their memory; which kind a directory is; what producers use. */
import { linkSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { test } from 'node:test'
import assert from 'node:assert/strict'
import { createDisk } from '../../src/os/disk.js'
import type { Disk } from '../../src/os/disk.js'
import { systemClock } from '../../src/os/clock.js'
import { detectSpool } from '../../src/spool/detect.js'
import {
  PackedNames,
  createNameMaker,
  isElementName,
  isIntermediateName,
  parseElementPath,
} from '../../src/spool/names.js'
import { MessageDirectory, QueueSimple } from '../../src/spool/producers.js'
import { createSchemaQueue } from '../../src/spool/schema-queue.js'
import { createSimpleQueue } from '../../src/spool/simple-queue.js'
import { formatTable, parseTable } from '../../src/spool/table.js'
import { createManualClock } from '../kit/manual-clock.js'
import { scratch } from '../kit/scratch.js'

test('names are seconds, microseconds and one digit; they rise, and follow a step of the clock', () => {
  const clock = createManualClock(0x5ba24c88 * 1000 + 250)
  const names = createNameMaker(clock, 60, 13)
  assert.equal(names.element(), `5ba24c88${(250_000).toString(16).padStart(5, '0')}d`)
  assert.equal(names.intermediate(), (0x5ba24c88 - (0x5ba24c88 % 60)).toString(16))
  const many = Array.from({ length: 500 }, () => names.element())
  assert.deepEqual(many, [...new Set(many)].sort())
  clock.step(-86_400_000)
  assert.equal(names.element().slice(0, 8), (0x5ba24c88 - 86_400).toString(16))
  clock.step(172_800_000)
  assert.equal(names.element().slice(0, 8), (0x5ba24c88 + 86_400).toString(16))
})

test('only exact names are names', () => {
  assert.ok(isElementName('0123456789abcd') && isIntermediateName('0123abcd'))
  for (const odd of ['0123456789abcD', '0123456789abc', '0123456789abcd\n', '0123456789abcde'])
    assert.ok(!isElementName(odd))
  for (const odd of ['0123abcD', 'deadbeef\n', '.ssm', 'locked']) assert.ok(!isIntermediateName(odd))
  assert.equal(parseElementPath('deadbeef/0123456789abcd\n'), undefined)
})

test('packed names sort as their text does', () => {
  const packed = new PackedNames()
  const names = Array.from({ length: 1000 }, (_, index) =>
    ((index * 2654435761) % 0xffffffff).toString(16).padStart(14, 'f'),
  )
  names.push('00000000000000', 'ffffffffffffff', '7fffffffffffff', '80000000000000')
  for (const name of names) packed.push(name)
  packed.sort()
  assert.deepEqual(
    Array.from({ length: packed.length }, (_, index) => packed.at(index)),
    [...names].sort(),
  )
})

/** A disk on which one directory seems to hold many elements. */
function crowded(real: Disk, directory: string, count: number): Disk {
  return {
    ...real,
    openDirectory(path) {
      if (path !== directory) return real.openDirectory(path)
      let next = 0
      return {
        next() {
          if (next === count) return null
          next += 1
          return { name: Buffer.from((next * 7919).toString(16).padStart(14, '0')), kind: 'file' }
        },
        close: () => undefined,
      }
    },
  }
}

test('a million waiting elements cost little memory', async (t) => {
  const path = `${scratch(t)}/queue`
  mkdirSync(`${path}/00000000`, { recursive: true })
  const disk = crowded(createDisk(), `${path}/00000000`, 1_000_000)
  const queue = createSimpleQueue({ path, disk, clock: systemClock })
  const before = process.memoryUsage()
  for await (const id of queue.ids()) {
    assert.ok(id.length > 0)
    break
  }
  assert.equal(await queue.count(), 1_000_000)
  const after = process.memoryUsage()
  const grown = (after.rss - before.rss) / 1024 / 1024
  t.diagnostic(`rss grew by ${grown.toFixed(1)} MiB`)
  assert.ok(grown < 80, `${grown} MiB`)
})

/** Many elements, quickly: hard links, a new file before the file system's limit of links. Names begin with `start`. */
function fill(directory: string, start: string, count: number): void {
  const nameOf = (index: number): string => `${directory}/${start}${index.toString(16).padStart(6, '0')}`
  mkdirSync(directory, { recursive: true })
  for (let index = 0; index < count; index += 1) {
    const first = index - (index % 30_000)
    if (index === first) writeFileSync(nameOf(index), 'x')
    else linkSync(nameOf(first), nameOf(index))
  }
}

test('100 000 elements are iterated in small memory; hand-made ones wait their second', async (t) => {
  const path = `${scratch(t)}/queue`
  const clock = createManualClock()
  fill(`${path}/00000000`, Math.floor(clock.now() / 1000).toString(16), 80_000)
  fill(`${path}/00000001`, '00000001', 20_000)
  const queue = createSimpleQueue({ path, disk: createDisk(), clock, settleWait: 2000 })
  clock.advance(10_000)
  const before = process.memoryUsage().rss
  let peak = 0
  const found = { '00000000': 0, '00000001': 0 }
  for await (const id of queue.ids()) {
    found[id.slice(0, 8) as keyof typeof found] += 1
    if (id.endsWith('000')) peak = Math.max(peak, process.memoryUsage().rss)
  }
  t.diagnostic(`rss grew by ${((peak - before) / 1024 / 1024).toFixed(1)} MiB`)
  assert.deepEqual(found, { '00000000': 80_000, '00000001': 20_000 })
  assert.equal(await queue.count(), 100_000)
  assert.ok(peak - before < 80 * 1024 * 1024)
})

test('kinds of directories are told apart', async (t) => {
  const home = scratch(t)
  const disk = createDisk()
  const at = (name: string): string => {
    mkdirSync(`${home}/${name}`)
    return `${home}/${name}`
  }
  assert.equal(await detectSpool(disk, `${home}/missing`), 'none')
  assert.equal(await detectSpool(disk, at('empty')), 'empty')
  await new QueueSimple(at('simple')).add('x')
  assert.equal(await detectSpool(disk, `${home}/simple`), 'simple')
  await new MessageDirectory(at('files')).add('x')
  assert.equal(await detectSpool(disk, `${home}/files`), 'directory')
  const schema = { body: 'string' } as const
  await createSchemaQueue({ path: `${at('parent')}/incoming`, disk, clock: systemClock, schema }).add({ body: 'x' })
  assert.equal(await detectSpool(disk, `${home}/parent/incoming`), 'schema')
  assert.equal(await detectSpool(disk, `${home}/parent`), 'receiver')
})

test('producers add text and bytes', async (t) => {
  const home = scratch(t)
  const id = await new QueueSimple(`${home}/queue`, { granularity: 1 }).add('grüß')
  assert.equal(readFileSync(`${home}/queue/${id}`, 'utf8'), 'grüß')
  const name = await new MessageDirectory(`${home}/files`).add(Buffer.from([1, 2]))
  assert.deepEqual([...readFileSync(`${home}/files/${name}`)], [1, 2])
})

test('tables refuse what is not key, tab, value; keys cannot reach a prototype', () => {
  assert.equal(formatTable({}), '')
  assert.deepEqual({ ...parseTable('a\t1\na\t2\n') }, { a: '2' })
  assert.throws(() => parseTable('no tab\n'), /line 1 of a table/)
  assert.throws(() => parseTable('a\tb\tc\n'), /line 1 of a table/)
  const odd = parseTable('__proto__\tx\n')
  assert.equal(Object.getPrototypeOf(odd), null)
  assert.equal(odd.__proto__, 'x')
})
