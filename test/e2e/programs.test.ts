/**
 * The programs as a shell, cron and an init script see them: flags, exit codes, words, detaching, pidfile, signals.
 */
import assert from 'node:assert/strict'
import { existsSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, test } from 'node:test'
import { VERSION } from '../../src/cli/version.js'
import { startFakeBroker } from '../kit/fake-broker.js'
import { fillOutgoing } from '../kit/records.js'
import { scratch } from '../kit/scratch.js'
import { createSite, eventually, freePort, startChild, startProgram, type Site } from '../kit/site.js'

const pidfile = (site: Site): string => join(site.dir, 'ssmreceive.pid')
const lines = (log: string): string[] => log.split('\n').map((line) => line.split(' - ').slice(1).join(' - '))

function isAlive(pid: number): boolean {
  try {
    return process.kill(pid, 0)
  } catch {
    // ESRCH: gone.
    return false
  }
}

/** A receiver that detached is nobody's child: it is ended with the test, whatever happens to it. */
function endWithTest(site: Site): void {
  process.once('exit', () => {
    if (!existsSync(pidfile(site))) return
    const pid = Number(readFileSync(pidfile(site), 'utf8'))
    if (pid > 1 && isAlive(pid)) process.kill(pid, 'SIGKILL')
  })
}

const listening = (site: Site, port: number): void => {
  site.configure({ receiver: { broker: { host: undefined, port: undefined, listen: `127.0.0.1:${port}` } } })
}

describe('flags', () => {
  for (const program of ['ssmsend', 'ssmreceive'] as const) {
    const run = (...args: readonly string[]) => startProgram(program, args).ended
    test(`${program} -v, -h, unknown`, async () => {
      const [version, help, unknown, excess, missing] = await Promise.all([
        run('-v'),
        run('-h'),
        run('--frobnicate'),
        run('file'),
        run('-c', '/nowhere/x.cfg'),
      ])
      assert.deepEqual([version.code, version.stdout], [0, `SSM ${VERSION}\n`])
      assert.equal(help.code, 0)
      assert.match(help.stdout, /--config <file>/)
      assert.deepEqual([unknown.code, unknown.stdout], [64, ''])
      assert.match(unknown.stderr, /--frobnicate/)
      assert.equal(excess.code, 64)
      assert.deepEqual([missing.code, missing.stdout], [78, 'Config file not found at /nowhere/x.cfg\n'])
    })
    test(`${program} with protocol: AMS and a file that is for STOMP`, async (t) => {
      const site = createSite(scratch(t), 1)
      const protocol = { protocol: 'AMS' }
      site.configure({ sender: { sender: protocol }, receiver: { receiver: protocol } })
      const cfg = program === 'ssmsend' ? site.senderCfg : site.receiverCfg
      const ended = await run('-c', cfg)
      assert.equal(ended.code, 78)
      assert.match(ended.stderr + ended.stdout, /no name of a (topic|subscription) at AMS/)
      assert.match(site.log(program), /CRITICAL - .*ams_project: missing/)
    })
  }
})

