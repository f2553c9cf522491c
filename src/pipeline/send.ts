/**
 * The sending loop: claim, read, seal, publish, remove; many messages in flight. A message leaves the spool only after
 * the broker's receipt for its id. What is true of one message sets it aside; what is true of all leaves all in place.
 * Throws SsmError when the run cannot go on (no broker, rights, disk); every claim is released by then.
 */
import { SsmError, isSsmError, messageOf } from '../errors.js'
import type { MessageId, Seal, Sealed } from '../message.js'
import type { Logger } from '../observe/log.js'
import type { Clock } from '../os/clock.js'
import type { Claim, Spool } from '../spool/port.js'
import type { Publisher, Receipt, Transport, Window } from '../transport/port.js'
import { connectWithin } from './retry.js'
import { Suspects } from './suspects.js'
import { createFlowWindow, type FlowWindow } from './window.js'

/** What the loop is given. */
export interface SendDeps {
  readonly outgoing: Spool<Uint8Array>
  /** Durable in `.ssm/failed` with its reason, then gone from the queue. */
  readonly setAside: (claim: Claim<Uint8Array>, error: string) => Promise<void>
  readonly seal: Seal
  readonly transport: Transport
  readonly window: Window
  readonly log: Logger
  readonly clock: Clock
  /** Called after each message, with the numbers so far. Must not throw. */
  readonly onProgress?: (report: Readonly<SendReport>) => void
}

/** `stop`: take no new message. `force`: give up those in flight too. */
export interface SendSignals {
  readonly stop: AbortSignal
  readonly force: AbortSignal
}

export interface SendReport {
  sent: number
  setAside: number
  locked: number
  /** Left in place because of trouble with the spool. */
  left: number
}

/** So many refusals in a row without a success: it is not the messages. */
const REFUSALS_IN_A_ROW = 3
/** So many troubles with the spool in a row: it is not one element. */
const TROUBLES_IN_A_ROW = 3
/** So many connections lost in a row without a message passing: it is the broker. */
const LOSSES_IN_A_ROW = 6

/** Sends everything that waits. One pass; ends when the spool has been seen to its end or `stop` fires. */
export async function sendAll(deps: SendDeps, signals: SendSignals): Promise<SendReport> {
  deps.log.info('Found %s messages.', await deps.outgoing.count())
  const run = new SendRun(deps, signals)
  await run.go()
  return run.report
}

/** What became of one message; the claim of a refused one is kept. */
type Outcome = 'passed' | 'skipped' | 'refused' | 'lost'

class SendRun {
  readonly report: SendReport = { sent: 0, setAside: 0, locked: 0, left: 0 }
  readonly #suspects = new Suspects()
  /** Refused, still claimed: set aside at the next success, put back when there are too many. */
  readonly #refused: { readonly claim: Claim<Uint8Array>; readonly why: string }[] = []
  /** Bodies in memory: entered with the size known from the claim, before reading. */
  readonly #bodies: FlowWindow
  #losses = 0
  #troubles = 0
  /** Why the connection is of no more use; ends the round. */
  #lost: Error | undefined
  /** Why the run ends. */
  #fatal: Error | undefined
  readonly #deps: SendDeps
  readonly #signals: SendSignals

  constructor(deps: SendDeps, signals: SendSignals) {
    this.#deps = deps
    this.#signals = signals
    this.#bodies = createFlowWindow({ messages: Infinity, bytes: deps.window.bytes })
  }

