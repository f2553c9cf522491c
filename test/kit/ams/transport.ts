/** Our transport to the double, with the settings that the tests of both share. */
import { createAmsTransport, type AmsSettings } from '../../../src/transport/ams/index.js'
import { systemClock } from '../../../src/os/clock.js'
import type { Transport } from '../../../src/transport/port.js'
import { testDeps } from '../transport.js'
import type { Ams } from './server.js'
import type { Tokens } from './scene.js'

/** As the configuration sets them when it says nothing; to the subscription and topic that are there from the start. */
export function amsSettings(ams: Ams, who: keyof Tokens, changes: Partial<AmsSettings> = {}): AmsSettings {
  return {
    endpoints: [{ host: ams.host, port: ams.port, plain: ams.url.startsWith('http:') }],
    tls: null,
    credentials: { kind: 'token', token: ams.tokens[who] },
    project: ams.project.name,
    destination: 'ssm',
    window: { messages: who === 'sender' ? 8 : 64, bytes: 32 * 1024 * 1024 },
    maxMessageSize: who === 'sender' ? 1_500_000 : 128 * 1024 * 1024,
    batch: 1,
    pulling: { pullMax: 1000, pollMax: 500, skipPoisoned: true },
    env: {},
    ...changes,
  }
}

/** A transport of this user to the double. */
export function amsTransport(
  ams: Ams,
  who: keyof Tokens,
  changes: Partial<AmsSettings> = {},
  deps = testDeps(),
): Transport {
  return createAmsTransport(amsSettings(ams, who, changes), deps)
}

/** Pauses pass in a hundredth of their time, and the limits of requests in a tenth: a busy machine must keep to those. */
export function swiftDeps(): ReturnType<typeof testDeps> {
  const sleep = (ms: number, signal?: AbortSignal) => systemClock.sleep(ms / (ms < 10_000 ? 100 : 10), signal)
  return { ...testDeps(), clock: { ...systemClock, sleep } }
}
