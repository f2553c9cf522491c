/** The demonstration's configuration: the shipped files with some values filled in, as an administrator would. */
import type { Program as Role } from '../config/option.js'
import { sampleConfig } from '../config/print.js'

/** By section and key; null: the line is commented out. */
export type Changes = Readonly<Record<string, Readonly<Record<string, string | null>>>>

/** Throws when the shipped file has no such key: the demonstration would not do what it says. */
export function editedConfig(role: Role, changes: Changes): string {
  const left = new Map<string, string | null>(
    Object.entries(changes).flatMap(([section, keys]) =>
      Object.entries(keys).map(([key, value]) => [`${section}\n${key}`, value] as const),
    ),
  )
  let section = ''
  const lines = sampleConfig(role)
    .split('\n')
    .map((line) => {
      section = /^\[(\w+)\]$/u.exec(line)?.[1] ?? section
      const key = /^#?(\w+):/u.exec(line)?.[1]
      const name = `${section}\n${key ?? ''}`
      const value = left.get(name)
      if (key === undefined || value === undefined) return line
      left.delete(name)
      return value === null ? `#${line.replace(/^#/u, '')}` : `${key}: ${value.replaceAll('%', '%%')}`
    })
  if (left.size > 0) throw new Error(`internal error: ${role}.cfg has no ${[...left.keys()].join(', ')}`)
  return lines.join('\n')
}
