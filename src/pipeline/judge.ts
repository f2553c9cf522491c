/**
 * Opening one message and saying so in the log. A verdict is data; trouble of ours (`no-trust`, a disk) is thrown.
 * Anything else that is thrown is a bug of ours: tried once more alone, then a verdict `internal`, so that it cannot
 * become a poison message that stops the others.
 */
import { isSsmError, messageOf, type SsmError } from '../errors.js'
import { REASONS, type Open, type Opened, type ReasonClass } from '../message.js'
import type { Logger } from '../observe/log.js'

export interface JudgeDeps {
  readonly open: Open
  readonly log: Logger
}

/** What is ours and not the message's: it goes back to the broker, and the receiver waits. */
export function isOurTrouble(error: unknown): error is SsmError {
  return isSsmError(error, 'no-trust', 'disk', 'aborted')
}

/** The verdict when it is our fault, whatever was thrown. */
export function internalFault(error: unknown): Extract<Opened, { verdict: 'hold' | 'no' }> {
  return { verdict: 'no', reason: 'internal', detail: `${REASONS.internal.words}: ${messageOf(error)}` }
}

/** Opens, once more alone if it threw. */
export function createJudge({ open, log }: JudgeDeps): Open {
  let alone: Promise<unknown> = Promise.resolve()

  const again = async (wire: Uint8Array): Promise<Opened> => {
    try {
      return await open(wire)
    } catch (error) {
      if (isOurTrouble(error)) throw error
      return internalFault(error)
    }
  }
  return async (wire) => {
    try {
      return await open(wire)
    } catch (error) {
      if (isOurTrouble(error)) throw error
      log.debug('Opening failed, once more alone: %s', { message: messageOf(error) })
      const turn = alone.then(() => again(wire))
      alone = turn.catch(() => undefined)
      return await turn
    }
  }
}

const BEGINNINGS: Readonly<Record<ReasonClass, string>> = {
  verify: 'Failed to verify message: ',
  decrypt: 'Failed to decrypt message: ',
  signer: 'Signer not in valid DNs list: ',
  other: '',
}

/** Why a message is refused or held, beginning as operators' scripts expect it. */
export function errorText(opened: Extract<Opened, { verdict: 'hold' | 'no' }>): string {
  const { class: kind, words } = REASONS[opened.reason]
  const detail = opened.detail === '' ? words : opened.detail
  return `${BEGINNINGS[kind]}${detail}`
}
