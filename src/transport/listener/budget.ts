/**
 * Memory for message bodies over all connections. Counts what is really held, not what clients announce: an announcement
 * costs them nothing. When it is full the sockets are paused; the kernel then holds the clients back.
 */

/** A connection, as the budget sees it. */
export interface Reader {
  pauseReading(): void
  resumeReading(): void
}

/** What one read of a socket brings at most (node's buffer); so much room is reserved for each reader that is resumed. */
const READ_BYTES = 64 * 1024

export interface Budget {
  /** This reader's frame is complete and holds `bytes` until `give`. */
  take(reader: Reader, bytes: number): void
  give(bytes: number): void
  /** After each read: so many bytes are held of an unfinished frame. Pauses the reader when there is no room. */
  update(reader: Reader, held: number): void
  leave(reader: Reader): void
  /** Is somebody waiting only for unfinished frames of others? */
  readonly crowded: boolean
  readonly used: number
}

class Bodies implements Budget {
  readonly #limit: number
  #complete = 0
  #unfinishedBytes = 0
  /** In the order in which the frames began. */
  readonly #unfinished = new Map<Reader, number>()
  readonly #waiting = new Set<Reader>()

  constructor(limit: number) {
    this.#limit = limit
  }

  get used(): number {
    return this.#complete + this.#unfinishedBytes
  }

  get crowded(): boolean {
    return this.#waiting.size > 0 && this.#complete === 0
  }

  take(reader: Reader, bytes: number): void {
    this.#set(reader, 0)
    this.#complete += bytes
  }

  give(bytes: number): void {
    this.#complete -= bytes
    this.#wake()
  }

  update(reader: Reader, held: number): void {
    const before = this.#unfinished.get(reader) ?? 0
    this.#set(reader, held)
    if (held < before) this.#wake()
    if (this.#mayRead(reader)) return
    this.#waiting.add(reader)
    reader.pauseReading()
  }

  leave(reader: Reader): void {
    this.#set(reader, 0)
    this.#waiting.delete(reader)
    this.#wake()
  }

  #set(reader: Reader, held: number): void {
    this.#unfinishedBytes += held - (this.#unfinished.get(reader) ?? 0)
    if (held === 0) this.#unfinished.delete(reader)
    else this.#unfinished.set(reader, held)
  }

  /**
   * Full of unfinished frames only, nobody could ever end one: then the frame that began first goes on. At most one
   * does, and only while no complete message waits to be stored, so a stuck consumer cannot make memory grow.
   */
  #mayRead(reader: Reader): boolean {
    return this.used < this.#limit || (this.#complete === 0 && reader === this.#first())
  }

  #first(): Reader | undefined {
    return this.#unfinished.keys().next().value
  }

  #wake(): void {
    let room = this.#limit - this.used
    // Nothing complete: no `give` will come, so nobody with room may be left waiting behind a reader that has no data.
    if (this.#complete === 0 && room > 0) room = Infinity
    for (const reader of [...this.#waiting]) {
      if (room <= 0) break
      room -= READ_BYTES
      this.#resume(reader)
    }
    const first = this.#first()
    if (this.#complete === 0 && first !== undefined) this.#resume(first)
  }

  #resume(reader: Reader): void {
    if (this.#waiting.delete(reader)) reader.resumeReading()
  }
}

export function createBudget(limit: number): Budget {
  return new Bodies(limit)
}
