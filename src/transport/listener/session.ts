/**
 * One client's conversation: CONNECT, then SENDs and their RECEIPTs, then DISCONNECT. What the client does wrong ends this
 * session only, with an ERROR in plain words. Never throws; never says why a message was refused by those who judge it.
 */
import type { Socket } from 'node:net'
import { isSsmError, messageOf } from '../../errors.js'
import type { Logger } from '../../observe/log.js'
import type { Clock } from '../../os/clock.js'
import {
  createFrameParser,
  encodeFrame,
  HEAD_LIMITS,
  type Frame,
  type FrameHead,
  type FrameParser,
  type StompVersion,
} from '../frame.js'
import type { Backlog, Message, Outcome, Owner } from './backlog.js'
import type { Budget, Reader } from './budget.js'
import { MESSAGE_OVERHEAD, type ListenerLimits } from './limits.js'
import { Link } from './link.js'
import { chooseHeartBeat, chooseVersion, VERSIONS, type HeartBeat } from './negotiate.js'

/** What a session needs of the listener. */
export interface SessionHost {
  readonly destination: string
  readonly maxMessageSize: number
  /** Milliseconds; 0 = off. */
  readonly heartBeat: number
  readonly limits: ListenerLimits
  readonly log: Logger
  readonly clock: Clock
  readonly budget: Budget
  readonly backlog: Backlog
  /** A client was turned away: logged, but not more often than a reader of logs can bear. */
  complain(address: string, why: string): void
}

/*
 * States: greeting ─CONNECT─▶ open ─DISCONNECT, end of input, fault, release─▶ closing ─all answered, deadline─▶ ended
 *         greeting ─anything else, deadline─▶ ended.   Any ─socket closed─▶ ended.
 * In `closing` and `ended` input is thrown away.
 */
type State = 'greeting' | 'open' | 'closing' | 'ended'

type Command = (session: Session, frame: Frame) => void

/** Commands that may have a body (STOMP 1.2, "Body"): of those that we take, one. */
const WITH_BODY = 'SEND'

const GREETINGS: Readonly<Record<string, Command>> = {
  CONNECT: (session, frame) => {
    session.connect(frame)
  },
  STOMP: (session, frame) => {
    session.connect(frame)
  },
}

const COMMANDS: Readonly<Record<string, Command>> = {
  SEND: (session, frame) => {
    session.send(frame)
  },
  DISCONNECT: (session, frame) => {
    session.disconnect(frame)
  },
}

const BEAT = Buffer.from('\n')

export class Session implements Reader, Owner {
  readonly address: string
  readonly #host: SessionHost
  readonly #link: Link
  readonly #parser: FrameParser
  readonly #since: number
  #state: State = 'greeting'
  #version: StompVersion = '1.0'
  #heartBeat: HeartBeat = { send: 0, expect: 0 }
  /** The frame whose body is being read. */
  #head: FrameHead | undefined
  #frames = 0
  #unanswered = 0
  /** Was a message taken over and not stored? */
  #isOneUnstored = false
  /** The last word; an ERROR, if any. */
  #farewell: Buffer | null = null
  /** RECEIPT of DISCONNECT: the last word if there is no other and every message was stored. */
  #goodbye: Buffer | null = null
  #lingerMs: number
  #closeAt = Infinity
  /** Since when, and from which byte, the unfinished frame's progress is measured. */
  #mark = { at: 0, bytes: 0 }

