/**
 * A site under fault: real programs and a broker, books about every message, and the count of what was done to them.
 * However it was treated, at the end `settle` lets everything come to rest and draws the balance.
 */
import assert from 'node:assert/strict'
import { existsSync, readFileSync } from 'node:fs'
import { setTimeout as sleep } from 'node:timers/promises'
import { join } from 'node:path'
import { type Death, DEATH_VARIABLE, type Order } from './die-at-step.js'
import { type Balance, createLedger, type Ledger } from './ledger.js'
import { elementsLeft } from './records.js'
import { createSite, eventually, type Running, type Site } from './site.js'
import { connectStomp } from './stomp-client.js'

export interface Report extends Balance {
  /** Programs and brokers ended by kill -9. */
  readonly kills: number
  /** Operations that failed, connections that were cut, times that jumped. */
  readonly faults: number
}

export interface Trial {
  readonly site: Site
  readonly ledger: Ledger
  /** Of a queue that consumers empty as messages come. */
  readonly incoming: string
  count: { kills: number; faults: number }
  /** Sends all that waits, as cron does: again and again. Throws with the log when it does not go. */
  sendAll(): Promise<void>
  /** Takes everything in, looks for what comes twice, and draws the balance. */
  settle(): Promise<Report>
}

export interface TrialOptions {
  readonly dir: string
  readonly port: number
  readonly sections?: Parameters<Site['configure']>[0]
  /** A queue of its own at a broker that others use too. Default `/queue/ssm`. */
  readonly destination?: string
  /** Bytes of a message, about. */
  readonly size?: number
}

/** What `settle` waits for at most, seconds. */
const PATIENCE = 120

export function createTrial({ dir, port, sections, size, destination = '/queue/ssm' }: TrialOptions): Trial {
  const site = createSite(dir, port)
  site.configure({ ...sections, both: { ...sections?.both, messaging: { destination, ...sections?.both?.messaging } } })
  const ledger = createLedger({
    outgoing: site.outgoing,
    dn: site.pki.host.dn,
    ...(size === undefined ? {} : { size }),
  })
  const incoming = join(site.spool, 'incoming')
  const trial: Trial = {
    site,
    ledger,
    incoming,
    count: { kills: 0, faults: 0 },
    async sendAll() {
      const end = Date.now() + PATIENCE * 1000
      while (elementsLeft(site.outgoing).length > 0) {
        const { code, stdout, stderr } = await site.send()
        if (Date.now() > end) throw new Error(`exit code ${code ?? 'none'}\n${stdout}${stderr}${site.log('ssmsend')}`)
      }
    },
    async settle() {
      await trial.sendAll()
      const receiver = site.startReceiver()
      try {
        await arrival(trial)
        // Behind everything that comes again: when it is here, all else is.
        ledger.put(1)
        await trial.sendAll()
        await arrival(trial)
      } finally {
        await receiver.stop()
      }
      ledger.consume(incoming)
      const left = await waitingAt(port, destination)
      if (left > 0) throw new Error(`${left} messages are still at the broker`)
      return { ...ledger.balance(), ...trial.count }
    },
  }
  return trial
}

async function arrival({ site, ledger, incoming }: Trial): Promise<void> {
  const all = (): boolean => {
    ledger.consume(incoming)
    return ledger.missing() === 0
  }
  await eventually('all arrived', all, PATIENCE, 100).catch((error: unknown) => {
    const tail = (program: 'ssmsend' | 'ssmreceive') => site.log(program).split('\n').slice(-15).join('\n')
    const refused = site.reject().map((fields) => fields.error?.toString())
    throw new Error(`${ledger.missing()} lost: ${JSON.stringify(refused)}\n${tail('ssmsend')}\n${tail('ssmreceive')}`, {
      cause: error,
    })
  })
}

/** How many messages a broker gives to a subscriber of its own; they go back when it leaves. */
async function waitingAt(port: number, destination: string): Promise<number> {
  await using client = await connectStomp(port)
  await client.greet('accept-version:1.2', 'host:/', 'login:guest', 'passcode:guest')
  client.send(`SUBSCRIBE\ndestination:${destination}\nid:1\nack:client-individual\nreceipt:subscribed\n\n\0`)
  let messages = 0
  for (let frame = await client.next(10_000); !frame.startsWith('RECEIPT'); frame = await client.next(10_000))
    messages += 1
  await sleep(300)
  for (;;) {
    const frame = await client.next(50).catch(() => '')
    if (!frame.startsWith('MESSAGE')) return messages
    messages += 1
  }
}

/** A report in one line, for logs and diagnostics. */
export function reportText({ kills, faults, sent, lost, doubled, altered }: Report): string {
  return `${kills} kills survived, ${faults} faults injected, ${sent} messages sent, ${lost} lost, ${doubled} doubled, ${altered} altered`
}

export interface Dying extends Running {
  /** The steps it took, by shape; the last one is the one it died at. */
  steps(): readonly string[]
}

let orders = 0

/** Starts one of the site's programs, which kills itself as ordered; without a death it only notes its steps. */
export function startDying(site: Site, program: 'ssmsend' | 'ssmreceive', death?: Death): Dying {
  const notes = join(site.dir, `steps-${orders++}`)
  const folder = program === 'ssmsend' ? site.outgoing : site.spool
  const order: Order = { folder, notes, ...(death === undefined ? {} : { death }) }
  const preload = `--import=${new URL('die-at-step.js', import.meta.url).href}`
  const env = {
    [DEATH_VARIABLE]: JSON.stringify(order),
    NODE_OPTIONS: `${process.env.NODE_OPTIONS ?? ''} ${preload}`,
  }
  return {
    ...site.startWith(program, { env }),
    steps: () => (existsSync(notes) ? readFileSync(notes, 'utf8').split('\n').slice(0, -1) : []),
  }
}

/** The promise. */
export function assertExact(report: Report): void {
  const { lost, doubled, altered } = report
  assert.deepEqual({ lost, doubled, altered }, { lost: 0, doubled: 0, altered: 0 }, reportText(report))
}
