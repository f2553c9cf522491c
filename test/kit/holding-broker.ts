/**
 * A broker that takes every SEND and gives receipts only as far as it is allowed to: what is in flight stays so.
 */
import type { Frame } from '../../src/transport/frame.js'
import { startFakeBroker, type FakeBroker } from './fake-broker.js'

export interface HoldingBroker extends FakeBroker {
  /** Ids in the order of their receipts, with repetitions; of all connections. */
  readonly receipted: readonly string[]
  /** SEND frames so far. */
  received(): number
  /** Allows so many receipts more. */
  allow(count: number): void
}

const POLL = 5

export async function startHoldingBroker(): Promise<HoldingBroker> {
  const receipted: string[] = []
  let allowed = 0
  const sends = (frames: readonly Frame[]): Frame[] => frames.filter(({ command }) => command === 'SEND')
  const broker = await startFakeBroker(async (peer) => {
    await peer.greet()
    let answered = 0
    const timer = setInterval(() => {
      const waiting = sends(peer.frames).slice(answered)
      for (const { headers } of waiting.slice(0, allowed)) {
        const id = headers.get('receipt') ?? ''
        peer.send(`RECEIPT\nreceipt-id:${id}\n\n\0`)
        receipted.push(id)
        answered += 1
        allowed -= 1
      }
    }, POLL)
    await peer.closed
    clearInterval(timer)
  })
  return Object.assign(broker, {
    receipted,
    received: () => broker.peers.reduce((sum, { frames }) => sum + sends(frames).length, 0),
    allow(count: number) {
      allowed += count
    },
  })
}
