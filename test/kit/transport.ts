/** What transport tests give to a transport and expect of it: a log that remembers, settings for a plain broker, frames. */
import assert from 'node:assert/strict'
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { isSsmError, type ErrorCode } from '../../src/errors.js'
import { systemClock } from '../../src/os/clock.js'
import type { Level, Logger, Printable } from '../../src/observe/log.js'
import { toPem } from '../../src/crypto/pem.js'
import type { TlsMaterial, Transport, TransportDeps } from '../../src/transport/port.js'
import { createStompTransport, type StompSettings } from '../../src/transport/stomp/index.js'
import type { TestHost, TestPki } from './ca.js'
import type { FakeBroker } from './fake-broker.js'

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

/** Our side of TLS for a host of the test CA, as `StompSettings.tls` wants it. */
export function tlsMaterial(
  pki: TestPki,
  host: TestHost,
  changes: Partial<TlsMaterial> = {},
): () => Promise<TlsMaterial> {
  const made: TlsMaterial = {
    certificate: readFileSync(host.certificateFile, 'utf8'),
    key: readFileSync(host.keyFile, 'utf8'),
    ca: [toPem('CERTIFICATE', pki.ca.certificate.der)],
    verify: 'true',
    ...changes,
  }
  return () => Promise.resolve(made)
}

/** A broker's side of TLS: `host` serves, clients need certificates of the test CA. */
export function brokerTls(pki: TestPki, host: TestHost): { ca: string; certificate: string; key: string } {
  const ca = join(pki.dir, 'ca.pem')
  writeFileSync(ca, toPem('CERTIFICATE', pki.ca.certificate.der))
  return { ca, certificate: host.certificateFile, key: host.keyFile }
}

/** Waits of 10 s and more pass in a hundredth of the time. */
export function hurriedDeps(): ReturnType<typeof testDeps> {
  const sleep = (ms: number, signal?: AbortSignal) => systemClock.sleep(ms / 100, signal)
  return { ...testDeps(), clock: { ...systemClock, sleep } }
}

/** A transport to a fake broker. */
export function transportTo(broker: FakeBroker, settings: Partial<StompSettings> = {}, deps = testDeps()): Transport {
  return createStompTransport(stompSettings(broker.port, settings), deps)
}

/** For `assert.rejects`: this code, and all of these words. */
export function refusal(code: ErrorCode, ...words: readonly RegExp[]): (error: unknown) => true {
  return (error) => {
    assert.ok(isSsmError(error, code), String(error))
    for (const word of words) assert.match(error.message, word)
    return true
  }
}

/** A MESSAGE as a 1.2 broker sends it. */
export function messageFrame(id: string, body: string): string {
  const headers = ['subscription:1', `message-id:${id}`, `ack:ack-${id}`, `empa-id:${id}`]
  return `MESSAGE\n${headers.join('\n')}\ncontent-length:${Buffer.byteLength(body)}\n\n${body}\0`
}
