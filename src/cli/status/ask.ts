/** Asking a running program over its status socket. */
import { lstatSync } from 'node:fs'
import { connect } from 'node:net'
import { dirname } from 'node:path'
import { SsmError, messageOf, systemCode } from '../../errors.js'
import { printable } from '../../observe/printable.js'
import { parseJsonObject } from '../../os/json-object.js'
import { effectiveUser } from '../../os/process-identity.js'
import { LONGEST_SOCKET_PATH, type Answer, type Request } from './verbs.js'

const MAX_ANSWER = 8 * 1024 * 1024
/** Longer than the other end takes to say that it is late. */
const ANSWER_MS = 70_000

/**
 * The answer of whoever listens at `path`; undefined: nobody does. Throws SsmError `configuration` when we may not ask, or the
 * socket is somebody else's, and `unreachable` when the answer is none.
 */
export async function askRunning(path: string, request: Request, ms = ANSWER_MS): Promise<unknown> {
  if (Buffer.byteLength(path) > LONGEST_SOCKET_PATH || !isTheirs(path)) return undefined
  let text: string | undefined
  try {
    text = await talk(path, `${JSON.stringify(request)}\n`, ms)
  } catch (cause) {
    if (['ENOENT', 'ECONNREFUSED', 'ENOTDIR'].includes(systemCode(cause) ?? '')) return undefined
    const words = `the status socket ${printable(path)} cannot be asked: ${messageOf(cause)}`
    const isAboutRights = ['EACCES', 'EPERM'].includes(systemCode(cause) ?? '')
    throw new SsmError(isAboutRights ? 'configuration' : 'unreachable', words, { cause })
  }
  const answer = answerOf(text)
  if (answer === undefined)
    throw new SsmError('unreachable', `what answers at ${printable(path)} is no program of ours`)
  if (!answer.ok) throw new SsmError('unreachable', printable(answer.error, 2048))
  return answer.answer
}

/** Somebody who can make a socket elsewhere must not tell us fairy tales: it belongs to the owner of its directory, us or root. */
function isTheirs(path: string): boolean {
  try {
    const stats = lstatSync(path)
    const owners = [lstatSync(dirname(path)).uid, effectiveUser(), 0]
    if (stats.isSocket() && owners.includes(stats.uid)) return true
    throw new SsmError('configuration', `${printable(path)} is not the socket of a program of ours: look who made it`)
  } catch (error) {
    if (['ENOENT', 'ENOTDIR'].includes(systemCode(error) ?? '')) return false
    if (systemCode(error) !== 'EACCES') throw error
    const words = `${printable(path)} is not for this user: ask as the program's own user, or as root`
    throw new SsmError('configuration', words, { cause: error })
  }
}

function talk(path: string, line: string, ms: number): Promise<string> {
  return new Promise((resolve, reject) => {
    const chunks: Buffer[] = []
    let length = 0
    const socket = connect(path)
    const late = setTimeout(() => {
      socket.destroy(new Error(`no answer within ${ms / 1000} s`))
    }, ms)
    socket.once('connect', () => socket.write(line))
    socket.on('data', (chunk: Buffer) => {
      length += chunk.length
      if (length > MAX_ANSWER) socket.destroy(new Error(`the answer is longer than ${MAX_ANSWER} bytes`))
      else chunks.push(chunk)
    })
    socket.once('error', reject)
    socket.once('close', () => {
      clearTimeout(late)
      resolve(Buffer.concat(chunks).toString('utf8'))
    })
  })
}

function answerOf(text: string): Answer | undefined {
  const { ok, answer, error } = parseJsonObject(text) ?? {}
  if (ok === true) return { ok, answer }
  return ok === false && typeof error === 'string' ? { ok, error } : undefined
}
