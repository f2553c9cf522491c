/**
 * The image, built with buildah on a Debian made by debootstrap: the documented commands in it, with keys that are root's
 * alone and a spool of another account. Takes minutes and the network, and so runs only with SSM_SLOW_TESTS=true
 * (SSM_BASE_ROOT may name a folder where debootstrap has been, SSM_IMAGE an image that is
 * there already).
 */
import { test } from 'node:test'
import assert from 'node:assert/strict'
import { type ChildProcess, execFileSync, spawn, spawnSync } from 'node:child_process'
import {
  chmodSync,
  chownSync,
  existsSync,
  mkdirSync,
  readFileSync,
  readdirSync,
  statSync,
  writeFileSync,
} from 'node:fs'
import { join } from 'node:path'
import { need } from '../kit/need.js'
import { loadReceiverConfig, loadSenderConfig } from '../../src/config/load.js'
import { scratch } from '../kit/scratch.js'
import { freePort } from '../kit/site.js'
import { readText, root as repository } from '../kit/source.js'

const NAME = 'apel-ssm-test'
/** The account that the mounted spool belongs to. */
const OWNER = 4321
const env = { ...process.env, STORAGE_DRIVER: 'vfs', BUILDAH_ISOLATION: 'chroot' }

const buildah = (...args: readonly string[]): string =>
  execFileSync('buildah', args, {
    env,
    encoding: 'utf8',
    timeout: 300_000,
    stdio: ['ignore', 'pipe', 'inherit'],
  }).trim()

interface Machine {
  readonly folder: string
  /** Flags `-v HOST:INSIDE` of the sender and the receiver, as documented. */
  readonly sender: readonly string[]
  readonly receiver: readonly string[]
}

/** What a site would mount: configuration, certificates with keys of root alone, spools of OWNER, a place for logs. */
function machine(folder: string, container: string, port: number): Machine {
  for (const name of ['spool', 'outgoing', 'logs']) mkdirSync(join(folder, name))
  for (const name of ['spool', 'outgoing']) chownSync(join(folder, name), OWNER, OWNER)
  chmodSync(folder, 0o755)
  buildah('run', '-v', `${folder}:/made`, container, '--', 'ssmctl', 'pki', 'init', '/made/grid-security')
  for (const name of ['sender', 'receiver']) chmodSync(join(folder, 'grid-security', `${name}.key.pem`), 0o400)
  const common = (host: string): string => `[certificates]
certificate: /etc/grid-security/${host}.pem
key: /etc/grid-security/${host}.key.pem
capath: /etc/grid-security/certificates
check_crls: true
[logging]
level: INFO
console: true
logfile: /var/log/apel/${host}.log
`
  const broker = `use_ssl: false\n${common('sender')}`
  writeFileSync(
    join(folder, 'sender.cfg'),
    `[sender]\nprotocol: STOMP\n[broker]\nhost: 127.0.0.1\nport: ${port}\n${broker}[messaging]\ndestination: /queue/x\npath: /var/spool/apel/outgoing\n`,
  )
  writeFileSync(
    join(folder, 'receiver.cfg'),
    `[receiver]\nprotocol: STOMP\n[broker]\nlisten: 127.0.0.1:${port}\nuse_ssl: false\n${common('receiver')}[messaging]\ndestination: /queue/x\npath: /var/spool/apel\n[daemon]\npidfile: /run/apel/ssmreceive.pid\n`,
  )
  const shared = [`${folder}/grid-security:/etc/grid-security`, `${folder}/logs:/var/log/apel`]
  return {
    folder,
    sender: [`${folder}/sender.cfg:/etc/apel/sender.cfg`, `${folder}/outgoing:/var/spool/apel/outgoing`, ...shared],
    receiver: [
      `${folder}/receiver.cfg:/etc/apel/receiver.cfg`,
      `${folder}/spool:/var/spool/apel`,
      `${folder}/grid-security/dns:/etc/apel/dns`,
      ...shared,
    ],
  }
}

/**
 * Runs a command of the image as a container engine does: as process 1 of its own, on a root file system that cannot be
 * written, with the mounts. (`buildah run` with
 * chroot isolation makes no process 1, and mixes up mounts with the volumes of the image.)
 */
function startContained(
  root: string,
  volumes: readonly string[],
  command: readonly string[],
  user = '0:0',
): ChildProcess {
  const binds = volumes.map((volume) => {
    const [from = '', to = ''] = volume.split(':')
    return `mount --bind '${from}' '${root}${to}'`
  })
  const script = [
    'set -e',
    `mount --bind '${root}' '${root}'`,
    `mount -o remount,bind,ro '${root}'`,
    ...binds,
    `mount -t proc proc '${root}/proc'`,
    `mount -t tmpfs tmpfs '${root}/run'`,
    `exec chroot --userspec='${user}' '${root}' "$@"`,
  ].join('\n')
  const args = ['--mount', '--pid', '--fork', '--kill-child', 'sh', '-c', script, 'sh', ...command]
  return spawn('unshare', args, {
    stdio: ['ignore', 'pipe', 'pipe'],
    env: { PATH: '/usr/local/bin:/usr/bin:/bin:/usr/sbin:/sbin' },
  })
}

