/**
 * Text of operators and peers: the DN list, configurations, STOMP frames, tables of directory queues. Whatever they hold,
 * they are read or refused in words; and what is read says the same when it is written again.
 */
import assert from 'node:assert/strict'
import { readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { loadReceiverConfig, loadSenderConfig } from '../../src/config/load.js'
import { makeDn, isSlashAmbiguous } from '../../src/crypto/name.js'
import { attributeOid } from '../../src/crypto/oid.js'
import { formatRfc4514 } from '../../src/crypto/rfc4514.js'
import { isSsmError } from '../../src/errors.js'
import type { Dn } from '../../src/message.js'
import { formatTable, parseTable } from '../../src/spool/table.js'
import { explainNotListed, parseDnList } from '../../src/trust/dn-list.js'
import { createFrameParser, encodeFrame, HEAD_LIMITS, type StompVersion } from '../../src/transport/frame.js'
import { scratch } from '../kit/scratch.js'
import { mutate, type Chance } from './random.js'
import { fuzz } from './target.js'

const bytes = (texts: readonly string[]): readonly Buffer[] => texts.map((text) => Buffer.from(text))

const DNS = bytes([
  '# sites\n/C=UK/O=eScience/OU=CLRC/CN=host.example.org\n!/C=UK/O=eScience/CN=bad\n/DC=org/DC=x/*\n# none\n',
  'CN=host.example.org,O=eScience,C=UK\nC = UK, O = x, CN = "a, b"\nCN=a\\,b\\2C\\C3\\BC+UID=x,C=UK\n',
  '/C=UK/CN=a\tissuer=/C=UK/CN=CA\n/CN=host/x.example.org/emailAddress=a@b\n',
])
const DN_TOKENS = bytes([
  '/CN=',
  '/*',
  '!',
  '\t',
  'issuer=',
  ',',
  '+',
  '\\',
  '"',
  '#',
  '=',
  '/',
  '\n',
  ' ',
  '\u2028',
  'DC=',
])
const ISSUER = makeDn([[{ oid: '2.5.4.3', value: 'CA' }]])
const NAMES = ['C', 'O', 'OU', 'CN', 'DC', 'UID', 'emailAddress', 'ST'].map((name) => attributeOid(name) ?? '')

const LETTERS = [
  'a',
  'b',
  'C',
  ' ',
  '/',
  '=',
  ',',
  '+',
  '"',
  '\\',
  '#',
  ';',
  '<',
  '>',
  '*',
  '!',
  'ü',
  '\t',
  '\u00a0',
  '日',
  'CN=',
  '/O=',
]

function randomName(chance: Chance): Dn {
  const value = (): string => {
    const letters = Array.from({ length: 1 + chance.below(8) }, () => chance.pick(LETTERS))
    const text = letters.join('')
    return text.trim() === '' ? 'x' : text
  }
  const rdn = () =>
    Array.from({ length: chance.next() < 0.1 ? 2 : 1 }, () => ({ oid: chance.pick(NAMES), value: value() }))
  return makeDn([[{ oid: chance.pick(NAMES), value: 'UK' }], ...Array.from({ length: chance.below(5) }, rdn)])
}

fuzz({
  name: 'dn-list',
  rounds: 3000,
  make: (chance) => mutate(chance.pick(DNS), chance, DNS, DN_TOKENS),
  run: (input) => {
    const { list, warnings } = parseDnList(input.toString('utf8'), { wildcards: true })
    assert.ok(warnings.length <= 101)
    for (const warning of warnings) assert.ok(warning.length < 500)
    const dn = makeDn([[{ oid: '2.5.4.6', value: 'UK' }], [{ oid: '2.5.4.3', value: 'nobody at all' }]])
    const standing = list.standing(dn, ISSUER)
    // Only a subtree or a ban of one may meet a name that no line has.
    if (standing.standing === 'listed') assert.ok(standing.subtree !== undefined)
    if (standing.standing === 'unlisted') explainNotListed(dn, standing)
  },
})

fuzz({
  name: 'dn-names',
  rounds: 3000,
  // The seed of a name; printed so that it can be kept as a crash.
  make: (chance) => Buffer.from(JSON.stringify(randomName(chance).rdns)),
  run: (input) => {
    const dn = makeDn(JSON.parse(input.toString()) as Dn['rdns']) // made above
    const allows = (line: string, name: Dn): boolean =>
      parseDnList(line).list.standing(name, ISSUER).standing === 'listed'
    const single = dn.rdns.length === 1
    const ends = [dn.rdns[0], dn.rdns.at(-1)].map((rdn) =>
      rdn?.some(({ oid }) => [0, 1, 4].map((n) => NAMES[n]).includes(oid)),
    )
    const line = formatRfc4514(dn)
    const oriented = ends[0] === true && ends[1] !== true
    // Oriented by exactly one end, or nothing to orient: then the line allows this name, and the reversed one never.
    if (single || oriented) assert.ok(allows(line, dn), line)
    const reversed = makeDn([...dn.rdns].reverse())
    if (oriented && reversed.key !== dn.key) assert.equal(allows(line, reversed), false, line)
    const plain = !dn.slash.includes('\t') && !dn.slash.endsWith('/*') && dn.slash.trim() === dn.slash
    const slash = plain ? dn.slash : ''
    if (isSlashAmbiguous(dn)) assert.equal(allows(slash, dn), false, slash)
    else if (slash !== '') assert.ok(allows(slash, dn), slash)
  },
})

const vectors = join(import.meta.dirname, '..', '..', '..', 'test', 'bad-config')
const CONFIGS = readdirSync(vectors).flatMap((folder) =>
  readdirSync(join(vectors, folder))
    .filter((name) => name.endsWith('.cfg'))
    .map((name) => readFileSync(join(vectors, folder, name))),
)
const CONFIG_TOKENS = bytes([
  '[broker]\n',
  '%(',
  '%(host)s',
  '%',
  '%%',
  '\n ',
  ': ',
  ' = ',
  'true',
  ';',
  '#',
  '[',
  ']',
  '\r',
  'url',
  '0',
  '-',
])
const dir = scratch()

fuzz({
  name: 'configuration',
  rounds: 500,
  make: (chance) => mutate(chance.pick(CONFIGS), chance, CONFIGS, CONFIG_TOKENS),
  run: (input) => {
    const file = join(dir, 'x.cfg')
    writeFileSync(file, input, { mode: 0o600 })
    for (const load of [loadSenderConfig, loadReceiverConfig]) {
      try {
        load(file, dir)
      } catch (error) {
        if (!isSsmError(error, 'configuration')) throw error
      }
    }
  },
})

const FRAMES = bytes([
  'CONNECT\naccept-version:1.2\nhost:x\n\n\0\n\nSEND\ndestination:/queue/a\nreceipt:1\ncontent-length:5\n\nhe\0lo\0\n',
  'MESSAGE\nsubscription:1\nmessage-id:a\\cb\\nc\\\\\n\nbody\0RECEIPT\r\nreceipt-id:1\r\n\r\n\0\r\n',
  'ERROR\nmessage:no\ncontent-length:2\n\nno\0',
])
const FRAME_TOKENS = bytes([
  '\0',
  '\n',
  '\r\n',
  ':',
  '\\',
  '\\c',
  '\\r',
  'content-length:',
  '99999999',
  'SEND\n',
  '\n\n',
])

/** Everything a parser says about these bytes, however they are cut. */
function hear(input: Buffer, version: StompVersion | null, step: number): string[] {
  const heard: string[] = []
  const parser = createFrameParser(
    { ...HEAD_LIMITS, bodyBytes: 10_000 },
    {
      frame: ({ command, headers, body }) =>
        heard.push(`${command} ${JSON.stringify([...headers])} ${body.toString('hex')}`),
      heartBeat: () => heard.push('beat'),
    },
  )
  parser.version = version
  try {
    for (let at = 0; at < input.length; at += step) parser.push(input.subarray(at, at + step))
  } catch (error) {
    if (!isSsmError(error, 'malformed', 'limit')) throw error
    heard.push(error.code)
  }
  return heard
}

fuzz({
  name: 'frames',
  rounds: 3000,
  make: (chance) => mutate(chance.pick(FRAMES), chance, FRAMES, FRAME_TOKENS),
  run: (input) => {
    for (const version of [null, '1.0', '1.1', '1.2'] as const) {
      const whole = hear(input, version, input.length || 1)
      for (const step of [1, 5]) assert.deepEqual(hear(input, version, step), whole, `cut every ${step}`)
    }
    const value = input.toString('latin1').replaceAll('\0', '')
    for (const version of ['1.1', '1.2'] as const) {
      const text = version === '1.1' ? value.replaceAll('\r', '') : value
      const frame = encodeFrame('SEND', [['key', text.slice(0, 1000)]], input.subarray(0, 9000), version)
      assert.equal(hear(frame, version, 7).length, 1, 'what is written is read')
    }
  },
})

const TABLES = bytes([
  'empaid\tabc\nsigner\t/C=UK/CN=x\n',
  'a\\tb\tc\\nd\\\\e\n',
  '\n\nkey\tvalue\n\n',
  '__proto__\tx\n',
])

fuzz({
  name: 'tables',
  rounds: 3000,
  make: (chance) =>
    mutate(chance.pick(TABLES), chance, TABLES, bytes(['\t', '\n', '\\', '\\t', '\\n', '__proto__\t1\n'])),
  run: (input) => {
    try {
      const table = parseTable(input.toString('utf8'))
      assert.deepEqual(
        { ...parseTable(formatTable(table)) },
        { ...table },
        'what was read is written and read the same',
      )
    } catch (error) {
      if (!isSsmError(error, 'element-damaged')) throw error
    }
  },
})
