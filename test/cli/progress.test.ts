/** The bar is for a person at a terminal, and for nobody else. */
import assert from 'node:assert/strict'
import { Writable } from 'node:stream'
import { test } from 'node:test'
import { createProgress } from '../../src/cli/progress.js'

class Screen extends Writable {
  readonly isTTY: boolean
  readonly columns = 80
  text = ''

  constructor(isTTY: boolean) {
    super()
    this.isTTY = isTTY
  }

  override _write(chunk: Buffer, _encoding: string, done: () => void): void {
    this.text += chunk.toString()
    done()
  }
}

async function shown(total: number, console: boolean, isTTY: boolean): Promise<string> {
  const screen = new Screen(isTTY)
  {
    // A writable with what the bar looks at.
    using progress = await createProgress(total, console, screen as unknown as NodeJS.WriteStream)
    progress.at({ sent: total - 10, setAside: 3, locked: 2, left: 5 })
    progress.at({ sent: total + 50, setAside: 3, locked: 2, left: 5 })
  }
  return screen.text
}

test('many messages at a terminal: a bar that reaches its end, and the cursor comes back', async () => {
  const text = await shown(1000, false, true)
  assert.match(text, /#{30} 100% \| 1000 of 1000/)
  assert.ok(text.endsWith('\n'), JSON.stringify(text.slice(-40)))
  assert.equal(text.split('\u001b[?25l').length, text.split('\u001b[?25h').length)
})

test('no bar without a terminal, beside a log on the console, or for a few', async () => {
  assert.deepEqual(await Promise.all([shown(1000, false, false), shown(1000, true, true), shown(10, false, true)]), [
    '',
    '',
    '',
  ])
})
