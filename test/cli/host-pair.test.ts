import assert from 'node:assert/strict'
import { chmodSync, copyFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test, type TestContext } from 'node:test'
import { createHostPair } from '../../src/cli/host-pair.js'
import { createTestPki, testKey } from '../kit/ca.js'
import { createManualClock } from '../kit/manual-clock.js'
import { need } from '../kit/need.js'
import { scratch } from '../kit/scratch.js'
import { startChild } from '../kit/site.js'
import { createMemoryLog } from '../kit/transport.js'

/** A pair in files of its own, and one to renew it with. */
function scene(t: TestContext) {
  const dir = scratch(t)
  const pki = createTestPki(dir)
  const certificate = join(dir, 'hostcert.pem')
  const key = join(dir, 'hostkey.pem')
  const old = pki.host
  copyFileSync(old.certificateFile, certificate)
  copyFileSync(old.keyFile, key)
  const renewed = pki.add('renewed', { key: testKey('rsa2048', 5) })
  const log = createMemoryLog()
  const clock = createManualClock()
  /** Called between two looks. */
  const between: (() => void)[] = []
  const sleep = clock.sleep.bind(clock)
  const pair = createHostPair({
    certificate,
    key,
    allowWeak: false,
    log,
    clock: { ...clock, sleep: (ms) => (between.shift()?.(), sleep(ms)) },
  })
  const isOld = (): boolean => pair.current().certificate.fingerprint === old.certificate.fingerprint
  return { dir, pki, certificate, key, renewed, log, pair, between, isOld }
}

test('a renewed pair is taken up when it was read twice the same; the one before still decrypts', async (t) => {
  const { pair, certificate, key, renewed, log, isOld } = scene(t)
  await pair.reload()
  assert.deepEqual([isOld(), log.lines], [true, []], 'nothing changed, nothing is said')
  copyFileSync(renewed.certificateFile, certificate)
  copyFileSync(renewed.keyFile, key)
  await pair.reload()
  assert.equal(pair.current().certificate.fingerprint, renewed.certificate.fingerprint)
  assert.equal(pair.all().length, 2)
  assert.deepEqual(log.lines, [`INFO The renewed host certificate is in use: ${certificate}`])
})

test('a pair that is being replaced is waited for: the certificate is there, the key comes', async (t) => {
  const { pair, certificate, key, renewed, log, between } = scene(t)
  copyFileSync(renewed.certificateFile, certificate)
  between.push(() => {
    copyFileSync(renewed.keyFile, key)
  })
  await pair.reload()
  assert.equal(pair.current().certificate.fingerprint, renewed.certificate.fingerprint)
  assert.deepEqual(log.lines.length, 1)
})

test('a pair that does not match, is damaged, out of date, or changes at each look stays out', async (t) => {
  const { pki, pair, certificate, key, renewed, log, isOld, between } = scene(t)
  const put = (host: { certificateFile: string; keyFile: string }): void => {
    copyFileSync(host.certificateFile, certificate)
    copyFileSync(host.keyFile, key)
  }
  copyFileSync(renewed.certificateFile, certificate)
  await pair.reload()
  assert.match(log.lines.at(-1) ?? '', /^ERROR The host certificate stays .*does not belong to the certificate/)
  writeFileSync(certificate, '-----BEGIN CERTIFICATE-----\nMIIB\n')
  await pair.reload()
  assert.match(log.lines.at(-1) ?? '', /^ERROR The host certificate stays/)
  put(pki.add('expired', { notBefore: Date.now() - 2 * 86_400_000, notAfter: Date.now() - 86_400_000 }))
  await pair.reload()
  assert.match(log.lines.at(-1) ?? '', /expired on/)
  const [one, two] = [4, 5].map((n) => pki.add(`n${n}`, { key: testKey('rsa2048', n) }))
  put(one!)
  for (const other of [two!, one!, two!, one!]) {
    between.push(() => {
      put(other)
    })
  }
  await pair.reload()
  assert.match(log.lines.at(-1) ?? '', /are being changed all the time/)
  assert.equal(isOld(), true)
  put(renewed)
  await pair.reload()
  assert.equal(isOld(), false)
})

/** Reads the pair as root, replaces the files when others are named, becomes nobody, and reads again. */
const FROM_ROOT = `
import { copyFileSync } from 'node:fs'
import { createHostPair } from '${new URL('../../src/cli/host-pair.js', import.meta.url).href}'
import { systemClock as clock } from '${new URL('../../src/os/clock.js', import.meta.url).href}'
const [certificate, key, newCertificate, newKey] = process.argv.slice(1)
const say = (level) => (format, value) => console.log(level, format, value.message ?? value)
const log = { info: say('INFO'), warning: say('WARNING'), error: say('ERROR') }
const pair = createHostPair({ certificate, key, allowWeak: false, log, clock })
if (newCertificate !== undefined) copyFileSync(newCertificate, certificate)
if (newKey !== undefined) copyFileSync(newKey, key)
process.setuid(65534)
await pair.reload()
console.log(pair.current().certificate.subject.slash)
`

const skip = need('root')
test(
  'a key of root alone cannot be read again: said in words, and only when there is a renewal',
  { skip },
  async (t) => {
    const { dir, certificate, key, renewed, pki } = scene(t)
    // The test's folder is for root alone, and the certificate must be readable.
    chmodSync(dir, 0o755)
    chmodSync(key, 0o400)
    chmodSync(certificate, 0o644)
    const run = async (...files: readonly string[]): Promise<string> => {
      const args = ['--input-type=module', '-e', FROM_ROOT, ...files]
      const { stdout, stderr } = await startChild(process.execPath, args).ended
      assert.equal(stderr, '')
      return stdout
    }
    assert.equal(await run(certificate, key), `${pki.host.dn}\n`, 'no renewal: nothing is said')
    const said = await run(certificate, key, renewed.certificateFile, renewed.keyFile)
    assert.match(said, /^ERROR The host certificate stays .*restart it after a renewal/)
    assert.ok(said.endsWith(`\n${pki.host.dn}\n`), 'the old one stays')
  },
)
