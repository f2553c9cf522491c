/** Findings as a list for people or an object for programs. */
import { PRINTABLE_LIMITS, printable } from '../../observe/printable.js'
import { createPaint, type Paint } from '../colour.js'
import type { Finding, Level } from './finding.js'

export interface Report {
  readonly role: 'sender' | 'receiver'
  readonly file: string
  readonly findings: readonly Finding[]
}

const MARKS: Readonly<Record<Level, string>> = { ok: '✓', warning: '!', failed: '✗', unchecked: '–' }

const STYLES = { ok: 'good', warning: 'warning', failed: 'wrong', unchecked: 'dim' } as const satisfies Record<
  Level,
  string
>

export function isGood(findings: readonly Finding[]): boolean {
  return !findings.some(({ level }) => level === 'failed')
}

/** A line a finding, its remedy below it, and a sum. */
export function renderText({ role, file, findings }: Report, paint: Paint = createPaint(false)): string {
  const lines = findings.flatMap(({ level, about, text, remedy }) => [
    `${paint(STYLES[level], MARKS[level])} ${safe(about)}: ${safe(text)}`,
    ...(remedy === undefined || level === 'ok' ? [] : [`    → ${safe(remedy)}`]),
  ])
  const count = (level: Level): number => findings.filter((finding) => finding.level === level).length
  const sum = `${count('ok')} good, ${count('warning')} to look at, ${count('failed')} wrong`
  return `${[`${role} with ${safe(file)}`, ...lines, sum].join('\n')}\n`
}

/** One object on one line. */
export function renderJson({ role, file, findings }: Report): string {
  const checks = findings.map(({ level, about, text, remedy }) => ({
    level,
    about: safe(about),
    text: safe(text),
    ...(remedy === undefined ? {} : { remedy: safe(remedy) }),
  }))
  return `${JSON.stringify({ role, config: safe(file), good: isGood(findings), checks })}\n`
}

function safe(text: string): string {
  return printable(text, PRINTABLE_LIMITS.sentence)
}