  /** `since`: when the TCP connection came (monotonic ms); the time for CONNECT counts from there. */
  constructor(socket: Socket, address: string, since: number, host: SessionHost) {
    this.address = address
    this.#host = host
    this.#since = since
    this.#lingerMs = host.limits.lingerMs
    const limits = { ...HEAD_LIMITS, bodyBytes: host.maxMessageSize }
    this.#parser = createFrameParser(limits, {
      head: (head) => {
        this.#onHead(head)
      },
      frame: (frame) => {
        this.#onFrame(frame)
      },
    })
    this.#link = new Link(socket, host.limits, host.clock, {
      data: (chunk) => {
        this.#onData(chunk)
      },
      end: () => {
        this.#close(null)
      },
      gone: () => {
        this.#onGone()
      },
    })
    this.#link.start()
  }

  get gone(): boolean {
    return this.#state === 'ended'
  }

  pauseReading(): void {
    this.#link.pause('budget')
  }

  resumeReading(): void {
    this.#link.resume('budget')
  }

  /** Turns the client away with a sentence for it, and another for our log. `receipt`: the frame that is to blame. */
  refuse(words: string, logged: string = words, receipt?: string): void {
    if (this.#state !== 'greeting' && this.#state !== 'open') return
    if (this.#state === 'greeting') this.#host.complain(this.address, logged)
    else this.#host.log.warning('Connection from %s closed: %s', this.address, logged)
    this.#close(this.#error(words, receipt))
  }

  /** We end: nothing more is read, what was handed out may still be answered until the deadline. */
  stop(): void {
    this.#close(null)
  }

  connect({ headers }: Frame): void {
    const version = chooseVersion(headers.get('accept-version'))
    if (version === null) {
      this.refuse(`Version mismatch: this receiver speaks STOMP ${VERSIONS.join(', ')}`)
      return
    }
    const heartBeat = chooseHeartBeat(version === '1.0' ? undefined : headers.get('heart-beat'), this.#host.heartBeat)
    if (heartBeat === null) {
      this.refuse('the heart-beat header of CONNECT must be two numbers')
      return
    }
    this.#state = 'open'
    this.#version = this.#parser.version = version
    this.#heartBeat = heartBeat
    const answer: [string, string][] = [['version', version]]
    if (version !== '1.0') answer.push(['heart-beat', `${this.#host.heartBeat},${this.#host.heartBeat}`])
    this.#link.write(encodeFrame('CONNECTED', answer, null, version))
    this.#host.log.debug('Connection from %s.', this.address)
  }

  send({ headers, body }: Frame): void {
    const id = headers.get('empa-id') ?? 'noid'
    const receipt = headers.get('receipt') ?? null
    if (id === 'ping' && body.length === 0) {
      this.#host.log.info('Received ping message.')
      if (receipt !== null) this.#receipt(receipt)
      return
    }
    const cost = body.length + 2 * (id.length + (receipt?.length ?? 0)) + MESSAGE_OVERHEAD
    this.#unanswered += 1
    this.#host.budget.take(this, cost)
    this.#host.backlog.offer({ id, body, receipt, cost }, this)
  }

  disconnect({ headers }: Frame): void {
    const receipt = headers.get('receipt')
    // Its RECEIPT says that all before it was taken (STOMP 1.2, "DISCONNECT"): the last word, or never said.
    this.#goodbye = receipt === undefined ? null : this.#receiptFrame(receipt)
    this.#close(null)
  }

  /** The consumer has dealt with a message of ours. */
  settled(message: Message, outcome: Outcome): void {
    this.#unanswered -= 1
    if (outcome !== 'stored') this.#isOneUnstored = true
    if (message.receipt === null && outcome !== 'stored') {
      this.#host.log.warning('Message %s from %s asked for no receipt and was not stored.', message.id, this.address)
    }
    if (outcome === 'stored' && message.receipt !== null) this.#receipt(message.receipt)
    if (outcome === 'released') {
      const error = this.#error('messages cannot be stored now: keep them and try again later')
      this.#close(error)
      this.#farewell ??= error
    }
    this.#host.budget.give(message.cost)
    if (this.#state === 'closing' && this.#unanswered === 0) this.#finish()
  }

  /** Looks at every deadline of this session. */
  tick(now: number): void {
    const deaf = this.#link.tick(now)
    if (deaf !== undefined) this.#host.log.warning('Connection from %s closed: %s', this.address, deaf)
    if (this.#state === 'closing' && now >= this.#closeAt) this.#finish()
    if (this.#state === 'greeting' && now - this.#since >= this.#host.limits.connectMs) {
      this.refuse(`no complete CONNECT within ${this.#host.limits.connectMs / 1000} s`)
    }
    if (this.#state !== 'open') return
    const { send } = this.#heartBeat
    // At half the interval: ticks are coarse and networks jitter. A client that does not read gets no heap of them.
    if (send > 0 && !this.#link.deaf && now - this.#link.lastWrite >= send / 2) this.#link.write(BEAT)
    const why = this.#link.paused ? undefined : this.#overdue(now)
    if (why !== undefined) this.refuse(why)
  }

  #overdue(now: number): string | undefined {
    const { limits, budget } = this.#host
    const silence = now - this.#link.lastRead
    const { expect } = this.#heartBeat
    if (expect > 0 && silence > 2 * expect) return `nothing was heard for ${Math.round(silence / 1000)} s`
    if (this.#parser.inFrame) {
      if (now - Math.max(this.#mark.at, this.#link.resumedAt) < limits.progressMs) return undefined
      const least = budget.crowded ? limits.crowdedBytes : limits.progressBytes
      const grown = this.#link.bytesRead - this.#mark.bytes
      this.#markProgress()
      return grown < least ? `no progress in a frame for ${limits.progressMs / 1000} s` : undefined
    }
    const idle = expect === 0 && this.#unanswered === 0 && silence > limits.idleMs
    return idle ? `nothing was sent for ${limits.idleMs / 1000} s, and there are no heart-beats` : undefined
  }

  #markProgress(): void {
    this.#mark = { at: this.#host.clock.monotonic(), bytes: this.#link.bytesRead }
  }

  #onData(chunk: Buffer): void {
    const before = this.#frames
    const wasIn = this.#parser.inFrame
    try {
      this.#parser.push(chunk)
    } catch (error) {
      this.#onFault(error)
    }
    // Another frame than before the read: its progress is measured from here.
    if (!wasIn || this.#frames !== before) this.#markProgress()
    if (this.#state === 'greeting' || this.#state === 'open') this.#host.budget.update(this, this.#parser.held)
  }

  #onFault(error: unknown): void {
    if (isSsmError(error, 'limit') && this.#head?.command === WITH_BODY) {
      this.#lingerMs = this.#host.limits.discardMs
      this.refuse(error.message, error.message, this.#head.headers.get('receipt'))
      return
    }
    if (isSsmError(error, 'limit', 'malformed')) {
      this.refuse(error.message)
      return
    }
    this.#host.log.error('Connection from %s closed: fault of this program: %s', this.address, messageOf(error))
    this.#close(this.#error('a fault of this program'))
  }

  /** Judges what can be judged before the body is read. */
  #onHead(head: FrameHead): void {
    this.#head = head
    const { command, headers, length } = head
    const known = this.#state === 'greeting' ? GREETINGS : COMMANDS
    if (!Object.hasOwn(known, command)) {
      this.refuse(
        this.#state === 'greeting'
          ? `the first frame must be CONNECT, not ${command}`
          : `${command} is not for this receiver: it takes SEND and DISCONNECT`,
      )
    } else if (command !== WITH_BODY) {
      if (length !== undefined && length > 0) this.refuse(`a ${command} frame has no body`)
    } else if (headers.get('destination') !== this.#host.destination) {
      this.#lingerMs = this.#host.limits.discardMs
      const logged = `SEND to destination ${headers.get('destination') ?? '(none)'}, ours is ${this.#host.destination}`
      this.refuse('Unknown destination: this receiver does not take messages for it', logged, headers.get('receipt'))
    } else if (headers.has('transaction')) {
      this.#lingerMs = this.#host.limits.discardMs
      this.refuse('this receiver has no transactions', undefined, headers.get('receipt'))
    }
  }

  #onFrame(frame: Frame): void {
    const known = this.#state === 'greeting' ? GREETINGS : COMMANDS
    known[frame.command]?.(this, frame)
    this.#head = undefined
    this.#frames += 1
  }

  #onGone(): void {
    this.#state = 'ended'
    this.#parser.stop()
    this.#host.budget.leave(this)
    this.#host.log.debug('Connection from %s ended.', this.address)
  }

  #receipt(id: string): void {
    this.#link.write(this.#receiptFrame(id))
  }

  #receiptFrame(id: string): Buffer {
    return encodeFrame('RECEIPT', [['receipt-id', id]], null, this.#version)
  }

  /** An ERROR in words, which begin as those of brokers do where senders look for it. `receipt`: of the frame that is to blame, when it is one frame and it asked for a receipt. */
  #error(words: string, receipt?: string): Buffer {
    const headers: [string, string][] = [
      ['message', words],
      ['content-type', 'text/plain'],
    ]
    if (this.#state === 'greeting') headers.push(['version', [...VERSIONS].reverse().join(',')])
    if (receipt !== undefined) headers.push(['receipt-id', receipt])
    return encodeFrame('ERROR', headers, Buffer.from(`${words}\n`), this.#version)
  }

  /** No more input; the last word goes out when all that was taken is answered. The first last word counts. */
  #close(farewell: Buffer | null): void {
    if (this.#state !== 'greeting' && this.#state !== 'open') return
    this.#state = 'closing'
    this.#farewell = farewell
    this.#closeAt = this.#host.clock.monotonic() + this.#host.limits.drainMs
    this.#parser.stop()
    // Input goes on being read, and thrown away: it costs no memory.
    this.#host.budget.leave(this)
    if (this.#unanswered === 0) this.#finish()
  }

  #finish(): void {
    const isAllStored = this.#unanswered === 0 && !this.#isOneUnstored
    const last = this.#farewell ?? (isAllStored ? this.#goodbye : null)
    if (!this.#link.lingering) this.#link.finish(last, this.#lingerMs)
  }
}
