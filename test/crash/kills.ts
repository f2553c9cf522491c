/**
 * kill -9 of sender and receiver: at every step that a disk sees, each before and after it is done; at the n-th step of the
 * n-th start, so that recoveries are killed as well; and at any time at all.
 */
import { setTimeout as sleep } from 'node:timers/promises'
import type { Death } from '../kit/die-at-step.js'
import { eventually, type Ended } from '../kit/site.js'
import { startDying, type Dying, type Trial } from '../kit/trial.js'

export type Side = Death['side']
type Name = 'ssmsend' | 'ssmreceive'

/** Messages that are on their way in each round. */
const A_FEW = 4
/** A program that does not come to its step in this time has none, ms. */
const LATEST = 20_000

const wasKilled = ({ signal }: Ended): boolean => signal === 'SIGKILL'

/** The shapes of all steps of a run that is left alone, in order of their first appearance. */
export async function stepsOf(trial: Trial, name: Name): Promise<readonly string[]> {
  await feed(trial, name)
  const run = startDying(trial.site, name)
  if (name === 'ssmreceive') {
    await eventually('all arrived', () => trial.ledger.consume(trial.incoming) >= 0 && trial.ledger.missing() === 0, 60)
    await run.stop()
  } else {
    const { code, stdout, stderr } = await run.ended
    if (code !== 0) throw new Error(`ssmsend: ${stdout}${stderr}`)
  }
  return [...new Set(run.steps())]
}

/** One start that dies as told. False: it lived, because it had no such step this time. */
async function dies(trial: Trial, name: Name, death: Death): Promise<boolean> {
  const run = startDying(trial.site, name, death)
  const ended = await (name === 'ssmsend' ? run.ended : atLatest(run))
  if (!wasKilled(ended)) return false
  trial.count.kills += 1
  return true
}

async function atLatest(run: Dying): Promise<Ended> {
  const stop = new AbortController()
  const late = sleep(LATEST, undefined, { signal: stop.signal }).then(
    () => run.stop(),
    // The program has ended before: nobody waits for this.
    () => run.ended,
  )
  const ended = await Promise.race([run.ended, late])
  stop.abort()
  return ended
}

/** What a program needs to come to its steps so many times. The receiver's waits at the broker. */
async function feed(trial: Trial, name: Name, times = 1): Promise<void> {
  trial.ledger.put(A_FEW * times)
  if (name === 'ssmreceive') await trial.sendAll()
}

/** Returns the steps at which it could not be killed, because they did not come again. */
export async function killAtEachStep(
  trial: Trial,
  name: Name,
  sides: readonly Side[],
  steps: readonly string[],
): Promise<string[]> {
  const missed: string[] = []
  if (name === 'ssmreceive') await feed(trial, name, steps.length * sides.length)
  for (const shape of steps) {
    for (const side of sides) {
      if (name === 'ssmsend') await feed(trial, name)
      if (!(await dies(trial, name, { n: 1, shape, side }))) missed.push(`${side} ${shape}`)
    }
  }
  return missed
}

/**
 * What is made at the first use only (directories of the spool), each in a spool of its own that does not have it yet. Throws when
 * one is not met. Returns the trials, to be settled.
 */
export async function killAtFirstUse(
  create: (name: string) => Trial,
  name: Name,
  sides: readonly Side[],
): Promise<readonly Trial[]> {
  const steps = (await stepsOf(create(`${name}-steps`), name)).filter((step) => step.startsWith('mkdir'))
  const trials: Trial[] = []
  for (const [n, shape] of steps.entries()) {
    for (const side of sides) {
      const trial = create(`${name}-${n}-${side}`)
      await feed(trial, name)
      if (!(await dies(trial, name, { n: 1, shape, side }))) throw new Error(`${name} is not killed ${side} ${shape}`)
      trials.push(trial)
    }
  }
  return trials
}

/** The n-th start dies at its n-th step, and finds what the one before left. Ends after so many kills. */
export async function killInSequence(trial: Trial, name: Name, kills: number, longest = 60): Promise<void> {
  let n = 0
  if (name === 'ssmreceive') await feed(trial, name, kills)
  for (let done = 0, starts = 0; done < kills; starts += 1) {
    if (starts > 2 * kills) throw new Error(`${starts} starts, ${done} kills: it does not come to its steps`)
    n = (n % longest) + 1
    if (name === 'ssmsend') await feed(trial, name)
    if (await dies(trial, name, { n, side: n % 2 === 0 ? 'before' : 'after' })) done += 1
    // No step of that number: begin again.
    else n = 0
  }
}

/** Both programs at work, and one of them, by turns, is killed at some time within `span` ms. */
export async function killAtRandom(trial: Trial, kills: number, random: () => number, span = 700): Promise<void> {
  for (let done = 0, round = 0; done < kills; round += 1) {
    if (round > 3 * kills + 10)
      throw new Error(`${round} rounds, ${done} kills: the programs end too early to be killed`)
    trial.ledger.put(200)
    const sender = trial.site.startSender()
    const receiver = trial.site.startReceiver()
    const [victim, other] = round % 2 === 0 ? [receiver, sender] : [sender, receiver]
    // Past the start of Node itself, or nothing would ever be under way.
    await sleep(250 + random() * span)
    if (wasKilled(await victim.stop('SIGKILL'))) {
      trial.count.kills += 1
      done += 1
    }
    await other.stop()
    trial.ledger.consume(trial.incoming)
  }
}

/** A generator that gives the same numbers for the same seed (mulberry32): a failure can be repeated. */
export function createRandom(seed: number): () => number {
  let state = seed >>> 0
  return () => {
    state = (state + 0x6d2b79f5) >>> 0
    let t = state
    t = Math.imul(t ^ (t >>> 15), t | 1)
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61)
    return ((t ^ (t >>> 14)) >>> 0) / 4_294_967_296
  }
}
