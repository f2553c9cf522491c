/**
 * Plays the dialogues of test/dialogs/listener against a listener. An unknown word in a dialogue fails it.
 */
import assert from 'node:assert/strict'
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { LISTENER_LIMITS, type ListenerSettings } from '../../src/transport/listener/index.js'
import type { Delivery } from '../../src/transport/port.js'
import { openListening, type Listening } from '../kit/listening.js'
import { connectStomp, type StompClient } from '../kit/stomp-client.js'

// From dist/test/transport to the repository.
const folder = join(import.meta.dirname, '../../../test/dialogs/listener')

interface Dialogue {
  readonly title: string
  readonly lines: readonly string[]
}

function readDialogues(text: string): readonly Dialogue[] {
  const [, ...parts] = text.split(/^== /m)
  return parts.map((part) => {
    const [title = '', ...lines] = part.split('\n')
    return { title, lines: lines.filter((line) => line.trim() !== '' && !line.startsWith('#')) }
  })
}

/** Escapes of a string; `*3ab:c\n` at a line's end stands for `ab:c\n` three times, `*3x` for xxx. */
function unescapeText(text: string): string {
  const bytes = text.replace(/\\(?:x([0-9a-f]{2})|(.))/g, (_, hex: string | undefined, letter: string) =>
    hex === undefined ? ({ n: '\n', r: '\r', '0': '\0' }[letter] ?? letter) : String.fromCharCode(parseInt(hex, 16)),
  )
  return bytes.replace(/\*([0-9]+)([^\n]*\n?)/, (_, times: string, what: string) => what.repeat(Number(times)))
}

/** `set` lines as settings. */
function readSettings(lines: readonly string[]): Partial<ListenerSettings> {
  const settings: Record<string, number> = {}
  const limits: Record<string, number> = {}
  for (const line of lines) {
    const [, name, value] = /^set (\w+) ([0-9]+)$/.exec(line) ?? []
    if (name === undefined) continue
    const target = Object.hasOwn(LISTENER_LIMITS, name) ? limits : settings
    target[name] = Number(value)
  }
  return { ...settings, limits }
}

class Play {
  readonly #listening: Listening
  readonly #clients = new Map<string, StompClient>()
  readonly #deliveries = new Map<string, Delivery>()

  constructor(listening: Listening) {
    this.#listening = listening
  }

  async line(line: string): Promise<void> {
    const [, who = '', what = '', rest = ''] = /^(\w+) (\S+) ?(.*)$/.exec(line) ?? []
    if (who === 'set') return
    if (who === 'log') await this.#log(new RegExp(rest))
    else if (who === 'r') await this.#receiver(what, rest)
    else if (/^[cd]$/.test(who)) await this.#client(await this.#named(who), what, rest)
    else assert.fail(`who is ${who}?`)
  }

  async end(): Promise<void> {
    for (const client of this.#clients.values()) client.socket.destroy()
    await this.#listening[Symbol.asyncDispose]()
  }

  async #named(name: string): Promise<StompClient> {
    const client = this.#clients.get(name) ?? (await connectStomp(this.#listening.port))
    this.#clients.set(name, client)
    return client
  }

  async #client(client: StompClient, what: string, rest: string): Promise<void> {
    if (what === '->') client.send(unescapeText(rest))
    else if (what === '<~') assert.match(await client.next(), new RegExp(rest))
    else if (what === '<closed') await client.closed()
    else if (what === '<nothing') await assert.rejects(client.next(50), /not within/)
    else if (what === 'end') client.socket.end()
    else assert.fail(`a client cannot ${what}`)
  }

  async #receiver(what: string, rest: string): Promise<void> {
    const words = [...rest.matchAll(/"([^"]*)"|(\S+)/g)].map((match) => match[1] ?? match[2] ?? '')
    const [id = '', body] = words
    if (what === 'nothing') assert.ok(await this.#listening.quiet(50))
    else if (what === 'take') {
      const delivery = await this.#listening.take()
      assert.deepEqual([delivery.id, Buffer.from(delivery.body).toString()], [id, body])
      this.#deliveries.set(id, delivery)
    } else if (what === 'stored') this.#deliveries.get(id)!.stored()
    else if (what === 'released') this.#deliveries.get(id)!.release()
    else assert.fail(`the receiver cannot ${what}`)
  }

  async #log(pattern: RegExp): Promise<void> {
    // The line may come a moment after the bytes that tell of it.
    for (let n = 0; n < 100 && !this.#listening.log.some((line) => pattern.test(line)); n += 1) {
      await new Promise((resolve) => setTimeout(resolve, 10))
    }
    assert.match(this.#listening.log.join('\n'), pattern)
  }
}

for (const file of readdirSync(folder).sort()) {
  const dialogues = readDialogues(readFileSync(join(folder, file), 'utf8'))
  assert.ok(dialogues.length > 0, file)
  for (const { title, lines } of dialogues) {
    test(`${file}: ${title}`, async () => {
      const play = new Play(await openListening(readSettings(lines)))
      try {
        for (const line of lines) {
          try {
            await play.line(line)
          } catch (cause) {
            throw new Error(`at "${line}"`, { cause })
          }
        }
      } finally {
        await play.end()
      }
    })
  }
}
