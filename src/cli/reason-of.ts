/**
 * The reason of a refusal in the `error` field of a spool: its last word, `… [not-listed]`. Elements of Python receivers
 * and of older versions have none; of those only the signer that is not listed can be told from the beginning.
 */
import { ERROR_KINDS } from '../errors.js'
import { REASONS } from '../message.js'

/** Every word there is: reasons of receivers, codes of what a sender set aside. */
export const REASON_WORDS: readonly string[] = [...Object.keys(REASONS), ...Object.keys(ERROR_KINDS)].filter(
  (word, at, all) => all.indexOf(word) === at,
)

const known = new Set(REASON_WORDS)

/** undefined: it does not say. */
export function reasonOf(error: string): string | undefined {
  const word = /\[([a-z0-9-]+)\]\s*$/u.exec(error)?.[1]
  if (word !== undefined && known.has(word)) return word
  return error.startsWith('Signer not in valid DNs list: ') ? 'not-listed' : undefined
}
