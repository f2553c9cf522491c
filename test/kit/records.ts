/**
 * Contents for end-to-end tests: 10 KB records of every kind that ever got lost or changed on the way.
 */
import { mkdirSync, readdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'

const KINDS = [
  'ascii',
  'utf8',
  'crlf',
  'empty lines',
  'trailing blanks',
  'no final newline',
  'lone cr',
  'nul',
  'binary',
] as const

export type RecordKind = (typeof KINDS)[number]

/** What every sender may send. */
export const TEXT_KINDS: readonly RecordKind[] = KINDS.filter((kind) => kind !== 'binary')

const LINE = 'Site: EXAMPLE-SITE\nLocalJobId: 4711\nWallDuration: 3600\nCpuDuration: 3500\nStartTime: 1700000000\n'

/** The n-th record of a kind, about `size` bytes, each different. */
export function makeRecord(kind: RecordKind, n: number, size = 10_000): Buffer {
  const head = `APEL-individual-job-message: v0.3\nRecord: ${n}\n`
  const lines = head + LINE.repeat(Math.ceil(size / LINE.length))
  const text: Readonly<Record<RecordKind, string>> = {
    ascii: lines,
    utf8: lines.replaceAll('EXAMPLE', 'ÜNIVERSITÄT-東京'),
    crlf: lines.replaceAll('\n', '\r\n'),
    'empty lines': `\n\n${lines.replaceAll('\n', '\n\n')}\n\n`,
    'trailing blanks': lines.replaceAll('\n', ' \t \n'),
    'no final newline': `${lines}end`,
    'lone cr': lines.replaceAll('LocalJobId', 'a\rb'),
    nul: lines.replaceAll('LocalJobId', 'a\0b\v\f'),
    binary: '',
  }
  if (kind !== 'binary') return Buffer.from(text[kind], 'utf8')
  const bytes = Buffer.alloc(size, head)
  for (let i = head.length; i < size; i++) bytes[i] = (i * 31 + n * 7 + (i >> 3)) & 0xff
  return bytes
}

/** Elements as any dirq writer names them, without the code under test. Returns what was written, by content. */
export function fillOutgoing(outgoing: string, count: number, kinds: readonly RecordKind[], size?: number): Buffer[] {
  const seconds = Math.floor(Date.now() / 1000)
  const folder = join(outgoing, (seconds - (seconds % 60)).toString(16).padStart(8, '0'))
  mkdirSync(folder, { recursive: true })
  return Array.from({ length: count }, (_, n) => {
    const body = makeRecord(kinds[n % kinds.length]!, n, size)
    // Never a name twice: with the same content it would be the same message again, were both written within a second.
    written += 1
    const micro = (written & 0xfffff).toString(16).padStart(5, '0')
    writeFileSync(join(folder, `${seconds.toString(16).padStart(8, '0')}${micro}a`), body)
    return body
  })
}

let written = 0

/** Names in the folders of an outgoing dirq: elements and their locks. */
export function elementsLeft(outgoing: string): string[] {
  return readdirSync(outgoing)
    .filter((name) => /^[0-9a-f]{8}$/.test(name))
    .flatMap((folder) => readdirSync(join(outgoing, folder)))
}
