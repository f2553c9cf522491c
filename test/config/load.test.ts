import assert from 'node:assert/strict'
import { chmodSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test, type TestContext } from 'node:test'
import { isSsmError } from '../../src/errors.js'
import { findLogging, loadReceiverConfig, loadSenderConfig } from '../../src/config/load.js'
import { OPTIONS, RETIRED } from '../../src/config/options.js'
import { printConfig, sampleConfig, sampleDns } from '../../src/config/print.js'
import { scratch } from '../kit/scratch.js'
import { readText } from '../kit/source.js'

const SENDER = `
[sender]
protocol: STOMP
[broker]
host: a.example.org, b.example.org:61613, [2001:db8::1]:61615, ::1
port: 61614
[certificates]
certificate: cert.pem
key: key.pem
capath: certificates
[messaging]
destination: /queue/accounting
path: outgoing
[logging]
logfile: ssm.log
level: WARN
console: Off
`

const RECEIVER = `
[receiver]
protocol: STOMP
[broker]
listen: 127.0.0.1:0
use_ssl: no
heart_beat: 5 min
max_connections: 7
[certificates]
certificate: /c
key: /k
capath: /d
check_crls: yes
crl_policy: require
allow_sha1: crls, messages
[messaging]
destination: /queue/accounting
path: /spool
max_message_size: 1.5 MiB
[logging]
logfile: /l
level: info
console: true
format: json
[daemon]
pidfile: /p
detach: false
`

function written(t: TestContext, text: string): string {
  const file = join(scratch(t), 'ssm.cfg')
  writeFileSync(file, text)
  return file
}

test('a sender: every value typed, relative paths from the working directory', (t) => {
  const { config, warnings } = loadSenderConfig(written(t, SENDER), '/work dir')
  assert.deepEqual(warnings, [])
  assert.deepEqual(config, {
    protocol: 'STOMP',
    broker: {
      addresses: [
        { host: 'a.example.org', port: 61614 },
        { host: 'b.example.org', port: 61613 },
        { host: '2001:db8::1', port: 61615 },
        { host: '::1', port: 61614 },
      ],
      useSsl: true,
      verify: 'true',
      ca: 'both',
      heartBeat: 30_000,
    },
    certificates: {
      certificate: '/work dir/cert.pem',
      key: '/work dir/key.pem',
      capath: '/work dir/certificates',
      signingPolicy: 'auto',
      allowSha1: [],
      allowWeak: [],
      verifyServerCert: true,
      serverCerts: [],
      cipher: 'aes256',
      keyTransport: 'pkcs1',
    },
    messaging: {
      destination: '/queue/accounting',
      path: '/work dir/outgoing',
      pathType: 'dirq',
      pathTypeGiven: false,
      binary: false,
      window: 256,
      runLock: true,
    },
    logging: { logfile: '/work dir/ssm.log', level: 'WARNING', console: false, format: 'ssm' },
    daemon: {},
    monitoring: { names: [] },
  })
})

test('a receiver that listens', (t) => {
  const { config } = loadReceiverConfig(written(t, RECEIVER), '/')
  assert.deepEqual(config.broker, {
    addresses: [],
    listen: { host: '127.0.0.1', port: 0 },
    useSsl: false,
    verify: 'true',
    ca: 'both',
    heartBeat: 300_000,
    maxConnections: 7,
  })
  assert.deepEqual(config.certificates, {
    certificate: '/c',
    key: '/k',
    capath: '/d',
    checkCrls: true,
    crlPolicy: 'require',
    holdKeep: 604_800_000,
    signingPolicy: 'auto',
    dnWildcards: false,
    allowSha1: ['crls', 'messages'],
    allowWeak: [],
  })
  assert.equal(config.messaging.maxMessageSize, 1.5 * 1024 * 1024)
  assert.deepEqual(config.logging, { logfile: '/l', level: 'INFO', console: true, format: 'json' })
  assert.deepEqual(config.daemon, { pidfile: '/p', detach: 'no' })
})

test('journal_keep: an age, and a number behind a comma', (t) => {
  const load = (value: string) =>
    loadReceiverConfig(written(t, RECEIVER.replace('[messaging]\n', `[messaging]\njournal_keep: ${value}\n`)), '/')
  const day = 86_400_000
  for (const [value, age, count] of [
    ['7 d', 7 * day, 1_000_000],
    ['36 h, 20000', 1.5 * day, 20_000],
    ['1 d,1 000 000', day, 1_000_000],
    ['1 d , 2_000_000', day, 2_000_000],
  ] as const) {
    assert.deepEqual(load(value).config.messaging.journalKeep, { age, count }, value)
  }
  for (const [value, words] of [
    ['7 d, many', /'many' is not a whole number: write an age and a number, as in 7 d, 1000000/],
    ['7 d, 10', /'10' is out of range: write a number from 1000 to 10000000/],
    ['7 d, 1000, 2', /more than one comma/],
    ['1000000', /begins with a bare number/],
    ['5 min', /out of range: write one from 1 h to 366 d/],
  ] as const) {
    assert.throws(() => load(value), words, value)
  }
})

test('urls: one or several, ports by scheme, TLS by scheme', (t) => {
  const broker = (lines: string) => {
    const text = SENDER.replace(/^host: .*\nport: .*$/m, lines)
    return loadSenderConfig(written(t, text), '/').config.broker
  }
  const many = broker('url: stomp://a, stomp+ssl://B.example.org:1/, ws://[::1]/ws?x=1,\n  WSS://c:15673')
  assert.deepEqual(many.addresses, [
    { scheme: 'stomp', host: 'a', port: 61613 },
    { scheme: 'stomp+ssl', host: 'B.example.org', port: 1 },
    { scheme: 'ws', host: '::1', port: 80, path: '/ws?x=1' },
    { scheme: 'wss', host: 'c', port: 15673, path: '/' },
  ])
  assert.equal(many.useSsl, true)
  assert.equal(broker('url: ws://a/ws').useSsl, false)
  assert.equal(broker('url: wss://a/ws\nuse_ssl: true').useSsl, true)
})

