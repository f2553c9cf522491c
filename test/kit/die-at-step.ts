/**
 * Loaded into a real program before its own code (`node --import`): kills it, as `kill -9` does, at one durable step of
 * the work below a folder. What to do stands in the environment, see `startDying`.
 */
import { watchSteps, realFs, type Step } from './fs-steps.js'

export const DEATH_VARIABLE = 'SSM_TEST_DEATH'

/** Where a program is to die: at the n-th step of all, or at the n-th of one shape; before it is done or just after. */
export interface Death {
  readonly n: number
  readonly shape?: string
  readonly side: 'before' | 'after'
}

export interface Order {
  readonly folder: string
  /** Absent: it lives, and only notes its steps. */
  readonly death?: Death
  /** A line for each step: its shape. The last one is the one it died at. */
  readonly notes: string
}

function obey({ folder, death, notes }: Order): void {
  const fd = realFs.openSync(notes, 'a')
  let ofShape = 0
  const matches = ({ shape }: Step): boolean => death?.shape === undefined || shape === death.shape
  const isHere = ({ n }: Step): boolean => (death?.shape === undefined ? n : ofShape) === death?.n
  const die = (): never => {
    process.kill(process.pid, 'SIGKILL')
    // The signal has ended us by now.
    for (;;);
  }
  let doomed: Step | undefined
  watchSteps(folder, {
    before(step) {
      realFs.writeSync(fd, `${step.shape}\n`)
      if (!matches(step)) return
      ofShape += 1
      if (!isHere(step)) return
      if (death?.side === 'before') die()
      doomed = step
    },
    after(step) {
      if (step === doomed) die()
    },
  })
}

const order = process.env[DEATH_VARIABLE]
// The cast: written by `startDying`.
if (order !== undefined) obey(JSON.parse(order) as Order)
