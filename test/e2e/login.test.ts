/** User name and password with the real programs: taken from a file, believed by the broker, shown nowhere. */
import assert from 'node:assert/strict'
import { chmodSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { after, before, describe, test, type TestContext } from 'node:test'
import { need } from '../kit/need.js'
import { startRabbitmq, type Rabbit } from '../kit/rabbitmq.js'
import { fillOutgoing, TEXT_KINDS } from '../kit/records.js'
import { scratch } from '../kit/scratch.js'
import { createSite, eventually, type Ended, type Site } from '../kit/site.js'

const skip = need('rabbitmq')
const SECRET = 'correct horse: battery'

let rabbit: Rabbit

before(async () => {
  // Without a login there is no user here: whoever sends none stays outside.
  if (skip === false) rabbit = await startRabbitmq({ users: { joe: SECRET }, rights: { guest: '^$' } })
})

after(async () => {
  if (skip === false) await rabbit[Symbol.asyncDispose]()
})

function siteWith(t: TestContext, password: string, mode = 0o600): Site & { readonly secretFile: string } {
  const site = createSite(scratch(t), rabbit.port)
  const secretFile = join(site.dir, 'password')
  writeFileSync(secretFile, `${password}\n`)
  chmodSync(secretFile, mode)
  site.configure({ both: { broker: { username: 'joe', password_file: secretFile } } })
  fillOutgoing(site.outgoing, 3, TEXT_KINDS)
  return Object.assign(site, { secretFile })
}

function assertShownNowhere(secret: string, site: Site, ...ended: readonly Ended[]): void {
  const shown = [
    ...ended.flatMap(({ stdout, stderr }) => [stdout, stderr]),
    site.log('ssmsend'),
    site.log('ssmreceive'),
  ]
  for (const text of shown) assert.ok(!text.includes(secret), text)
}

describe('a login', { skip }, () => {
  test('both programs are let in with it', async (t) => {
    const site = siteWith(t, SECRET)
    const receiver = site.startReceiver()
    const ended = await site.send()
    assert.equal(ended.code, 0, ended.stderr + site.log('ssmsend'))
    await eventually('all arrived', () => site.countIncoming() === 3)
    assertShownNowhere(SECRET, site, ended, await receiver.stop())
    assert.doesNotMatch(site.log('ssmsend'), /can read it/)
  })

  test('a wrong one: exit 75, the messages stay, the sentence asks the operator', async (t) => {
    const site = siteWith(t, 'mistaken')
    const ended = await site.send()
    assert.equal(ended.code, 75)
    assert.match(site.log('ssmsend'), /ERROR - .*does not know this login.*Access refused for user 'joe'/)
    assertShownNowhere('mistaken', site, ended)
    site.configure({ both: { broker: { username: 'joe', password: SECRET } } })
    assert.equal((await site.send()).code, 0)
    assert.match(site.log('ssmsend'), /sender\.cfg.* password: everybody on this machine can read this secret/)
  })

  test('a password file that is missing or empty: exit 78 with file and line', async (t) => {
    const site = siteWith(t, '')
    const empty = await site.send()
    assert.equal(empty.code, 78)
    assert.match(site.log('ssmsend'), /sender\.cfg:\d+: .*password_file.*the first line of .* is empty/)
    site.configure({ both: { broker: { username: 'joe', password_file: join(site.dir, 'none') } } })
    assert.equal((await site.send()).code, 78)
    assert.match(site.log('ssmsend'), /there is no file .*none/)
  })

  test('a password file that others can read is warned about, and used', async (t) => {
    const site = siteWith(t, SECRET, 0o644)
    const ended = await site.send()
    assert.equal(ended.code, 0)
    assert.match(site.log('ssmsend'), /WARNING - .*password_file: everybody on this machine can read it: chmod o-r /)
    assertShownNowhere(SECRET, site, ended)
    assert.equal(readFileSync(site.secretFile, 'utf8'), `${SECRET}\n`)
  })
})
