/** What transport tests give to a transport: a log that remembers, and settings for a plain broker on this machine. */
import { systemClock } from '../../src/os/clock.js'
import type { Level, Logger, Printable } from '../../src/observe/log.js'
import type { TransportDeps } from '../../src/transport/port.js'
import type { StompSettings } from '../../src/transport/stomp/index.js'

export interface MemoryLog extends Logger {
  /** `LEVEL text`, in order. */
  readonly lines: string[]
}

/** A logger that keeps its lines. */
export function createMemoryLog(): MemoryLog {
  const lines: string[] = []
  const write =
    (level: Level) =>
    (format: string, ...values: readonly Printable[]): void => {
      let index = 0
      const text = format.replaceAll('%s', () => {
        const value = values[index++] ?? ''
        return typeof value === 'object' ? value.message : String(value)
      })
      lines.push(`${level} ${text}`)
    }
  return {
    lines,
    debug: write('DEBUG'),
    info: write('INFO'),
    warning: write('WARNING'),
    error: write('ERROR'),
    critical: write('CRITICAL'),
  }
}

/** The real clock and a log that remembers. */
export function testDeps(): TransportDeps & { readonly log: MemoryLog } {
  return { log: createMemoryLog(), clock: systemClock }
}

/** Plain TCP to this machine, no heart-beats; override what matters. */
export function stompSettings(port: number, settings: Partial<StompSettings> = {}): StompSettings {
  return {
    addresses: [{ host: '127.0.0.1', port }],
    tls: null,
    destination: '/queue/test',
    heartBeat: 0,
    window: { messages: 64, bytes: 32 * 1024 * 1024 },
    maxMessageSize: 128 * 1024 * 1024,
    ...settings,
  }
}
