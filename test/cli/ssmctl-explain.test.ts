/** `ssmctl explain` and `convert-dn`. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { explainLine, explainWord, explanations } from '../../src/cli/explain/explain.js'
import { formatRfc2253 } from '../../src/crypto/rfc4514.js'
import { ERROR_KINDS } from '../../src/errors.js'
import { REASONS } from '../../src/message.js'
import { parseDnName } from '../../src/trust/dn-line.js'
import { ssmctl } from '../kit/ssmctl.js'

const named = (line: string): string[] => explainLine(line).map(({ kind, name }) => `${kind} ${name}`)

test('every reason and every code has a meaning and something to try', () => {
  for (const word of [...Object.keys(REASONS), ...Object.keys(ERROR_KINDS)]) {
    const known = explainWord(word)
    assert.ok(known.length > 0, word)
    for (const { meaning, remedy } of known) assert.ok(meaning.length > 3 && remedy.length > 3, word)
  }
  assert.deepEqual(
    explainWord('malformed').map(({ kind }) => kind),
    ['reason', 'code'],
  )
})

test('every line of the log is known by itself, whatever its values are', () => {
  for (const { name, level } of explanations('log')) {
    // A line that is only a value needs its level to be known.
    const line = `2026-11-20 14:18:06,423 - ssm.ssm2 - ${level ?? ''} - ${name.replaceAll('%s', '5 of /C=x: y')}`
    const [first] = explainLine(line)
    assert.deepEqual([first?.kind, first?.level], ['log', level], line)
    if (name !== '%s') assert.equal(first?.name, name)
  }
})

test('lines as the journal, JSON and a terminal have them; the reason in them', () => {
  const inJournal =
    'Nov 20 14:18:06 host ssmreceive[12]: 2026-11-20 14:18:06,423 - ssm.ssm2 - WARNING - Message rejected: Signer not in valid DNs list: /CN=x'
  assert.deepEqual(named(inJournal), ['log Message rejected: %s', 'reason not-listed'])
  const json = JSON.stringify({ time: 'x', level: 'ERROR', message: 'Failed to verify message: no path [untrusted]' })
  assert.deepEqual(named(json), ['log Failed to verify message: %s', 'reason untrusted'])
  assert.deepEqual(named('Failed to verify message: a certificate of the path has expired'), ['log Failed to verify message: %s', 'reason expired']) // prettier-ignore
  assert.deepEqual(named('/etc/apel/sender.cfg:12: unknown key x'), ['sentence FILE:N: …'])
  const port = 'msg.example.org:61614: nothing listens on this port'
  assert.deepEqual(named(port), ['inside nothing listens on this port'], 'a host and its port are no file and line')
  assert.deepEqual(named('Cannot start SSM.  Pidfile /run/x already exists.'), ['words Cannot start SSM.  Pidfile FILE already exists.']) // prettier-ignore
  assert.deepEqual(named('something: nobody: said'), [])
  assert.deepEqual(named('{'.repeat(100_000)), [])
})

test('the verb: words, lines, standard input, and what is not known', async () => {
  const [word, line, input, all, typo, odd] = await Promise.all([
    ssmctl(['explain', 'not-listed']),
    ssmctl(['explain', 'Sent', '5ba24c88/5ba24c8f0f129d']),
    ssmctl(['explain', '-', '--json'], {
      input: 'Connected.\n\nConnected.\n2026-11-20 14:18:06,423 - ssm.ssm2 - DEBUG - x\nConnection lost.\n',
    }),
    ssmctl(['explain']),
    ssmctl(['explain', 'not-lsited']),
    ssmctl(['explain', '\x1b[31mnonsense']),
  ])
  assert.match(
    word.stdout.toString(),
    /^not-listed \(why a message .*\)\n {2}means: the signer is not .*\n {2}try: {3}Add the DN/u,
  )
  assert.match(line.stdout.toString(), /^Sent %s \(a line of the log, INFO\)\n/u)
  const said = input.stdout.toString().trim().split('\n').map((each) => (JSON.parse(each) as { name: string }).name) // prettier-ignore
  assert.deepEqual(said, ['Connected.', 'Connection lost.'])
  const words = all.stdout.toString().trim().split('\n')
  assert.equal(words.length, Object.keys(REASONS).length + Object.keys(ERROR_KINDS).length)
  assert.ok(words.every((each) => each.split('\t').length === 3))
  assert.deepEqual([typo.exit, typo.stdout.length, odd.exit], [1, 0, 1])
  assert.match(typo.stderr, /did you mean not-listed\?/u)
  assert.match(odd.stderr, /nothing is known of \\x1b\[31mnonsense/u)
})

test('convert-dn: each form from each, and names that are read in two ways', async () => {
  const slash = '/DC=org/O=Ä, "x"/CN=host/a.example.org/emailAddress=a@b.org'
  const rfc4514 = 'emailAddress=a@b.org,CN=host/a.example.org,O=Ä\\, \\"x\\",DC=org'
  const rfc2253 = '1.2.840.113549.1.9.1=#16076140622e6f7267,CN=host/a.example.org,O=Ä\\, \\"x\\",DC=org'
  const all = `slash\t${slash}\nrfc4514\t${rfc4514}\nrfc2253\t${rfc2253}\n`
  for (const text of [
    slash,
    rfc4514,
    'subject=DC = org, O = "Ä, \\"x\\"", CN = host/a.example.org, emailAddress = a@b.org',
  ]) {
    const run = await ssmctl(['convert-dn', text])
    assert.deepEqual([run.exit, run.stdout.toString(), run.stderr], [0, all, ''], text)
  }
  const [one, both, none, odd, wrong] = await Promise.all([
    ssmctl(['convert-dn', slash, '--to', 'rfc4514']),
    ssmctl(['convert-dn', 'C=UK,CN=x,O=y']),
    ssmctl(['convert-dn', 'nonsense\x1b']),
    ssmctl(['convert-dn', 'CN=a/O=b,C=UK']),
    ssmctl(['convert-dn', slash, '--to', 'x500']),
  ])
  assert.equal(one.stdout.toString(), `${rfc4514}\n`)
  assert.deepEqual([both.exit, both.stdout.length, none.exit, wrong.exit], [1, 0, 1, 64])
  assert.match(
    both.stderr,
    /can be read in both directions: it has .*\n {2}from the left: {2}\/C=UK\/CN=x\/O=y\n {2}from the right: \/O=y\/CN=x\/C=UK\n/u,
  )
  assert.match(none.stderr, /nonsense\\x1b is no name/u)
  assert.equal(odd.exit, 0)
  assert.match(odd.stderr, /with slashes this name can be read in two ways/u)
  const dn = parseDnName('/C=UK/street=a/serialNumber=1')
  assert.ok(typeof dn !== 'string')
  assert.equal(formatRfc2253(dn), '2.5.4.5=#130131,street=a,C=UK')
})
