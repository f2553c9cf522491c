/** Doubles for the pipeline: a spool in memory, a scripted publisher, a log that remembers. */
import { isSsmError, SsmError } from '../../src/errors.js'
import type { Sealed } from '../../src/message.js'
import type { Logger, Printable } from '../../src/observe/log.js'
import type { Clock } from '../../src/os/clock.js'
import type { Claim, Spool } from '../../src/spool/port.js'
import type { Publisher, Receipt, Transport } from '../../src/transport/port.js'

export class MemoryLog implements Logger {
  readonly lines: string[] = []
  #add(level: string, format: string, values: readonly Printable[]): void {
    let i = 0
    const text = format.replaceAll('%s', () => {
      const value = values[i++]
      return typeof value === 'object' ? value.message : String(value)
    })
    this.lines.push(`${level} ${text}`)
  }
  debug(format: string, ...values: readonly Printable[]): void {
    this.#add('DEBUG', format, values)
  }
  info(format: string, ...values: readonly Printable[]): void {
    this.#add('INFO', format, values)
  }
  warning(format: string, ...values: readonly Printable[]): void {
    this.#add('WARNING', format, values)
  }
  error(format: string, ...values: readonly Printable[]): void {
    this.#add('ERROR', format, values)
  }
  critical(format: string, ...values: readonly Printable[]): void {
    this.#add('CRITICAL', format, values)
  }
}

/** A clock whose sleeps pass at once and add up. */
export function createFastClock(): Clock & { slept: number[] } {
  let time = 1_700_000_000_000
  const slept: number[] = []
  return {
    slept,
    now: () => time,
    monotonic: () => time,
    async sleep(ms, signal) {
      await new Promise((resolve) => setImmediate(resolve))
      if (signal?.aborted === true) throw new SsmError('aborted', 'aborted')
      slept.push(ms)
      time += ms
    },
  }
}

export class MemorySpool implements Spool<Uint8Array> {
  readonly elements = new Map<string, Uint8Array>()
  readonly locked = new Set<string>()
  readonly removed: string[] = []
  constructor(count = 0) {
    for (let i = 0; i < count; i++) this.elements.set(`m${String(i).padStart(4, '0')}`, Buffer.from(`body ${i}`))
  }
  add(item: Uint8Array): Promise<string> {
    const id = `n${this.elements.size}`
    this.elements.set(id, item)
    return Promise.resolve(id)
  }
  async *ids(): AsyncIterable<string> {
    for (const id of [...this.elements.keys()].sort()) {
      await Promise.resolve()
      yield id
    }
  }
  claim(id: string): Promise<Claim<Uint8Array> | null> {
    const body = this.elements.get(id)
    if (body === undefined || this.locked.has(id)) return Promise.resolve(null)
    this.locked.add(id)
    const release = (): Promise<void> => {
      this.locked.delete(id)
      return Promise.resolve()
    }
    return Promise.resolve({
      id,
      size: body.length,
      read: () => Promise.resolve(body),
      remove: () => {
        this.elements.delete(id)
        this.locked.delete(id)
        this.removed.push(id)
        return Promise.resolve()
      },
      release,
      [Symbol.asyncDispose]: release,
    })
  }
  count(): Promise<number> {
    return Promise.resolve(this.elements.size)
  }
  purge(): Promise<{ temporary: number; locks: number; directories: number }> {
    return Promise.resolve({ temporary: 0, locks: 0, directories: 0 })
  }
}

/** Says what happens to one SEND; may throw. Called with the ids in flight at that moment. */
export type Script = (id: string, inFlight: ReadonlySet<string>) => Receipt | Promise<Receipt>

/** Once a publish threw `connection-lost`, all others in flight on that connection are lost too. */
export function createScriptedTransport(script: Script): Transport & { opened: number; maxInFlight: number } {
  const transport = {
    opened: 0,
    maxInFlight: 0,
    openPublisher: (): Promise<Publisher> => {
      transport.opened += 1
      const inFlight = new Set<string>()
      const broken = new AbortController()
      return Promise.resolve({
        async publish({ id }: { id: string; body: Sealed }) {
          inFlight.add(id)
          transport.maxInFlight = Math.max(transport.maxInFlight, inFlight.size)
          await new Promise((resolve) => setImmediate(resolve))
          try {
            if (broken.signal.aborted) throw new SsmError('connection-lost', 'cut')
            return await script(id, inFlight)
          } catch (error) {
            if (isSsmError(error, 'connection-lost')) broken.abort()
            throw error
          } finally {
            inFlight.delete(id)
          }
        },
        [Symbol.asyncDispose]: () => Promise.resolve(),
      })
    },
    openSubscriber: () => Promise.reject(new SsmError('usage', 'not here')),
  }
  return transport
}