describe('ssmreceive detaches', () => {
  test('exit 0 when ready; the pidfile names the child; SIGTERM ends it', async (t) => {
    const port = await freePort()
    const site = createSite(scratch(t), port)
    endWithTest(site)
    listening(site, port)
    const started = await startProgram('ssmreceive', ['-c', site.receiverCfg, '-d', site.dns]).ended
    assert.deepEqual([started.code, started.stdout, started.stderr], [0, '', ''])
    const pid = Number(readFileSync(pidfile(site), 'utf8'))
    assert.ok(isAlive(pid))
    await eventually('it listens', () => site.log('ssmreceive').includes('Listening on'))
    fillOutgoing(site.outgoing, 5, ['ascii'])
    assert.equal((await site.send()).code, 0)
    assert.equal(site.countIncoming(), 5)

    const second = await startProgram('ssmreceive', ['-c', site.receiverCfg, '-d', site.dns]).ended
    assert.deepEqual(
      [second.code, second.stdout],
      [75, `Cannot start SSM.  Pidfile ${pidfile(site)} already exists.\n`],
    )

    process.kill(pid, 'SIGTERM')
    await eventually('it is gone', () => !isAlive(pid))
    assert.equal(existsSync(pidfile(site)), false)
    const log = lines(site.log('ssmreceive'))
    for (const line of [
      'ssmreceive - INFO - The SSM will run as a daemon.',
      'ssmreceive - INFO - Received the shutdown signal: SIGTERM',
      'ssmreceive - INFO - Receiving SSM has shut down.',
    ]) {
      assert.equal(log.filter((each) => each === line).length, 1, line)
    }
    assert.equal(log.at(-2), `ssmreceive - INFO - ${'='.repeat(40)}`)
  })

  test('what is wrong with key, trust or DNs shows at once: 78, and the log says why', async (t) => {
    const site = createSite(scratch(t), 1)
    writeFileSync(site.dns, '# nobody\n')
    const ended = await startProgram('ssmreceive', ['-c', site.receiverCfg, '-d', site.dns]).ended
    assert.deepEqual([ended.code, ended.stdout], [78, 'SSM failed to start.  See log file for details.\n'])
    assert.match(site.log('ssmreceive'), /ERROR - Failed to initialise SSM: the DN list .* holds no DN/)
    assert.equal(existsSync(pidfile(site)), false)
    // Nobody else says why there: `systemctl status` shows what the unit printed.
    const service = await startProgram('ssmreceive', ['-c', site.receiverCfg, '-d', site.dns, '--foreground']).ended
    assert.deepEqual([service.code, service.stdout], [78, ''])
    assert.match(service.stderr, /^the DN list .* holds no DN.*\n$/)
  })

  test('what is wrong with the configuration: 78, in words, before detaching', async (t) => {
    const site = createSite(scratch(t), 1)
    site.configure({ receiver: { messaging: { window: 'many' } } })
    const ended = await startProgram('ssmreceive', ['-c', site.receiverCfg, '-d', site.dns]).ended
    assert.equal(ended.code, 78)
    assert.match(ended.stderr, /receiver\.cfg:\d+: \[messaging\] window: .*many/)
    assert.match(site.log('ssmreceive'), /CRITICAL - .*window.*many/)
  })

  test('a broker that is down: exit 0, and it connects when the broker comes', async (t) => {
    const site = createSite(scratch(t), 0)
    endWithTest(site)
    const port = await freePort()
    site.configure({ receiver: { broker: { port } } })
    const started = await startProgram('ssmreceive', ['-c', site.receiverCfg, '-d', site.dns]).ended
    assert.equal(started.code, 0)
    const pid = Number(readFileSync(pidfile(site), 'utf8'))
    await eventually('it complains', () => site.log('ssmreceive').includes('WARNING - Connection lost.'))
    await using broker = await startFakeBroker(
      async (peer) => {
        await peer.greet()
        await peer.expect('SUBSCRIBE')
      },
      undefined,
      port,
    )
    await eventually('it connects', () => site.log('ssmreceive').includes('Subscribing to: /queue/ssm'))
    assert.equal(broker.peers.length, 1)
    process.kill(pid, 'SIGTERM')
    await eventually('it is gone', () => !isAlive(pid))
    assert.match(site.log('ssmreceive'), /INFO - Restarting SSM\./)
  })
})

describe('one receiver a path', () => {
  test('a stale pidfile does not block: gone, somebody else, nonsense', async (t) => {
    const port = await freePort()
    const site = createSite(scratch(t), port)
    listening(site, port)
    const other = startChild('sleep', ['60'])
    for (const text of ['999999999\n', `${other.child.pid}\n`, 'nonsense\n', '']) {
      writeFileSync(pidfile(site), text)
      const receiver = site.startReceiver()
      await eventually('it has its own pidfile', () => {
        return existsSync(pidfile(site)) && readFileSync(pidfile(site), 'utf8') === `${receiver.child.pid}\n`
      })
      await eventually('it listens', () => site.log('ssmreceive').split('Listening on').length > 1)
      assert.equal((await receiver.stop()).code, 0, text)
      assert.equal(existsSync(pidfile(site)), false)
    }
    await other.stop('SIGKILL')
  })

  test('a second one with a pidfile of its own: 75, and it names the first', async (t) => {
    const port = await freePort()
    const site = createSite(scratch(t), port)
    listening(site, port)
    const first = site.startReceiver()
    await eventually('it listens', () => site.log('ssmreceive').includes('Listening on'))
    site.configure({
      receiver: {
        broker: { host: undefined, port: undefined, listen: `127.0.0.1:${await freePort()}` },
        daemon: { pidfile: join(site.dir, 'second.pid') },
      },
    })
    const second = await site.startReceiver().ended
    assert.equal(second.code, 75)
    assert.match(
      site.log('ssmreceive'),
      new RegExp(`Failed to initialise SSM: Another ssmreceive is storing into .* \\(pid ${first.child.pid} since `),
    )
    assert.equal((await first.stop()).code, 0)
  })

  test('a pidfile that cannot be written is a warning', async (t) => {
    const port = await freePort()
    const site = createSite(scratch(t), port)
    const broker = { host: undefined, port: undefined, listen: `127.0.0.1:${port}` }
    site.configure({ receiver: { broker, daemon: { pidfile: join(site.dir, 'nowhere', 'x.pid') } } })
    const receiver = site.startReceiver()
    await eventually('it listens', () => site.log('ssmreceive').includes('Listening on'))
    assert.equal((await receiver.stop()).code, 0)
    assert.match(site.log('ssmreceive'), /WARNING - Failed to create pidfile .*nowhere/)
  })
})