test('the keys of the other program are not unknown: one file may serve both', (t) => {
  const both =
    SENDER.replace('capath: certificates', 'capath: certificates\ncheck_crls: true') +
    RECEIVER.slice(RECEIVER.indexOf('[daemon]'))
  assert.deepEqual(loadSenderConfig(written(t, both), '/').warnings, [])
})

test('a missing, unreadable or odd file is a configuration error in words', (t) => {
  const directory = scratch(t)
  const cases: [string, string][] = [
    [join(directory, 'none.cfg'), `Config file not found at ${join(directory, 'none.cfg')}`],
    [directory, `${directory} is a directory, not a file.`],
    ['/dev/zero', '/dev/zero is a device or socket, not a file.'],
  ]
  for (const [file, words] of cases) {
    assert.throws(
      () => loadSenderConfig(file, '/'),
      (error) => isSsmError(error, 'configuration') && error.exit === 78 && error.message === words,
    )
  }
})

test('passwords: from a file, hidden when printed, and a warning when everybody may read them', (t) => {
  const directory = scratch(t)
  const secret = join(directory, 'secret')
  writeFileSync(secret, 'correct horse\r\nsecond line\n', { mode: 0o600 })
  const file = join(directory, 'ssm.cfg')
  writeFileSync(file, SENDER.replace('port: 61614', `port: 61614\nusername: apel\npassword_file: ${secret}`))
  assert.equal(loadSenderConfig(file, '/').config.broker.password, 'correct horse')
  assert.deepEqual(loadSenderConfig(file, '/').warnings, [])
  chmodSync(secret, 0o644)
  assert.match(loadSenderConfig(file, '/').warnings[0] ?? '', /password_file: everybody on this machine can read it/u)

  writeFileSync(file, SENDER.replace('port: 61614', 'port: 61614\nusername: apel\npassword: battery'))
  chmodSync(file, 0o644)
  const open = loadSenderConfig(file, '/')
  assert.match(open.warnings[0] ?? '', /:8: \[broker\] password: everybody on this machine can read this secret/u)
  assert.doesNotMatch(printConfig(open.effective), /battery/u)
  chmodSync(file, 0o600)
  assert.deepEqual(loadSenderConfig(file, '/').warnings, [])
})

test('printed configuration is a configuration with the same meaning', (t) => {
  const { config, effective } = loadReceiverConfig(written(t, RECEIVER), '/')
  const text = printConfig(effective)
  assert.match(text, /# default\nverify: true\n/u)
  assert.deepEqual(loadReceiverConfig(written(t, text), '/').config, config)
})

test('[logging] is found although the rest is wrong', (t) => {
  const file = written(t, RECEIVER.replace('[certificates]', '[certs]'))
  assert.throws(() => loadReceiverConfig(file, '/'))
  assert.equal(findLogging(file, 'receiver', '/')?.logfile, '/l')
  assert.equal(findLogging(written(t, RECEIVER.replace('level: info', 'level: loud')), 'receiver', '/'), undefined)
  assert.equal(findLogging('/nonexistent', 'receiver', '/'), undefined)
})

test('the shipped files are what the option table says', () => {
  const remedy = 'run: npm run build && node scripts/make-conf.mjs'
  assert.equal(readText('conf/sender.cfg'), sampleConfig('sender'), remedy)
  assert.equal(readText('conf/receiver.cfg'), sampleConfig('receiver'), remedy)
  assert.equal(readText('conf/dns'), sampleDns(), remedy)
})

test('a shipped file, unedited, refuses to start; edited in its two places it is accepted', (t) => {
  const directory = scratch(t)
  mkdirSync(directory, { recursive: true })
  for (const [program, load] of [
    ['sender', loadSenderConfig],
    ['receiver', loadReceiverConfig],
  ] as const) {
    const file = join(directory, `${program}.cfg`)
    writeFileSync(file, sampleConfig(program))
    assert.throws(
      () => load(file, '/'),
      (error) => isSsmError(error) && error.message.split('\n').length === 3 && error.message.includes('placeholder'),
    )
    const edited = readFileSync(file, 'utf8')
      .replace('CHANGE-ME.broker.example', 'b.example.org')
      .replace('CHANGE-ME', 'x')
    writeFileSync(file, edited)
    assert.deepEqual(load(file, '/').warnings, [])
    // With every default made active, too.
    writeFileSync(file, edited.replaceAll(/^#(\w+: .+)$/gmu, '$1'))
    assert.deepEqual(load(file, '/').warnings, [])
  }
})

test('the table is sound', () => {
  const seen = new Set<string>()
  for (const option of OPTIONS) {
    const name = `${option.section} ${option.key}`
    for (const who of option.who === 'both' ? ['sender', 'receiver'] : [option.who]) {
      assert.ok(!seen.has(`${name} ${who}`), `${name} twice for ${who}`)
      seen.add(`${name} ${who}`)
    }
    assert.match(option.key, /^[a-z0-9_]+$/u)
    assert.match(option.meaning, /^[A-Z0-9a-z].*[.?]$/u, name)
    assert.ok(!(option.required === true && option.default !== undefined), name)
    assert.equal(option.choices !== undefined, option.type === 'choice' || option.type === 'choices', name)
    assert.equal(RETIRED[option.section]?.[option.key], undefined, `${name} is both alive and retired`)
  }
})
