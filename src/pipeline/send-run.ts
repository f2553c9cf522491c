/**
 * One run of a sender over its spool: what is in flight, whom the broker refused, who may have ended a connection. It
 * lasts over many connections, and over many passes when the sender stays.
 */
import { SsmError, isSsmError, messageOf, systemCode } from '../errors.js'
import type { MessageId, Sealed } from '../message.js'
import type { Claim } from '../spool/port.js'
import type { Kept } from '../spool/sent.js'
import type { Publisher, Receipt } from '../transport/port.js'
import type { SendDeps, SendReport, SendSignals } from './send.js'
import { Suspects } from './suspects.js'
import { createFlowWindow, type FlowWindow } from './window.js'

/** So many refusals in a row without a success: it is not the messages. */
const REFUSALS_IN_A_ROW = 3
/** A sender that stays looks into the spool so often, whatever the hints say, ms. */
export const SCAN_INTERVAL = 5000
/** A pass that always finds more ends after this time, ms: there is other work, too. */
const LONGEST_PASS = 60_000
/** So many troubles with the spool in a row: it is not one element. */
const TROUBLES_IN_A_ROW = 3
/** Elements of other users that cannot be locked are each their own affair: a handful must not hold up those behind them. */
const RIGHTS_IN_A_ROW = 100

/** As it was read, and as it goes out. */
interface Message {
  readonly plain: Uint8Array
  readonly sealed: Sealed
}

/** What became of one message; the claim of a refused one is kept. */
type Outcome = 'passed' | 'skipped' | 'refused' | 'lost'

export class SendRun {
  readonly report: SendReport = { sent: 0, setAside: 0, locked: 0, left: 0 }
  readonly #suspects = new Suspects()
  /** Refused, still claimed: set aside at the next success, put back when there are too many. */
  readonly #refused: { readonly claim: Claim<Uint8Array>; readonly why: string }[] = []
  /** Claimed, or being claimed. */
  readonly #inHand = new Set<MessageId>()
  /** Bodies in memory: entered with the size known from the claim, before reading. */
  readonly #bodies: FlowWindow
  #troubles = 0
  /** Why the connection is of no more use; ends the round. */
  #lost: Error | undefined
  /** Why the run ends. */
  #fatal: Error | undefined
  /** What was said of messages that stay, in this pass and in the one before: a sender that stays says it once. */
  #said = new Set<string>()
  #saidBefore = new Set<string>()
  readonly #deps: SendDeps
  readonly #signals: SendSignals

  constructor(deps: SendDeps, signals: SendSignals) {
    this.#deps = deps
    this.#signals = signals
    this.#bodies = createFlowWindow({ messages: Infinity, bytes: deps.window.bytes })
  }

  /**
   * Everything that waits, over one connection: fresh suspects alone, then everything else with a window in flight, then
   * the likely culprits alone. Throws what made the connection or the run of no more use; every claim but those of
   * refused messages is released by then.
   */
  async pass(publisher: Publisher): Promise<void> {
    this.#lost = undefined
    this.#fatal = undefined
    this.#troubles = 0
    this.#saidBefore = this.#said
    this.#said = new Set()
    await this.#alone(publisher, this.#suspects.fresh())
    await this.#together(publisher)
    await this.#alone(publisher, this.#suspects.ids())
    const over = this.#trouble()
    if (over !== undefined) throw over
  }

