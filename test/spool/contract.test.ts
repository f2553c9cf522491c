/** All spools keep the contract. */
import { createDisk } from '../../src/os/disk.js'
import { systemClock } from '../../src/os/clock.js'
import type { Clock } from '../../src/os/clock.js'
import { createMessageDirectory } from '../../src/spool/message-directory.js'
import { createSchemaQueue } from '../../src/spool/schema-queue.js'
import { createSimpleQueue } from '../../src/spool/simple-queue.js'
import { spoolContract } from '../contract/spool.js'

const disk = createDisk()
const bytes = {
  item: (number: number): Uint8Array => Buffer.from(`message ${number}`),
  numberOf: (item: Uint8Array): number => Number(Buffer.from(item).toString().slice('message '.length)),
}

spoolContract('simple queue', {
  ...bytes,
  open: (path) => createSimpleQueue({ path, disk, clock: systemClock, settleWait: 5000 }),
})

// Two looks a second apart: the sleep between them is real time only for the file's own clock, so it is shortened.
const hasty: Clock = {
  now: () => Date.now() + offset,
  monotonic: () => performance.now() + offset,
  sleep(ms) {
    offset += ms
    return Promise.resolve()
  },
}
let offset = 0

spoolContract('message directory', {
  ...bytes,
  open: (path) => createMessageDirectory({ path, disk, clock: hasty, settleWait: 5000 }),
})

spoolContract('queue with schema', {
  open: (path) =>
    createSchemaQueue({ path, disk, clock: systemClock, schema: { body: 'string', extra: 'table', note: 'string?' } }),
  item: (number) => ({ body: `message ${number}`, extra: { n: String(number) } }),
  numberOf: (item) => Number(item.extra.n),
})
