/** Colours: on a terminal that has them, and whose user wants them (https://no-color.org). */
import type { Program } from './program.js'

/** Bold, or of a meaning: good, to look at, wrong; dim for what is beside the point. */
const CODES = { bold: 1, good: 32, warning: 33, wrong: 31, dim: 2 } as const

export type Paint = (style: keyof typeof CODES, text: string) => string

export function hasColour({ stdout, env }: Pick<Program, 'stdout' | 'env'>): boolean {
  return stdout.isTTY && (env.NO_COLOR ?? '') === '' && env.TERM !== 'dumb'
}

/** Paints text that is safe to print. */
export function createPaint(on: boolean): Paint {
  return (style, text) => (on && text !== '' ? `\x1b[${CODES[style]}m${text}\x1b[0m` : text)
}
