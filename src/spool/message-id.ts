/**
 * File names of a plain message directory as message ids, and back. Names are bytes: not every one is UTF-8.
 */
import type { MessageId } from '../message.js'
import { OWN_DIRECTORY } from './own-directory.js'

const PLAIN = /^[A-Za-z0-9._+@=,-]{1,200}$/
/** Longest file name of all usual file systems. */
const MAX_NAME = 255
const PLAIN_BYTE = /^[A-Za-z0-9._+@=,-]$/

/** The name itself where it is harmless, else percent-encoded (`%` itself is never harmless, so this has one way back). */
export function idOfName(name: Buffer): MessageId {
  const text = name.toString('latin1')
  if (PLAIN.test(text)) return text
  let id = ''
  for (const byte of name) {
    const char = String.fromCharCode(byte)
    id += PLAIN_BYTE.test(char) ? char : `%${byte.toString(16).toUpperCase().padStart(2, '0')}`
  }
  return id
}

/** undefined: no file of a message directory can have that id (a path, `..`, our own folder, an odd encoding). */
export function nameOfId(id: MessageId): Buffer | undefined {
  if (id.length === 0 || id.length > 3 * MAX_NAME) return undefined
  const bytes: number[] = []
  for (let index = 0; index < id.length; index += 1) {
    const char = id.charAt(index)
    const hex = id.slice(index + 1, index + 3)
    if (char === '%' && /^[0-9A-F]{2}$/.test(hex)) {
      bytes.push(Number.parseInt(hex, 16))
      index += 2
    } else if (PLAIN_BYTE.test(char)) bytes.push(char.charCodeAt(0))
    else return undefined
  }
  const name = Buffer.from(bytes)
  const text = name.toString('latin1')
  if (name.length > MAX_NAME || text === '.' || text === '..' || text === OWN_DIRECTORY) return undefined
  return name.includes(0x2f) || name.includes(0) || idOfName(name) !== id ? undefined : name
}
