/**
 * Logs of the Python SSM as they were recorded (test/vectors/logs), and how lines of another run are laid beside them.
 * `name`: what the record's files begin with.
 */
import assert from 'node:assert/strict'
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import type { ScriptedLogs } from './scripted-run.js'
import { root } from './source.js'

const LOGS = ['sender', 'receiver'] as const
type Which = (typeof LOGS)[number]

export interface Difference {
  readonly line: RegExp
  /** `recorded`: a line that we do not write. `ours`: one that only we write. `anywhere`: we write as many of them, at another place. `ignored`: neither. */
  readonly kind: 'recorded' | 'ours' | 'anywhere' | 'ignored'
  readonly reason: string
}

export type Differences = Readonly<Record<Which, readonly Difference[]>>

/** We look at the list before the signature, and say so. */
const withoutRemark = (line: string): string => line.replace(/ \(not verified\).*$/, '')

function compared(differences: readonly Difference[], lines: readonly string[]) {
  const kindOf = (line: string) => differences.find((each) => each.line.test(line))?.kind
  return {
    inOrder: lines.filter((line) => kindOf(line) === undefined).map(withoutRemark),
    anywhere: lines.filter((line) => kindOf(line) === 'anywhere'),
    recordedOnly: lines.filter((line) => kindOf(line) === 'recorded'),
    oursOnly: lines.filter((line) => kindOf(line) === 'ours'),
  }
}

const fileOf = (name: string, which: Which): string => join(root, 'test', 'vectors', 'logs', `${name}${which}.txt`)
const recorded = (name: string, which: Which): string[] =>
  readFileSync(fileOf(name, which), 'utf8').trimEnd().split('\n')

/** Its threads write side by side: a receipt may be told before the waiting for it. */
function settled(lines: readonly string[]): string[] {
  const early = /.*Broker received message: ID\n(.*Waiting for broker to accept message\.)/g
  return lines
    .join('\n')
    .replace(early, (both) => both.split('\n').reverse().join('\n'))
    .split('\n')
}

/** Our lines are the recorded ones, but for the differences. */
export function assertAsRecorded(name: string, logs: ScriptedLogs, differences: Differences): void {
  for (const which of LOGS) {
    const ours = compared(differences[which], logs[which])
    const theirs = compared(differences[which], recorded(name, which))
    assert.deepEqual(ours.inOrder, theirs.inOrder, which)
    assert.deepEqual(ours.anywhere, theirs.anywhere, which)
    assert.deepEqual(ours.recordedOnly, [], which)
    for (const { line, kind } of differences[which]) {
      if (kind === 'ours')
        assert.ok(
          ours.oursOnly.some((each) => line.test(each)),
          `${which}: ${line.source}`,
        )
    }
  }
}

/** Every difference of the table is one: what is recorded has such a line, and what is ours has not. */
export function assertDifferencesExist(name: string, differences: Differences): void {
  for (const which of LOGS) {
    for (const { line, kind } of differences[which]) {
      const found = recorded(name, which).some((each) => line.test(each))
      if (kind !== 'ignored') assert.equal(found, kind !== 'ours', `${which}: ${line.source}`)
    }
  }
}

/** The record is what the Python programs write now; with SSM_RECORD=true it is made anew. */
export function assertRecord(name: string, logs: ScriptedLogs, differences: Differences): void {
  for (const which of LOGS) {
    if (process.env.SSM_RECORD === 'true') writeFileSync(fileOf(name, which), `${settled(logs[which]).join('\n')}\n`)
    // Its threads write side by side: the order of neighbours varies.
    const now = compared(differences[which], logs[which]).inOrder.sort()
    assert.deepEqual(now, compared(differences[which], recorded(name, which)).inOrder.sort())
  }
}