/** The same, to its end, which must be good. */
async function contained(
  root: string,
  volumes: readonly string[],
  command: readonly string[],
  user?: string,
): Promise<void> {
  const child = startContained(root, volumes, command, user)
  let said = ''
  child.stdout?.on('data', (chunk: Buffer) => (said += chunk.toString()))
  child.stderr?.on('data', (chunk: Buffer) => (said += chunk.toString()))
  const code = await new Promise((resolve) => child.once('close', resolve))
  assert.equal(code, 0, `${command.join(' ')}: ${said}`)
}

/** Waits for words of a child. */
async function says(child: ChildProcess, words: RegExp, said: { text: string }): Promise<void> {
  const end = Date.now() + 60_000
  while (!words.test(said.text)) {
    assert.ok(child.exitCode === null && Date.now() < end, `never said ${words}: ${said.text}`)
    await new Promise((resolve) => setTimeout(resolve, 100))
  }
}

function buildImage(): string {
  const script = join(repository, 'scripts', 'build-container.sh')
  const built = spawnSync('sh', [script, NAME], { env, encoding: 'utf8', timeout: 1_200_000 })
  assert.equal(built.status, 0, built.stdout + built.stderr)
  return `localhost/${NAME}`
}

if (process.env.SSM_SLOW_TESTS === 'true') {
  const skip = need('buildah', 'debootstrap', 'root', 'mount')

  test(
    'the image does the documented job, with a key of root alone and a spool of somebody else',
    { skip },
    async (t) => {
      const image = process.env.SSM_IMAGE ?? buildImage()
      const container = buildah('from', '--pull-never', image)
      t.after(() => buildah('rm', container))
      const site = machine(scratch(t), container, await freePort())
      const root = buildah('mount', container)
      for (const file of ['THIRD-PARTY-NOTICES', 'sbom.cdx.json', 'LICENSE']) {
        assert.ok(existsSync(join(root, 'usr/share/doc/apelssm', file)), file)
      }
      // A record, by somebody who may write there.
      writeFileSync(join(site.folder, 'logs', 'record'), 'CPUs: 12\n')
      const add = ['ssmctl', 'spool', 'add', '/var/spool/apel/outgoing', '/var/log/apel/record']
      await contained(root, site.sender, add, `${OWNER}:${OWNER}`)

      const receiver = startContained(root, site.receiver, ['ssmreceive'])
      const said = { text: '' }
      receiver.stdout?.on('data', (chunk: Buffer) => (said.text += chunk.toString()))
      receiver.stderr?.on('data', (chunk: Buffer) => (said.text += chunk.toString()))
      const ended = new Promise<number | null>((resolve) => receiver.once('close', (code) => { resolve(code) })) // prettier-ignore
      await says(receiver, /Listening on/, said)
      // Process 1 of its name space does not detach.
      const inner = readFileSync(`/proc/${receiver.pid}/task/${receiver.pid}/children`, 'utf8').trim()
      assert.match(readFileSync(`/proc/${inner}/status`, 'utf8'), /^NSpid:.*\t1$/m)
      assert.match(readFileSync(`/proc/${inner}/status`, 'utf8'), new RegExp(`^Uid:\\t${OWNER}\\t`, 'm'))

      await contained(root, site.sender, ['ssmsend'])
      assert.match(readFileSync(join(site.folder, 'logs', 'sender.log'), 'utf8'), /Sent [0-9a-f]{8}\//)
      await says(receiver, /Message saved to incoming queue/, said)
      process.kill(Number(inner), 'SIGTERM')
      assert.equal(await ended, 0, said.text)
      assert.match(said.text, /Receiving SSM has shut down/)

      const incoming = join(site.folder, 'spool', 'incoming')
      const [folder = ''] = readdirSync(incoming)
      const [element = ''] = readdirSync(join(incoming, folder))
      assert.equal(statSync(join(incoming, folder, element)).uid, OWNER)
      assert.equal(readFileSync(join(incoming, folder, element, 'body'), 'utf8'), 'CPUs: 12\n')
    },
  )
}

/** The text of `configs: NAME: content: |` in compose.yaml. */
function composedConfig(name: string): string {
  const [, text = ''] =
    new RegExp(`^  ${name}:\\n    content: \\|\\n((?: {6}.*\\n|\\n)+)`, 'm').exec(readText('compose.yaml')) ?? []
  return text.replaceAll(/^ {6}/gm, '')
}

test('the configuration in compose.yaml is complete, and the two ends fit', (t) => {
  const folder = scratch(t)
  const write = (name: string): string => {
    writeFileSync(join(folder, name), composedConfig(name))
    return join(folder, name)
  }
  const sender = loadSenderConfig(write('sender.cfg'), '/')
  const receiver = loadReceiverConfig(write('receiver.cfg'), '/')
  // For trying out there is a password, and no TLS between the containers.
  const others = [...sender.warnings, ...receiver.warnings].filter((words) => !words.includes('password'))
  assert.deepEqual(others, [])
  assert.equal(sender.config.messaging.destination, receiver.config.messaging.destination)
  assert.deepEqual(sender.config.broker.addresses, receiver.config.broker.addresses)
  const text = readText('compose.yaml')
  for (const [, service = ''] of text.matchAll(/condition: \S+\n|^ {6}(\w+):\n {8}condition/gm)) {
    if (service !== '') assert.match(text, new RegExp(`^  ${service}:$`, 'm'))
  }
})
