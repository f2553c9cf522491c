/**
 * Every command of README.md and docs is run, word for word, in a bare system with the programs installed and `/etc/apel` filled in;
 * or it is named below with the test that runs it.
 */
import { test } from 'node:test'
import assert from 'node:assert/strict'
import { chmodSync, mkdirSync } from 'node:fs'
import { join } from 'node:path'
import { createBareRoot, type BareRoot } from '../kit/bare-root.js'
import { runScript } from '../kit/bundle.js'
import { commandsOf } from '../kit/documents.js'
import { startInside } from '../kit/installed.js'
import { need } from '../kit/need.js'
import { scratch } from '../kit/scratch.js'
import { freePort } from '../kit/site.js'
import { filesBelow, readText } from '../kit/source.js'

/** Run by another test, or by a person: each must occur. */
const ELSEWHERE: readonly (readonly [RegExp, string])[] = [
  [/^sh scripts\/demo\.sh$/, 'test/cli/demo.test.ts runs what it starts'],
  [/^sh scripts\/test\.sh$/, 'this is it'],
  [/^npm ci$/, 'scripts/test.sh runs it'],
  [/^sh scripts\/build-rpm\.sh$/, 'test/packages/rpm.test.ts'],
  [/^sh scripts\/build-deb\.sh$/, 'test/packages/deb.test.ts'],
  [/^npm (pack|install --global \.\/secure-stomp-messenger-\*\.tgz)$/, 'test/packages/npm.test.ts'],
  [/^ssmctl ams /, 'test/cli/ssmctl-ams.test.ts, with a double of the service'],
  [/^npm run bench /, 'a person, for half an hour'],
  [/^npm run torture /, 'a person, for an hour: test/crash and test/fault run its parts in short'],
  [/^ssmctl status --watch$/, 'test/e2e/status.test.ts, for it never ends'],
  [/^ssmctl completion /, 'test/cli/completion.test.ts, into no file'],
  [/^docker (build|run) /, 'test/packages/container.test.ts, with buildah'],
]

/** What a command may end with, when it is not 0 alone. */
const EXITS: readonly (readonly [RegExp, readonly number[]])[] = [
  // The message that was set aside is tried again, and set aside again.
  [/^ssmsend -c/, [0, 1]],
  // No sender stays there.
  [/^ssmctl status /, [0, 1]],
  // A throw-away site has things to look at; what it must not have are wrong options and faults of ours.
  [/^ssm(ctl check|send --check|receive --check)/, [0, 1]],
]

const documents = ['README.md', ...filesBelow('docs').map((name) => `docs/${name}`)]
const isElsewhere = (command: string): boolean => ELSEWHERE.some(([words]) => words.test(command))

const config = (role: 'sender' | 'receiver', broker: string, path: string): string => `[${role}]
protocol: STOMP
[broker]
${broker}
use_ssl: false
[certificates]
certificate: /home/site/hostcert.pem
key: /home/site/hostkey.pem
capath: /etc/grid-security/certificates
${role === 'receiver' ? 'check_crls: true' : ''}
[messaging]
destination: /queue/records
path: ${path}
${role === 'sender' ? 'sent_keep: 30 d' : ''}
[logging]
logfile: /var/log/apel/${role}.log
level: INFO
console: false
${role === 'receiver' ? '[daemon]\npidfile: /run/apel/ssmreceive.pid' : ''}
`

/** A machine with the programs, certificates, configuration, a message set aside, and a receiver elsewhere to send to. */
async function site(folder: string): Promise<{ root: BareRoot; far: ReturnType<typeof startInside> }> {
  runScript('stage-package.mjs', join(folder, 'stage'))
  const path = join(folder, 'root')
  mkdirSync(path)
  const root = createBareRoot(path)
  root.addProgram(process.execPath, '/usr/bin/node')
  root.copyTree(join(folder, 'stage', 'tree'))
  const [far, own] = [await freePort(), await freePort()]
  for (const name of [
    'home/site',
    'root',
    'var/log/apel',
    'run/apel',
    'var/spool/apel/incoming',
    'var/spool/apel/reject',
    'var/spool/far',
  ]) {
    mkdirSync(join(path, name), { recursive: true })
  }
  root.ok(['ssmctl', 'pki', 'init', '/etc/grid-security'])
  for (const [from, to] of [
    ['sender.pem', 'hostcert.pem'],
    ['sender.key.pem', 'hostkey.pem'],
    ['receiver.pem', 'servercert.pem'],
    ['receiver.key.pem', 'serverkey.pem'],
  ]) {
    // prettier-ignore
    root.ok(['cp', `/etc/grid-security/${from}`, `/home/site/${to}`])
  }
  chmodSync(join(path, 'home/site/hostkey.pem'), 0o400)
  root.ok(['cp', '/etc/grid-security/dns', '/etc/apel/dns'])
  root.write('/etc/apel/sender.cfg', config('sender', `host: 127.0.0.1\nport: ${far}`, '/var/spool/apel/outgoing'))
  root.write('/etc/apel/receiver.cfg', config('receiver', `listen: 127.0.0.1:${own}`, '/var/spool/apel'))
  root.write('/etc/far.cfg', config('receiver', `listen: 127.0.0.1:${far}`, '/var/spool/far').replace('false\n[daemon]', 'true\n[daemon]').replace('ssmreceive.pid', 'far.pid')) // prettier-ignore
  root.write('/home/site/record.txt', 'CPUs: 12\n')
  const receiver = startInside(root, ['ssmreceive', '--foreground', '-c', '/etc/far.cfg'], 'root')
  await receiver.says(/Listening on/)
  // Not UTF-8: set aside.
  root.ok([
    'sh',
    '-c',
    `printf '\\377' >/tmp/odd && ssmctl spool add /var/spool/apel/outgoing /tmp/odd; ssmsend; [ $? = 1 ]`,
  ])
  return { root, far: receiver }
}

/** Some words stand for what a reader puts there. */
function filledIn(root: BareRoot, command: string): string {
  if (!/\bID$/.test(command)) return command
  const listed = root.ok(['ssmctl', 'spool', 'list', '/var/spool/apel/outgoing/.ssm/failed'])
  return command.replace(/\bID$/, /[0-9a-f]{8}\/[0-9a-f]{14}/.exec(listed)?.[0] ?? 'none')
}

test('every command of the documents runs', { skip: need('root') }, async (t) => {
  const { root, far } = await site(scratch(t))
  t.after(() => far.stop())
  const failed: string[] = []
  let ran = 0
  for (const name of documents) {
    for (const command of commandsOf(readText(name)).filter((each) => !isElsewhere(each))) {
      const allowed = EXITS.find(([words]) => words.test(command))?.[1] ?? [0]
      const { status, stdout, stderr } = root.run(['sh', '-c', `cd /home/site && ${filledIn(root, command)}`])
      if (!allowed.includes(status)) failed.push(`${name}: ${command}: ${status}\n${stdout}${stderr}`)
      ran += 1
    }
  }
  const pid = Number(root.read('/run/apel/ssmreceive.pid'))
  process.kill(pid, 'SIGTERM')
  assert.deepEqual(failed, [])
  assert.ok(ran > 20, `${ran} commands`)
  assert.equal(root.read('/etc/apel.before/dns'), root.read('/etc/apel/dns'))
  t.diagnostic(`${ran} commands`)
})

test('what is run elsewhere is still in the documents', () => {
  const all = documents.flatMap((name) => commandsOf(readText(name)))
  for (const [words, where] of ELSEWHERE) {
    assert.ok(
      all.some((command) => words.test(command)),
      `${words.source}: ${where}`,
    )
  }
})
