import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { contentOf, parseSmime } from '../../src/crypto/smime.js'
import { toCrlf } from '../../src/crypto/text.js'
import { isSsmError } from '../../src/errors.js'
import { loadVectors } from '../kit/vectors.js'

const KEYS = ['why', 'kind', 'declared', 'content', 'fail']

const unescape = (text: string): Buffer =>
  Buffer.from(
    text.replace(/\\(?:x([0-9a-f]{2})|n|r)/g, (escape, hex?: string) =>
      hex === undefined ? (escape === '\\n' ? '\n' : '\r') : String.fromCharCode(Number.parseInt(hex, 16)),
    ),
    'latin1',
  )

/** A value, or the code of the SsmError instead. */
async function outcome<T>(run: () => Promise<T>): Promise<T | string> {
  try {
    return await run()
  } catch (error) {
    if (isSsmError(error, 'malformed', 'limit')) return error.code
    throw error
  }
}

const FORMS = [
  ['with LF', (bytes: Buffer) => bytes],
  ['with CRLF', toCrlf],
] as const

describe('S/MIME text is taken apart', () => {
  for (const { name, header, bytes } of loadVectors('smime', KEYS)) {
    for (const [form, convert] of FORMS) {
      test(`${name} ${form}: ${header.get('why') ?? ''}`, async () => {
        const smime = await outcome(() => parseSmime(convert(bytes)))
        assert.equal(typeof smime === 'string' ? smime : smime.kind, header.get('kind'))
        if (typeof smime === 'string') return
        if (smime.kind === 'opaque') assert.equal(smime.declared, header.get('declared'))
        if (smime.kind !== 'detached') return
        assert.deepEqual(smime.cms, Buffer.from([0x30, 0x00]))
        const content = await outcome(() => contentOf(smime.content))
        const fail = header.get('fail')
        if (fail === undefined) assert.deepEqual(content, unescape(header.get('content') ?? ''))
        else assert.equal(content, fail)
      })
    }
  }
  test('a header without end is a limit, not a search', async () => {
    assert.equal(await outcome(() => parseSmime(Buffer.from(`X: ${'y'.repeat(70_000)}\n\n`))), 'limit')
    assert.equal(await outcome(() => parseSmime(Buffer.from('X: y\n'.repeat(300).concat('\n')))), 'limit')
  })
  test('nothing takes more than linear time', async () => {
    const size = 4_000_000
    const start = process.cpuUsage()
    const head = 'Content-Type: multipart/signed; boundary=b\n\n'
    for (const unit of ['--b', '\n--b', '--b\t', '\n--b ', ' ', '=', '= ', '\r', '\n']) {
      await outcome(() => parseSmime(Buffer.from(head + unit.repeat(size / unit.length))))
      await outcome(() =>
        contentOf(Buffer.from(`Content-Transfer-Encoding: quoted-printable\n\n${unit.repeat(size / unit.length)}`)),
      )
    }
    await outcome(() => parseSmime(Buffer.from(`Content-Type: a/b${';a=b'.repeat(15_000)}\n\n`)))
    await outcome(() => parseSmime(Buffer.from(`Content-Type: a/b;${'\\"'.repeat(30_000)}\n\n`)))
    // Of the processor: the clock also runs while other programs do.
    const { user } = process.cpuUsage(start)
    assert.ok(user < 5_000_000, `it took ${user / 1000} ms`)
  })
})