  async go(): Promise<void> {
    try {
      while (!this.#signals.stop.aborted) {
        await this.#connection()
        if (this.#fatal !== undefined) throw this.#fatal
        if (this.#lost === undefined) break
        this.#losses += 1
        if (this.#losses >= LOSSES_IN_A_ROW) throw this.#lost
      }
      await this.#setAsideRefused()
    } catch (error) {
      if (!(isSsmError(error, 'aborted') && this.#signals.stop.aborted)) throw error
    } finally {
      for (const { claim } of this.#refused.splice(0)) await claim.release()
    }
  }

  async #connection(): Promise<void> {
    const { transport, clock } = this.#deps
    await using publisher = await connectWithin(
      () => transport.openPublisher(this.#signals.force),
      clock,
      this.#signals.stop,
    )
    this.#lost = undefined
    await this.#round(publisher)
  }

  #isOver(): boolean {
    return this.#lost !== undefined || this.#fatal !== undefined || this.#signals.stop.aborted
  }

  /** One connection: fresh suspects alone, then everything else with a window in flight, then the likely culprits alone. */
  async #round(publisher: Publisher): Promise<void> {
    await this.#alone(publisher, this.#suspects.fresh())
    await this.#together(publisher)
    await this.#alone(publisher, this.#suspects.ids())
  }

  async #alone(publisher: Publisher, ids: readonly MessageId[]): Promise<void> {
    for (const id of ids) {
      if (this.#isOver()) return
      await this.#one(publisher, id, true)
    }
  }

  async #together(publisher: Publisher): Promise<void> {
    if (this.#isOver()) return
    const window = createFlowWindow({ messages: this.#deps.window.messages, bytes: Infinity })
    try {
      for await (const id of this.#deps.outgoing.ids()) {
        if (this.#suspects.has(id)) continue
        await window.enter(0)
        if (this.#isOver()) {
          window.leave(0)
          break
        }
        void this.#one(publisher, id, false).finally(() => {
          window.leave(0)
        })
      }
    } finally {
      await window.idle()
    }
  }

  /** One message from claim to removal. Never throws: what ends the round or the run is noted. */
  async #one(publisher: Publisher, id: MessageId, alone: boolean): Promise<void> {
    let claim: Claim<Uint8Array> | null = null
    let outcome: Outcome = 'skipped'
    try {
      claim = await this.#deps.outgoing.claim(id)
      if (claim === null) {
        this.#suspects.clear(id)
        this.report.locked += 1
        this.#deps.log.warning('Message was locked. %s will not be sent.', id)
        return
      }
      outcome = await this.#carry(publisher, claim, alone)
    } catch (error) {
      this.#trouble(id, error)
    } finally {
      if (outcome !== 'refused') await claim?.release().catch((error: unknown) => (this.#fatal ??= errorOf(error)))
      this.#deps.onProgress?.(this.report)
    }
  }

  /** Trouble with one element leaves it and goes on; three in a row, or anything else, ends the run. */
  #trouble(id: MessageId, error: unknown): void {
    if (isSsmError(error, 'disk', 'lock-lost')) {
      this.report.left += 1
      this.#troubles += 1
      this.#deps.log.error('Message %s was left in the spool: %s', id, error)
      if (this.#troubles < TROUBLES_IN_A_ROW) return
    }
    this.#fatal ??= errorOf(error)
  }

  async #carry(publisher: Publisher, claim: Claim<Uint8Array>, alone: boolean): Promise<Outcome> {
    const size = claim.size ?? 0
    await this.#bodies.enter(size)
    try {
      const body = await this.#seal(claim)
      if (body === null || this.#isOver()) return 'skipped'
      return await this.#publish(publisher, claim, body, alone)
    } finally {
      this.#bodies.leave(size)
    }
  }

  async #publish(publisher: Publisher, claim: Claim<Uint8Array>, body: Sealed, alone: boolean): Promise<Outcome> {
    const { log } = this.#deps
    log.info('Sending message: %s', claim.id)
    let receipt: Receipt
    try {
      receipt = await publisher.publish({ id: claim.id, body }, this.#signals.force)
    } catch (error) {
      return await this.#failed(claim, error, alone)
    }
    if (receipt.brokerId === undefined) log.info('Sent %s', claim.id)
    else log.info('Sent %s, Argo ID: %s', claim.id, receipt.brokerId)
    this.report.sent += 1
    this.#losses = 0
    this.#suspects.passed(claim.id)
    await claim.remove()
    this.#troubles = 0
    await this.#setAsideRefused()
    return 'passed'
  }

  /** null: the content cannot be sent, and is set aside. */
  async #seal(claim: Claim<Uint8Array>): Promise<Sealed | null> {
    try {
      return await this.#deps.seal({ body: await claim.read() })
    } catch (error) {
      if (!isSsmError(error, 'element-damaged', 'cannot-seal')) throw error
      await this.#setAside(claim, error.message)
      return null
    }
  }

  async #failed(claim: Claim<Uint8Array>, error: unknown, alone: boolean): Promise<Outcome> {
    if (isSsmError(error, 'message-refused')) return await this.#refuse(claim, error.message)
    if (!isSsmError(error, 'connection-lost', 'receipt-late')) throw error
    this.#lost ??= error
    if (!alone) {
      this.#suspects.add(claim.id)
    } else if (this.#suspects.endedAlone(claim.id)) {
      await this.#setAside(
        claim,
        `the broker ends the connection whenever this message is sent alone: ${error.message}`,
      )
    }
    return 'lost'
  }

  async #refuse(claim: Claim<Uint8Array>, why: string): Promise<Outcome> {
    this.#refused.push({ claim, why })
    if (this.#refused.length < REFUSALS_IN_A_ROW) return 'refused'
    for (const refused of this.#refused.splice(0)) await refused.claim.release()
    throw new SsmError(
      'destination-refused',
      `the broker refused ${REFUSALS_IN_A_ROW} messages in a row, so it is not the messages; all stay. It said: ${why}`,
    )
  }

  async #setAsideRefused(): Promise<void> {
    for (const { claim, why } of this.#refused.splice(0)) await this.#setAside(claim, why)
  }

  async #setAside(claim: Claim<Uint8Array>, why: string): Promise<void> {
    this.#deps.log.error('Message %s was set aside: %s', claim.id, { message: why })
    await this.#deps.setAside(claim, why)
    this.#suspects.clear(claim.id)
    this.report.setAside += 1
  }
}

function errorOf(error: unknown): Error {
  return error instanceof Error ? error : new SsmError('internal', messageOf(error))
}
