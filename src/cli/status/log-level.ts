/** The level of a running log: asked for and changed over the status socket, or by SIGHUP. */
import { SsmError } from '../../errors.js'
import { LEVELS } from '../../observe/create-log.js'
import type { Level, Log, LoggerName } from '../../observe/log.js'
import type { Verb } from './verbs.js'

export interface LevelAnswer {
  readonly level: Level
  /** As it was when it was asked. */
  readonly before: Level
}

/** Another level, said under the more talkative of the two. */
export function changeLevel(log: Log, name: LoggerName, level: Level): void {
  const before = log.level()
  if (level === before) return
  log.setLevel(LEVELS.indexOf(level) < LEVELS.indexOf(before) ? level : before)
  log.named(name).info('The level of the log is %s, and was %s.', level, before)
  log.setLevel(level)
}

/** undefined: there is no such level. The configuration's word WARN counts too, in any case. */
export function parseLevel(word: string): Level | undefined {
  const upper = word.toUpperCase()
  return LEVELS.find((level) => level === upper || (level === 'WARNING' && upper === 'WARN'))
}

/** With `level` it changes, until the next SIGHUP or start. */
export function logLevelVerb(log: Log, name: LoggerName): Verb {
  return ({ level: word }) => {
    const before = log.level()
    if (word === undefined) return Promise.resolve({ level: before, before } satisfies LevelAnswer)
    const level = typeof word === 'string' ? parseLevel(word) : undefined
    if (level === undefined) return Promise.reject(new SsmError('usage', `a level is one of ${LEVELS.join(', ')}`))
    changeLevel(log, name, level)
    return Promise.resolve({ level, before } satisfies LevelAnswer)
  }
}
