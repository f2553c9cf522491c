/** Questions to an installed system below a folder: is everything there, and does it do the whole job? */
import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { readdirSync } from 'node:fs'
import { INSTALLED } from '../../src/cli/installed.js'
import type { BareRoot } from './bare-root.js'
import { freePort } from './site.js'

/** `3770` → `rws` letters as `stat` prints them. */
function letters(kind: 'd' | '-', mode: number): string {
  const bits = Array.from('rwxrwxrwx', (letter, at) => ((mode >> (8 - at)) & 1) === 1 ? letter : '-') // prettier-ignore
  if ((mode & 0o2000) !== 0) bits[5] = bits[5] === 'x' ? 's' : 'S'
  if ((mode & 0o1000) !== 0) bits[8] = bits[8] === 'x' ? 't' : 'T'
  return kind + bits.join('')
}

/** Every path of the table, with its kind, mode and owner. */
export function assertInstalled(root: BareRoot): void {
  const wrong = INSTALLED.flatMap(({ path, kind, mode, owner, group }) => {
    if (!root.has(path)) return [`${path} is missing`]
    const directory = kind === 'directory' || kind === 'state' || kind === 'runtime'
    const expected = `${letters(directory ? 'd' : '-', mode)} ${owner} ${group}`
    const is = root.owned(path)
    return is === expected ? [] : [`${path} is ${is}, not ${expected}`]
  })
  assert.deepEqual(wrong, [])
}

/** `ssmctl check` of an installed system compares it with the table too. */
export function assertCheckCompares(root: BareRoot): void {
  const found = (): readonly string[] => {
    const { stdout } = root.run(['ssmctl', 'check', '-c', '/etc/apel/sender.cfg', '--json'])
    const { checks } = JSON.parse(stdout) as { checks: { level: string; about: string; text: string }[] }
    return checks.filter(({ about }) => about === 'installation').map(({ level, text }) => `${level} ${text}`)
  }
  assert.deepEqual(found(), [`ok ${INSTALLED.length} files and directories are as the package has them`])
  root.ok(['chmod', '0777', '/usr/lib/apelssm/bin/ssmsend.js'])
  assert.match(found().join('\n'), /^failed \/usr\/lib\/apelssm\/bin\/ssmsend\.js has mode 0777/)
  root.ok(['chmod', '0644', '/usr/lib/apelssm/bin/ssmsend.js'])
}

const SENDER = `[sender]
protocol: STOMP
[broker]
host: 127.0.0.1
port: PORT
use_ssl: false
[certificates]
certificate: /etc/grid-security/sender.pem
key: /etc/grid-security/sender.key.pem
capath: /etc/grid-security/certificates
server_cert: /etc/grid-security/receiver.pem
[messaging]
destination: /queue/records
path: /var/spool/apel/outgoing
[logging]
logfile: /var/log/apel/ssmsend.log
level: INFO
console: false
`
const RECEIVER = `[receiver]
protocol: STOMP
[broker]
listen: 127.0.0.1:PORT
use_ssl: false
[certificates]
certificate: /etc/grid-security/receiver.pem
key: /etc/grid-security/receiver.key.pem
capath: /etc/grid-security/certificates
check_crls: true
[messaging]
destination: /queue/records
path: /var/spool/apel
[logging]
logfile: /var/log/apel/ssmreceive.log
level: INFO
console: true
[daemon]
pidfile: /run/apel/ssmreceive.pid
`

/**
 * The installed programs, inside, as `user` (as root: with keys that are root's alone): certificates, a
 * record into outgoing, receiver and sender, the record in incoming; then SIGTERM ends the receiver with 0.
 */
export async function runMainJob(root: BareRoot, user: 'apel' | 'root' = 'apel'): Promise<void> {
  root.ok(['ssmctl', 'pki', 'init', '/etc/grid-security'])
  root.ok(['cp', '/etc/grid-security/dns', '/etc/apel/dns'])
  const keys = ['/etc/grid-security/sender.key.pem', '/etc/grid-security/receiver.key.pem']
  root.ok(['chown', user, ...keys])
  root.ok(['chmod', '0400', ...keys])
  const port = String(await freePort())
  root.write('/etc/apel/sender.cfg', SENDER.replace('PORT', port))
  root.write('/etc/apel/receiver.cfg', RECEIVER.replace('PORT', port))
  root.write('/tmp/record.txt', 'CPUs: 12\n')
  root.ok(['ssmctl', 'spool', 'add', '/var/spool/apel/outgoing', '/tmp/record.txt'], 'apel')
  const receiver = startInside(root, ['ssmreceive', '--foreground'], user)
  try {
    await receiver.says(/listening|Listening/)
    root.ok(['ssmsend'], user)
    const spool = root.at('/var/spool/apel/incoming')
    const elements = readdirSync(spool).flatMap((name) => readdirSync(`${spool}/${name}`))
    assert.equal(elements.length, 1, receiver.said())
    assert.match(root.read('/var/log/apel/ssmsend.log'), /encrypted using .*CN=receiver/)
    const id = root.ok(['ssmctl', 'spool', 'list', '/var/spool/apel/incoming'], 'apel')
    assert.match(id, /[0-9a-f]{8}\/[0-9a-f]{14}/)
  } finally {
    receiver.stop()
  }
  assert.equal(await receiver.ended, 0, receiver.said())
}

/** Starts a program inside and keeps what it says; `says` waits for words, a minute at most. */
export function startInside(root: BareRoot, command: readonly string[], user: string) {
  // `exec -a` and shells between would get the signal instead of the program.
  const child = spawn('chroot', [`--userspec=${user}`, root.path, ...command], {
    stdio: ['ignore', 'pipe', 'pipe'],
    env: { PATH: '/usr/bin:/usr/sbin:/bin:/sbin' },
  })
  let said = ''
  const waiting: (() => void)[] = []
  const keep = (chunk: Buffer): void => {
    said += chunk.toString()
    for (const look of waiting) look()
  }
  child.stdout.on('data', keep)
  child.stderr.on('data', keep)
  const ended = new Promise<number | null>((resolve) => child.once('close', (code) => { resolve(code) })) // prettier-ignore
  return {
    ended,
    said: () => said,
    stop: () => child.kill('SIGTERM'),
    says: (words: RegExp) =>
      new Promise<void>((resolve, reject) => {
        const look = (): void => { if (words.test(said)) resolve() } // prettier-ignore
        waiting.push(look)
        look()
        void ended.then((code) => { reject(new Error(`ended with ${code}: ${said}`)) }) // prettier-ignore
        setTimeout(() => { reject(new Error(`never said ${words}: ${said}`)) }, 60_000).unref() // prettier-ignore
      }),
  }
}
