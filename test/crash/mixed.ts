/**
 * One outgoing spool with two senders of ours and a producer of python-dirq that purges as well; one incoming spool with our
 * receiver and a consumer of python-dirq. The three programs of ours are killed at any time, and started again.
 */
import { setTimeout as sleep } from 'node:timers/promises'
import { startPython } from '../kit/dirq.js'
import { eventually, type Running } from '../kit/site.js'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import type { Trial } from '../kit/trial.js'

/**
 * Adds what it is told, a line of base64 a message, and purges between; ends at the end of its input. A purge fails when the
 * senders' own took an empty directory a moment before, as it may when a minute ends: that harms nobody.
 */
const PRODUCER = `
import base64
queue = QueueSimple(sys.argv[1])
for number, line in enumerate(sys.stdin):
    if line.strip() == 'end':
        break
    queue.add(base64.b64decode(line))
    if number % 50 == 0:
        try:
            queue.purge()
        except OSError:
            pass
say('done')
`

/**
 * Takes elements of a queue {body, signer, empaid?} until the file STOP is there and the queue is empty; prints each in base64,
 * before its removal: that fails when the receiver's purge is quicker in `obsolete`, though the element is consumed.
 */
const CONSUMER = `
import base64
path, stop = sys.argv[1], sys.argv[2]
queue = Queue(path, schema={'body': 'binary', 'signer': 'string', 'empaid': 'string?'})
while True:
    last = os.path.exists(stop)
    taken = 0
    try:
        for name in queue:
            if not queue.lock(name):
                continue
            data = queue.get(name)
            say(base64.b64encode(data['body']).decode(), base64.b64encode(data['signer'].encode()).decode())
            taken += 1
            queue.remove(name)
        queue.purge()
    except OSError as error:
        sys.stderr.write('%s\\n' % error)
    if last and not taken:
        break
    time.sleep(0.02)
`

/** The consumer has had all within so many seconds. */
const PATIENCE = 120

/** Two senders at once need this. */
export const TWO_SENDERS = { sender: { messaging: { run_lock: false } } } as const

export interface MixedOptions {
  readonly seconds: number
  /** Messages a second. */
  readonly rate: number
  readonly random: () => number
}

/** Works for so many seconds, with about one kill a second. The trial then settles. */
export async function mix(trial: Trial, { seconds, rate, random }: MixedOptions): Promise<void> {
  const { site, ledger, incoming } = trial
  const stop = join(site.dir, 'stop')
  const producer = startPython(PRODUCER, site.outgoing)
  const consumer = startPython(CONSUMER, incoming, stop)
  const starts: readonly (() => Running)[] = [
    () => site.startSender(),
    () => site.startSender(),
    () => site.startReceiver(),
  ]
  const running = starts.map((start) => start())
  try {
    const end = Date.now() + seconds * 1000
    while (Date.now() < end) {
      for (const body of ledger.bodies(Math.ceil(rate / 4))) producer.tell(body.toString('base64'))
      await sleep(250)
      await restart(trial, starts, running, random)
    }
    producer.tell('end')
    await producer.ended()
    for (const run of running) await run.stop()
    await trial.sendAll()
    running.push(site.startReceiver())
    const all = eventually('the consumer has had all', () => countLines(consumer.lines, ledger) === 0, PATIENCE, 100)
    // It ends before the file is there only when it fails; then it says why.
    await Promise.race([all, consumer.ended()])
    await running.at(-1)!.stop()
    writeFileSync(stop, '')
    await consumer.ended()
  } finally {
    producer.kill()
    consumer.kill()
    for (const run of running) run.child.kill('SIGKILL')
  }
}

/** A sender that has ended is started again, as cron does; now and then one of the three is killed. */
async function restart(
  { count }: Trial,
  starts: readonly (() => Running)[],
  running: Running[],
  random: () => number,
): Promise<void> {
  for (const [n, start] of starts.entries()) {
    const { child } = running[n]!
    if (child.exitCode === null && child.signalCode === null) {
      if (random() > 0.08) continue
      await running[n]!.stop('SIGKILL')
      count.kills += 1
    }
    running[n] = start()
  }
}

function countLines(lines: () => readonly string[], ledger: Trial['ledger']): number {
  for (const line of lines()) {
    const [body = '', signer = ''] = line.split(' ')
    ledger.arrived({ body: Buffer.from(body, 'base64'), signer: Buffer.from(signer, 'base64') })
  }
  return ledger.missing()
}
