/**
 * A disk that fails: every operation of sending and of receiving fails once, with each of these errors; writes are short;
 * an fsync that fails takes the data with it. The whole programs, in this process, through a broker in this process.
 */
import { realFs, watchSteps, type Step } from '../kit/fs-steps.js'
import { sendHere, serveHere } from '../kit/here.js'
import type { Bench } from '../kit/bench.js'
import { elementsLeft } from '../kit/records.js'
import { eventually } from '../kit/site.js'
import { systemError } from '../kit/disk.js'

/** What disks say when they fail: full, broken, mounted read-only after an error. */
export const CODES = ['ENOSPC', 'EIO', 'EROFS'] as const

/** Messages that are on their way in each round. */
const A_FEW = 3

const left = ({ site }: Bench) => elementsLeft(site.outgoing).length

/** All that is sent has arrived, and nothing of it is still at the broker. */
export async function rest(bench: Bench): Promise<void> {
  const { ledger, incoming, broker, site } = bench
  const quiet = (): boolean => {
    ledger.consume(incoming)
    return ledger.missing() === 0 && broker.held() === 0
  }
  // As long as something arrives it is only slow: thousands may be waiting.
  for (let before = Infinity; ; before = ledger.missing()) {
    try {
      await eventually('all arrived', quiet, 60, 5)
      return
    } catch (error) {
      if (ledger.missing() > 0 && ledger.missing() < before) continue
      throw new Error(`${String(error)}: ${ledger.missing()} missing\n${site.log('ssmreceive').slice(-3000)}`)
    }
  }
}

/** One pass from spool to spool, its disk in the hands of the watcher. */
async function round(bench: Bench, folder: string, watcher: Parameters<typeof watchSteps>[1]): Promise<void> {
  const { site, ledger } = bench
  ledger.put(A_FEW)
  const end = watchSteps(folder, watcher)
  const receiver = serveHere(site)
  try {
    await sendHere(site, () => left(bench))
    await rest(bench)
  } finally {
    end()
    await receiver.stop()
  }
}

/** The shapes of all steps of a pass. */
export async function stepsBelow(bench: Bench, folder: string): Promise<readonly string[]> {
  const shapes = new Set<string>()
  await round(bench, folder, { before: ({ shape }) => shapes.add(shape) })
  return [...shapes]
}

/** Fails the first step of this shape, once. Returns whether there was one. */
export async function failOnce(bench: Bench, folder: string, shape: string, code: string): Promise<boolean> {
  let failures = 0
  const before = (step: Step): void => {
    if (failures > 0 || step.shape !== shape) return
    failures += 1
    if (step.operation === 'fsync') loseData(step)
    throw systemError(code)
  }
  await round(bench, folder, { before })
  bench.count.faults += failures
  return failures > 0
}

/** What the system had not written yet is gone, and it says so once (as Linux does): the file is empty. */
function loseData({ fd }: Step): void {
  if (fd === undefined || !realFs.fstatSync(fd).isFile()) return
  realFs.ftruncateSync(fd, 0)
}

/** Every write takes a few bytes only. */
export async function shortWrites(bench: Bench, folder: string, bytes: number): Promise<void> {
  await round(bench, folder, {
    room: (step) => {
      if ((step.bytes?.length ?? 0) > bytes) bench.count.faults += 1
      return bytes
    },
  })
}

/** Fails everything of these operations for `ms`, as a disk that is full or read-only does, and then is mended. */
export async function failFor(
  bench: Bench,
  folder: string,
  operations: RegExp,
  code: string,
  ms: number,
): Promise<void> {
  const end = Date.now() + ms
  const before = (step: Step): void => {
    if (Date.now() > end || !operations.test(step.operation)) return
    bench.count.faults += 1
    throw systemError(code)
  }
  await round(bench, folder, { before })
}
