/** The manual pages: every flag, verb and option is in them, and they are what troff reads. */
import { test } from 'node:test'
import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { readFileSync, readdirSync } from 'node:fs'
import { join } from 'node:path'
import type { Command } from 'commander'
import { createCommand as createProgramCommand } from '../../src/cli/flag-command.js'
import { OPTIONS } from '../../src/config/options.js'
import { ERROR_KINDS } from '../../src/errors.js'
import { runScript } from '../kit/bundle.js'
import { need } from '../kit/need.js'
import { scratch } from '../kit/scratch.js'
import { ssmctl } from '../kit/ssmctl.js'

const folder = scratch()
runScript('make-man.mjs', folder)

/** Without troff's marks, so that it can be searched. */
const page = (name: string): string =>
  readFileSync(join(folder, name), 'utf8')
    .replaceAll(/\\f[BIR]/g, '')
    .replaceAll(/\\\[u([0-9A-F]{4,6})\]/g, (_, hex: string) => String.fromCodePoint(Number.parseInt(hex, 16)))
    .replaceAll('\\-', '-')
    .replaceAll('\\e', '\\')

function assertFlags(command: Command, text: string): void {
  for (const option of command.options) {
    for (const flag of [option.short, option.long]) {
      if (flag !== undefined) assert.match(text, new RegExp(`^[^a-z]*(.*, )?${flag}\\b`, 'm'))
    }
    assert.ok(text.includes(option.description), option.description)
  }
}

for (const name of ['ssmsend', 'ssmreceive'] as const) {
  test(`${name}(1) has every flag and every exit code`, () => {
    const text = page(`${name}.1`)
    assertFlags(createProgramCommand(name), text)
    // 1: something was set aside, which a receiver never does.
    const codes = new Set(Object.values(ERROR_KINDS).map(({ exit }) => exit))
    if (name === 'ssmreceive') codes.delete(1)
    for (const code of codes) assert.match(text, new RegExp(`^\\.TP\\n${code}$`, 'm'))
  })
}

test('ssmctl(1) has every verb with every flag', async () => {
  const text = page('ssmctl.1')
  // What a user sees: the verbs of --help, of groups too, and the flags of each.
  const namesIn = (help: string): readonly string[] => {
    const [, list = ''] = help.split(/^Commands:$/m)
    return [...list.matchAll(/^ {2}([a-z][a-z-]*)/gm)].map((found) => found[1] ?? '').filter((name) => name !== 'help')
  }
  const helpOf = async (...verbs: readonly string[]): Promise<string> =>
    (await ssmctl([...verbs, '--help'])).stdout.toString()
  let seen = 0
  const look = async (verbs: readonly string[]): Promise<void> => {
    const help = await helpOf(...verbs)
    const inner = namesIn(help)
    for (const name of inner) await look([...verbs, name])
    if (inner.length > 0) return
    const section = new RegExp(`^\\.SS ssmctl ${verbs.join(' ')}( .*)?\\n([^]*?)(?=^\\.S[HS] )`, 'm').exec(text)?.[0]
    assert.ok(section !== undefined, `ssmctl ${verbs.join(' ')} is not in the page`)
    for (const [, flag = ''] of help.matchAll(/^ {2}(?:-\w, )?(--[\w-]+)/gm)) {
      assert.ok(section.includes(flag), `ssmctl ${verbs.join(' ')} ${flag}`)
      seen += 1
    }
  }
  await look([])
  assert.ok(seen > 10, `only ${seen} flags were seen`)
})

test('ssm.cfg(5) has every option with its default', () => {
  const text = page('ssm.cfg.5')
  for (const option of OPTIONS) {
    const [, rest = ''] = text.split(`.SH "[${option.section}]"\n`)
    // Some keys have a row for the sender and one for the receiver.
    const own = [...rest.split('\n.SH')[0]!.matchAll(new RegExp(`^\\.TP\\n${option.key}\\n(.*)$`, 'gm'))]
    const expected = [option.meaning, ...(option.default === undefined ? [] : [`Default: ${option.default}.`])]
    assert.ok(
      own.some(([, text = '']) => expected.every((part) => text.includes(part))),
      `[${option.section}] ${option.key}`,
    )
  }
})

test('troff reads the pages without a warning', { skip: need('groff') }, () => {
  for (const name of readdirSync(folder)) {
    const args = ['-man', '-ww', '-z', '-Tutf8', join(folder, name)]
    const result = spawnSync('groff', args, { encoding: 'utf8', timeout: 60_000 })
    assert.deepEqual([result.status, result.stderr], [0, ''], name)
  }
})
