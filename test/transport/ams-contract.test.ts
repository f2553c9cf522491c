/** The contract of transports on the double of AMS: with a receiver's usual token, and with one that may do no more than it must. */
import { transportContract } from '../contract/transport.js'
import { startAms, type AmsOptions } from '../kit/ams/index.js'
import { amsTransport } from '../kit/ams/transport.js'

/** What Kafka's usual limit leaves of 1 048 425 Base64 characters, less an id. */
const LARGEST = 786_000
/** The server puts attributes into JSON without escaping: these never go out as they are, nor does the sign that stands for them. */
const spelling = (id: string): string =>
  // eslint-disable-next-line no-control-regex -- it is about them
  id.replace(/[%"\\\0-\x1f]/g, (found) => `%${found.charCodeAt(0).toString(16).toUpperCase().padStart(2, '0')}`)

for (const [name, who, options] of [
  ['AMS', 'receiver', {}],
  ['AMS, with a token that may only pull and acknowledge', 'puller', { forbidden: ['users:profile'] }],
  ['AMS, whose pulls give less than there is', 'receiver', { shortPulls: 0.5 }],
] as const satisfies (readonly [string, string, AmsOptions])[]) {
  transportContract(
    name,
    async ({ window }) => {
      const ams = await startAms(options)
      return {
        sender: amsTransport(ams, 'sender'),
        receiver: amsTransport(ams, who, { window }),
        [Symbol.asyncDispose]: () => ams.stop(),
      }
    },
    { largest: LARGEST, spelling },
  )
}
