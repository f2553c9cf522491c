/** The status page in a real browser: the style is applied under the policy, light and dark, wide and narrow; nothing runs. */
import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { test, type TestContext } from 'node:test'
import { promisify } from 'node:util'
import { inflateSync } from 'node:zlib'
import { openHttp } from '../../../src/cli/monitoring/http.js'
import { pagesOf } from '../../../src/cli/monitoring/monitoring.js'
import { need, programPath } from '../../kit/need.js'
import { scratch } from '../../kit/scratch.js'
import { BUSY } from '../../kit/status.js'

const run = promisify(execFile)

async function browse(t: TestContext, ...flags: readonly string[]): Promise<string> {
  await using server = await openHttp({
    listen: { host: '127.0.0.1', port: 0 },
    names: [],
    pages: await pagesOf(() => Promise.resolve(BUSY)),
  })
  const common = ['--headless', '--no-sandbox', '--disable-gpu', '--hide-scrollbars', `--user-data-dir=${scratch(t)}`]
  const url = `http://127.0.0.1:${server.address.port}/`
  const { stdout } = await run(programPath('chromium'), [...common, ...flags, url], { timeout: 120_000 })
  return stdout
}

/** Size, and the colour of the first pixel: for that one, every filter of PNG leaves the bytes as they are. */
function readPng(file: string): { width: number; height: number; corner: string; bytes: number } {
  const png = readFileSync(file)
  const data: Buffer[] = []
  for (let at = 8; at < png.length; at += 12 + png.readUInt32BE(at)) {
    if (png.toString('latin1', at + 4, at + 8) === 'IDAT')
      data.push(png.subarray(at + 8, at + 8 + png.readUInt32BE(at)))
  }
  const corner = inflateSync(Buffer.concat(data)).subarray(1, 4).toString('hex')
  return { width: png.readUInt32BE(16), height: png.readUInt32BE(20), corner, bytes: png.length }
}

test('a page with its style, light and dark, wide and narrow', { skip: need('chromium') }, async (t) => {
  const dir = scratch(t)
  const shots = [
    { name: 'light', width: 1100, height: 1300, corner: 'f6f7f9', flags: [] },
    { name: 'dark', width: 1100, height: 1300, corner: '12161b', flags: ['--blink-settings=preferredColorScheme=0'] },
    { name: 'narrow', width: 500, height: 2000, corner: 'f6f7f9', flags: [] },
  ]
  for (const { name, width, height, corner, flags } of shots) {
    const file = join(dir, `${name}.png`)
    await browse(t, `--window-size=${width},${height}`, `--screenshot=${file}`, ...flags)
    const seen = readPng(file)
    assert.deepEqual([seen.width, seen.height, seen.corner], [width, height, corner], name)
    assert.ok(seen.bytes > 30_000, `${name}: more than an empty page, ${seen.bytes} bytes`)
  }
})

test('names stay text, and the page needs no scripts', { skip: need('chromium') }, async (t) => {
  const dom = await browse(t, '--dump-dom')
  assert.match(dom, /&lt;script&gt;alert\(1\)&lt;\/script&gt;/u)
  assert.doesNotMatch(dom, /<script|<img/u)
  assert.match(dom, /<svg [^]*<rect class="stored"/u)
})
