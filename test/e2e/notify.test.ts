/**
 * What both programs tell a supervisor, through `systemd-notify`.
 */
import assert from 'node:assert/strict'
import { chmodSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, test, type TestContext } from 'node:test'
import { need } from '../kit/need.js'
import { startNotifySocket } from '../kit/notify-socket.js'
import { scratch } from '../kit/scratch.js'
import { createSite, eventually, freePort, startProgram, type Running, type Site } from '../kit/site.js'

type Name = 'ssmsend' | 'ssmreceive'

async function start(t: TestContext, name: Name, env: NodeJS.ProcessEnv): Promise<{ site: Site; run: Running }> {
  const port = await freePort()
  const site = createSite(scratch(t), port)
  site.configure({ receiver: { broker: { host: undefined, port: undefined, listen: `127.0.0.1:${port}` } } })
  const args = name === 'ssmsend' ? ['-c', site.senderCfg, '--watch'] : ['-c', site.receiverCfg, '-d', site.dns]
  return { site, run: startProgram(name, args, { env: { ...env, WATCHDOG_PID: undefined } }) }
}

const isUp = (site: Site, name: Name) => (): boolean => /Watching |Listening on/.test(site.log(name))
const complaints = (site: Site, name: Name): string[] =>
  site
    .log(name)
    .split('\n')
    .filter((line) => line.includes('The supervisor is not told anything'))

/** A stand-in for systemd-notify that writes its words down. */
function fakeNotify(t: TestContext): { folder: string; words(): string[] } {
  const folder = scratch(t)
  const file = join(folder, 'words')
  writeFileSync(file, '')
  writeFileSync(join(folder, 'systemd-notify'), `#!/bin/sh\necho "$@" >> '${file}'\n`)
  chmodSync(join(folder, 'systemd-notify'), 0o755)
  return { folder, words: () => readFileSync(file, 'utf8').split('\n').slice(0, -1) }
}

for (const name of ['ssmsend', 'ssmreceive'] as const) {
  describe(`${name} under a supervisor`, () => {
    test('ready, alive, stopping: a real socket', { skip: need('python3', 'systemd-notify') }, async (t) => {
      const folder = mkdtempSync(join(tmpdir(), 'notify-'))
      t.after(() => {
        rmSync(folder, { recursive: true })
      })
      const socket = await startNotifySocket(join(folder, 's'))
      const { site, run } = await start(t, name, { NOTIFY_SOCKET: socket.path, WATCHDOG_USEC: '500000' })
      await eventually('signs of life', () => socket.words().filter((word) => word === 'WATCHDOG=1').length >= 3)
      assert.equal(socket.words()[0], 'READY=1')
      const ended = await run.stop()
      assert.deepEqual([ended.code, ended.signal], [0, null], site.log(name))
      await eventually('the last word', () => socket.words().at(-1) === 'STOPPING=1')
      assert.deepEqual(complaints(site, name), [])
      await socket.stop()
    })

    test('no watchdog without WATCHDOG_USEC, nor for another process', async (t) => {
      const fake = fakeNotify(t)
      const env = { PATH: `${fake.folder}:/usr/bin:/bin`, NOTIFY_SOCKET: '/run/x' }
      const { site, run } = await start(t, name, { ...env, WATCHDOG_USEC: undefined })
      await eventually('it is ready', () => fake.words().includes('READY=1'))
      await run.stop()
      assert.deepEqual(fake.words(), ['READY=1', 'STOPPING=1'], site.log(name))
    })

    test('a missing systemd-notify is one line of the log', async (t) => {
      const env = { PATH: '/nowhere', NOTIFY_SOCKET: '/run/x', WATCHDOG_USEC: '100000' }
      const { site, run } = await start(t, name, env)
      await eventually('it is up', isUp(site, name))
      await eventually('it says so', () => complaints(site, name).length > 0)
      await new Promise((resolve) => setTimeout(resolve, 500))
      assert.equal((await run.stop()).code, 0)
      assert.equal(complaints(site, name).length, 1)
      assert.match(complaints(site, name)[0] ?? '', /systemd-notify is not installed/)
    })

    test('the path of a socket that would be cut is not used', async (t) => {
      const fake = fakeNotify(t)
      const env = { PATH: `${fake.folder}:/usr/bin:/bin`, NOTIFY_SOCKET: `/run/${'x'.repeat(103)}` }
      const { site, run } = await start(t, name, env)
      await eventually('it is up', isUp(site, name))
      assert.equal((await run.stop()).code, 0)
      assert.deepEqual(fake.words(), [])
      assert.match(complaints(site, name)[0] ?? '', /NOTIFY_SOCKET has 108 bytes/)
    })
  })
}
