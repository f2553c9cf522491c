/**
 * By what a message is recognised when it comes again.
 *
 * RSA PKCS#1 signatures are deterministic and signing times have whole seconds: equal records sealed in one second have
 * equal signatures, so a signature alone says nothing. Ids that people make repeat, so an id alone says nothing either.
 */
import { hash } from 'node:crypto'
import type { MessageId, Opened } from '../../message.js'
import { parseElementPath, timeOfName } from '../names.js'
import type { MessageKey } from './record.js'

export interface Identity {
  readonly key: MessageKey
  /** The id was made by a machine and is never made again: with signer and content it names one message. */
  readonly generated: boolean
}

/** RFC 9562: versions 1 to 8; not the nil and max UUIDs, which people write by hand. */
const UUID = /^[0-9a-f]{8}-[0-9a-f]{4}-[1-8][0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/i
/** A queue's name is made when the record is added; it may wait before it is signed. */
const NAME_TO_SIGNING = 2 * 24 * 3_600_000
const NOBODY = '0'.repeat(16)

/** JSON keeps the parts apart, whatever is in them. */
function digest(...parts: readonly string[]): string {
  return hash('sha256', JSON.stringify(parts)).slice(0, 16)
}

/** `signingTime` in ms. A queue's name counts only when its time is near that of the signature: people copy names too. */
export function isGenerated(id: MessageId, signingTime: number | undefined): boolean {
  if (UUID.test(id)) return true
  const name = parseElementPath(id)?.name
  if (name === undefined || signingTime === undefined) return false
  return Math.abs(timeOfName(name) - signingTime) <= NAME_TO_SIGNING
}

/** Accepted messages by their signature; all others by the bytes that came, and the id. */
export function identify(opened: Opened, wire: Uint8Array, id: MessageId): Identity {
  if (opened.verdict === 'ok') {
    const { certificate, signature, content, signingTime } = opened.identity
    const { key } = opened.signer
    return {
      key: {
        kind: 's',
        signer: digest('dn', key),
        signature: digest('signature', certificate, signature),
        content: digest('content', key, id, content),
      },
      generated: isGenerated(id, signingTime),
    }
  }
  const bytes = hash('sha256', wire)
  const { signer } = opened
  const key = { signature: digest('wire', bytes), content: digest('wire', bytes, id) }
  if (opened.verdict === 'hold') return { key: { ...key, kind: 'h', signer: NOBODY }, generated: false }
  if (signer === undefined) return { key: { ...key, kind: 'g', signer: NOBODY }, generated: false }
  return { key: { ...key, kind: 's', signer: digest('dn', signer.key) }, generated: false }
}
