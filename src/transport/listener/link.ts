/**
 * A socket with manners: reading that several parties may pause, answers gathered into few writes, a client that does not
 * read noticed, and an end that lets the last word arrive. Knows nothing of STOMP. Never throws; a broken socket is `gone`.
 */
import type { Socket } from 'node:net'
import type { Clock } from '../../os/clock.js'
import type { ListenerLimits } from './limits.js'

/** Why reading stands still: bodies fill the memory, or the client does not read our answers. */
export type Pause = 'budget' | 'answers'

export interface LinkHandler {
  data(chunk: Buffer): void
  /** The client will say no more; it may still listen. */
  end(): void
  /** The socket is closed, once. */
  gone(): void
}

/*
 * open ─finish─▶ lingering (last word said; input thrown away) ─client closes, deadline─▶ gone.   Any ─error, destroy─▶ gone.
 */
export class Link {
  readonly #socket: Socket
  readonly #limits: ListenerLimits
  readonly #clock: Clock
  readonly #handler: LinkHandler
  readonly #pauses = new Set<Pause>()
  #lingerUntil: number | undefined
  #unreadSince = 0
  #corked = false
  /** Bytes read so far; when something was last read, when reading was last resumed, last written (monotonic ms). */
  bytesRead = 0
  lastRead: number
  resumedAt: number
  lastWrite: number

  constructor(socket: Socket, limits: ListenerLimits, clock: Clock, handler: LinkHandler) {
    this.#socket = socket
    this.#limits = limits
    this.#clock = clock
    this.#handler = handler
    this.lastRead = this.resumedAt = this.lastWrite = clock.monotonic()
    // Without heart-beats only the kernel finds out that a client's machine is away.
    socket.setKeepAlive(true, limits.keepAliveMs)
    // Answers are gathered here; waiting for more would only delay them.
    socket.setNoDelay(true)
    // A broken connection is the client's affair, and `close` follows: nothing else is to be done about it.
    socket.on('error', () => undefined)
    socket.on('close', () => {
      handler.gone()
    })
    socket.on('drain', () => {
      this.resume('answers')
    })
  }

  start(): void {
    this.#socket.on('data', (chunk: Buffer) => {
      this.#read(chunk)
    })
    this.#socket.on('end', () => {
      if (this.#lingerUntil === undefined) this.#handler.end()
      else this.#socket.destroySoon()
    })
    this.#socket.resume()
  }

  get paused(): boolean {
    return this.#pauses.size > 0
  }

  /** Does the client not read what we write? */
  get deaf(): boolean {
    return this.#pauses.has('answers')
  }

  get lingering(): boolean {
    return this.#lingerUntil !== undefined
  }

  pause(why: Pause): void {
    this.#pauses.add(why)
    if (!this.lingering) this.#socket.pause()
  }

  resume(why: Pause): void {
    if (!this.#pauses.delete(why) || this.paused) return
    // While we did not read, the client's silence was ours.
    this.lastRead = this.resumedAt = this.#clock.monotonic()
    this.#socket.resume()
  }

  write(bytes: Buffer): void {
    if (this.lingering || !this.#socket.writable) return
    this.lastWrite = this.#clock.monotonic()
    if (!this.#corked) {
      this.#corked = true
      this.#socket.cork()
      setImmediate(() => {
        this.#corked = false
        this.#socket.uncork()
      })
    }
    if (this.#socket.write(bytes) || this.deaf) return
    this.#unreadSince = this.lastWrite
    this.pause('answers')
  }

  /** The last word, then end. Input is thrown away until the client closes, at most `lingerMs`. */
  finish(last: Buffer | null, lingerMs: number): void {
    if (this.lingering) return
    if (last !== null) this.write(last)
    this.#lingerUntil = this.#clock.monotonic() + lingerMs
    this.#socket.end()
    this.#socket.resume()
    if (this.#socket.readableEnded) this.#socket.destroySoon()
  }

  destroy(): void {
    this.#socket.destroy()
  }

  /** Ends what is overdue. Returns the reason when it was the client's fault. */
  tick(now: number): string | undefined {
    if (this.#lingerUntil !== undefined && now >= this.#lingerUntil) this.destroy()
    if (!this.deaf || now - this.#unreadSince < this.#limits.answersMs) return undefined
    this.destroy()
    return `did not read our answers for ${this.#limits.answersMs / 1000} s`
  }

  #read(chunk: Buffer): void {
    if (this.lingering) return
    this.lastRead = this.#clock.monotonic()
    this.bytesRead += chunk.length
    this.#handler.data(chunk)
  }
}