  #trouble(): Error | undefined {
    return this.#fatal ?? this.#lost
  }

  /** Refusals that no success has answered yet are taken for true of the messages: the run ends in good order. */
  async settle(): Promise<void> {
    await this.#setAsideRefused()
  }

  /** The refused ones that are left stay in the spool. */
  async end(): Promise<void> {
    for (const { claim } of this.#refused.splice(0)) await this.#giveBack(claim.id, claim)
  }

  #isOver(): boolean {
    return this.#trouble() !== undefined || this.#signals.stop.aborted
  }

  /** What a connection was never asked to carry did not end it, and must not be blamed for its end. */
  #hasEnded({ lost }: Publisher): boolean {
    if (lost?.aborted === true) this.#lost ??= errorOf(lost.reason)
    return this.#isOver()
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
    const end = this.#deps.clock.monotonic() + LONGEST_PASS
    const { left } = this.report
    try {
      do await this.#look(publisher, window)
      while (this.report.left === left && (await this.#moreCame(window, end)))
    } finally {
      await window.idle()
    }
  }

  /** Everything that is in the spool now and not in our hands. */
  async #look(publisher: Publisher, window: FlowWindow): Promise<void> {
    for await (const id of this.#deps.outgoing.ids()) {
      if (this.#inHand.has(id) || this.#suspects.has(id)) continue
      await window.enter(0)
      if (this.#isOver()) {
        window.leave(0)
        break
      }
      void this.#one(publisher, id, false).finally(() => {
        window.leave(0)
      })
    }
  }

  /** Did something come while others are in flight? Answers when they are not any more. */
  async #moreCame(window: FlowWindow, end: number): Promise<boolean> {
    const { doorbell, clock } = this.#deps
    if (doorbell === undefined) return false
    const idle = new AbortController()
    void window.idle().then(() => {
      idle.abort()
    })
    // A microtask, so that an empty window is known to be one.
    await Promise.resolve()
    await doorbell.wait(SCAN_INTERVAL, idle.signal, this.#signals.stop)
    return !idle.signal.aborted && !this.#isOver() && clock.monotonic() < end
  }

  /** One message from claim to removal. Never throws: what ends the round or the run is noted. */
  async #one(publisher: Publisher, id: MessageId, alone: boolean): Promise<void> {
    let claim: Claim<Uint8Array> | null = null
    let outcome: Outcome = 'skipped'
    this.#inHand.add(id)
    try {
      claim = await this.#deps.outgoing.claim(id)
      if (claim === null) {
        this.#suspects.clear(id)
        if (this.#isNews(`locked ${id}`)) {
          this.report.locked += 1
          this.#deps.log.warning('Message was locked. %s will not be sent.', id)
        }
        return
      }
      outcome = await this.#carry(publisher, claim, alone)
    } catch (error) {
      this.#leave(id, error)
    } finally {
      if (outcome !== 'refused') await this.#giveBack(id, claim)
      this.#deps.onProgress?.(this.report, id)
    }
  }

  async #giveBack(id: MessageId, claim: Claim<Uint8Array> | null): Promise<void> {
    await claim?.release().catch((error: unknown) => (this.#fatal ??= errorOf(error)))
    this.#inHand.delete(id)
  }

  /** Trouble with one element leaves it and goes on; several in a row, or anything else, ends the run. */
  #leave(id: MessageId, error: unknown): void {
    if (isSsmError(error, 'disk', 'lock-lost')) {
      this.report.left += 1
      this.#troubles += 1
      if (this.#isNews(`left ${id}: ${error.message}`)) {
        this.#deps.log.error('Message %s was left in the spool: %s', id, error)
      }
      if (this.#troubles < (isAboutRights(error) ? RIGHTS_IN_A_ROW : TROUBLES_IN_A_ROW)) return
    }
    this.#fatal ??= errorOf(error)
  }

  /** Was this not said in this pass or the last one? */
  #isNews(what: string): boolean {
    const isNew = !this.#said.has(what) && !this.#saidBefore.has(what)
    this.#said.add(what)
    return isNew
  }

  async #carry(publisher: Publisher, claim: Claim<Uint8Array>, alone: boolean): Promise<Outcome> {
    const size = claim.size ?? 0
    await this.#bodies.enter(size)
    try {
      const message = await this.#seal(claim)
      if (message === null || this.#hasEnded(publisher)) return 'skipped'
      return await this.#publish(publisher, claim, message, alone)
    } finally {
      this.#bodies.leave(size)
    }
  }

  async #publish(publisher: Publisher, claim: Claim<Uint8Array>, message: Message, alone: boolean): Promise<Outcome> {
    const { log, archive } = this.#deps
    const kept = archive && (await archive.keep(claim.id, message.plain))
    if (this.#hasEnded(publisher)) {
      kept?.drop()
      return 'skipped'
    }
    log.info('Sending message: %s', claim.id)
    let receipt: Receipt
    try {
      receipt = await publisher.publish({ id: claim.id, body: message.sealed }, this.#signals.force)
    } catch (error) {
      kept?.drop()
      return await this.#failed(claim, error, alone)
    }
    if (receipt.brokerId === undefined) log.info('Sent %s', claim.id)
    else log.info('Sent %s, Argo ID: %s', claim.id, receipt.brokerId)
    this.report.sent += 1
    this.#suspects.passed(claim.id)
    await removeSent(this.#deps, claim, kept)
    this.#troubles = 0
    if (this.#refused.length > 0) await this.#setAsideRefused()
    return 'passed'
  }

  /** null: the content cannot be sent, and is set aside. */
  async #seal(claim: Claim<Uint8Array>): Promise<Message | null> {
    try {
      const plain = await claim.read()
      return { plain, sealed: await this.#deps.seal({ body: plain }) }
    } catch (error) {
      if (!isSsmError(error, 'element-damaged', 'cannot-seal')) throw error
      await this.#setAside(claim, withCode(error))
      return null
    }
  }

  async #failed(claim: Claim<Uint8Array>, error: unknown, alone: boolean): Promise<Outcome> {
    if (isSsmError(error, 'message-refused')) return await this.#refuse(claim, error.message)
    // Too large for the transport: our own judgement, and so about this message alone.
    if (isSsmError(error, 'cannot-seal')) {
      await this.#setAside(claim, withCode(error))
      return 'skipped'
    }
    if (!isSsmError(error, 'connection-lost', 'receipt-late')) throw error
    this.#lost ??= error
    if (!alone) {
      this.#suspects.add(claim.id)
    } else if (this.#suspects.endedAlone(claim.id)) {
      const why = `the broker takes others, and never this one, which was also sent alone: ${error.message} [message-refused]`
      await this.#setAside(claim, why, this.#suspects.attempts(claim.id))
    }
    return 'lost'
  }

  async #refuse(claim: Claim<Uint8Array>, why: string): Promise<Outcome> {
    this.#deps.log.warning('Message %s was refused: %s', claim.id, { message: why })
    this.#refused.push({ claim, why })
    // The broker has named it: it is none of those that may have ended a connection.
    this.#suspects.clear(claim.id)
    if (this.#refused.length < REFUSALS_IN_A_ROW) return 'refused'
    for (const refused of this.#refused.splice(0)) await this.#giveBack(refused.claim.id, refused.claim)
    throw new SsmError(
      'destination-refused',
      `the broker refused ${REFUSALS_IN_A_ROW} messages in a row, so it is not the messages; all stay. It said: ${why}`,
    )
  }

  async #setAsideRefused(): Promise<void> {
    for (let next = this.#refused.shift(); next !== undefined; next = this.#refused.shift()) {
      try {
        await this.#setAside(next.claim, `${next.why} [message-refused]`)
      } finally {
        await this.#giveBack(next.claim.id, next.claim)
      }
    }
  }

  async #setAside(claim: Claim<Uint8Array>, why: string, attempts = 1): Promise<void> {
    this.#deps.log.error('Message %s was set aside: %s', claim.id, { message: why })
    await this.#deps.setAside(claim, why, attempts)
    this.#suspects.clear(claim.id)
    this.report.setAside += 1
  }
}

/** Why a message is set aside, and the code of it last: for people, and for filters. */
function withCode({ message, code }: SsmError): string {
  return `${message} [${code}]`
}

/** A copy is confirmed when the element is gone: one that stays is sent again, and kept again. */
async function removeSent(
  { outgoing }: Pick<SendDeps, 'outgoing'>,
  claim: Claim<Uint8Array>,
  kept: Kept | undefined,
): Promise<void> {
  try {
    await claim.remove()
  } catch (error) {
    // Whoever took our lock has the element now; that it was sent is true all the same.
    if (isSsmError(error, 'lock-lost') || isGone(outgoing, claim.id)) kept?.confirm()
    else kept?.drop()
    throw error
  }
  kept?.confirm()
}

/** Removed, although removing it then failed: its lock, say, or the fsync. */
function isGone({ has }: SendDeps['outgoing'], id: MessageId): boolean {
  try {
    return has?.(id) === false
  } catch {
    // The error that is told already is that of the disk.
    return false
  }
}

function isAboutRights({ cause }: SsmError): boolean {
  return ['EPERM', 'EACCES'].includes(systemCode(cause) ?? '')
}

function errorOf(error: unknown): Error {
  return error instanceof Error ? error : new SsmError('internal', messageOf(error))
}
