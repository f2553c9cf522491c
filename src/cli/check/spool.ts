/**
 * The spool: is it there, can it be written, what waits, how much room is left, and can its file system do what is asked of
 * it. Nothing is written to find out: hard links are judged by the type of the file system.
 */
import { access, constants, lstat, statfs } from 'node:fs/promises'
import { dirname } from 'node:path'
import { messageOf, systemCode } from '../../errors.js'
import { createDisk } from '../../os/disk.js'
import { listIntermediate, visitDirectory } from '../../spool/listing.js'
import { viewSpool } from '../spool-view.js'
import { unfit } from './file-system.js'
import { counted, failed, ok, warning, type Check, type Finding, type Subject } from './finding.js'
import { serviceUser } from './rights.js'

const ABOUT = 'spool'
const MIB = 1024 * 1024
/** Free space below which it is time to look, and below which nothing goes. */
const ROOM = 1024 * MIB
const NO_ROOM = 64 * MIB
const FEW_INODES = 10_000

export const SPOOL_CHECKS: readonly Check[] = [
  { about: ABOUT, run: checkPlace },
  { about: 'file system', run: checkFileSystem },
  { about: 'backlog', run: checkBacklog },
]

async function checkPlace(subject: Subject): Promise<readonly Finding[]> {
  const { path } = subject.config.messaging
  const stats = await found(path)
  if (stats === undefined) return [await absent(subject, path)]
  if (stats.isSymbolicLink()) return [warning(ABOUT, `${path} is a symbolic link`, 'name the directory itself')]
  if (!stats.isDirectory()) return [failed(ABOUT, `${path} is not a directory`, 'set [messaging] path')]
  if (!(await isWritable(subject, path))) {
    const words = `${path} cannot be written by this user`
    return [failed(ABOUT, words, `chown it to user ${serviceUser(subject) ?? 'of the service'}, or chmod u+rwx`)]
  }
  const own = await found(`${path}/.ssm`)
  if (own !== undefined && own.dev !== stats.dev) {
    const words = `${path}/.ssm is on another file system than ${path}`
    return [
      failed(ABOUT, words, 'messages are moved between them by rename: unmount it, mount the whole spool instead'),
    ]
  }
  return [ok(ABOUT, `${path} can be written${ownerText(subject, stats.uid)}`)]
}

function ownerText({ program }: Subject, uid: number): string {
  return program.getuid?.() === 0 && uid !== 0 ? `; started as root, the program becomes its owner, user ${uid}` : ''
}

async function found(path: string) {
  try {
    return await lstat(path)
  } catch (error) {
    if (systemCode(error) === 'ENOENT') return undefined
    throw error
  }
}

async function absent({ role }: Subject, path: string): Promise<Finding> {
  const parent = await nearest(path)
  try {
    await access(parent, constants.W_OK | constants.X_OK)
  } catch (error) {
    return failed(
      ABOUT,
      `${path} does not exist and cannot be made: ${messageOf(error)}`,
      `create it, owned by the service’s user`,
    )
  }
  const who = role === 'sender' ? 'producers make it with their first message' : 'it is made at the first start'
  return warning(ABOUT, `${path} does not exist yet; ${who}`, 'is [messaging] path right?')
}

/** The nearest directory above that exists. */
async function nearest(path: string): Promise<string> {
  let parent = path
  while (parent !== dirname(parent) && (await found(parent)) === undefined) parent = dirname(parent)
  return parent
}

/** For root, who may everything, the owner's bits count: that is who it becomes. */
async function isWritable({ program }: Subject, path: string): Promise<boolean> {
  const { uid, mode } = await lstat(path)
  if (program.getuid?.() === 0 && uid !== 0) return (mode & 0o700) === 0o700
  try {
    await access(path, constants.R_OK | constants.W_OK | constants.X_OK)
    return true
  } catch (error) {
    if (systemCode(error) === 'EACCES' || systemCode(error) === 'EROFS') return false
    throw error
  }
}

async function checkFileSystem({ config: { messaging } }: Subject): Promise<readonly Finding[]> {
  const path = await nearest(messaging.path)
  const { type, bavail, bsize, ffree, files } = await statfs(path)
  const free = bavail * bsize
  const room = `${Math.floor(free / MIB)} MiB free`
  const findings = [...unfit(path, type)]
  if (free < NO_ROOM) findings.push(failed('disk', room, 'make room'))
  else if (free < ROOM) findings.push(warning('disk', room, 'make room'))
  else findings.push(ok('disk', room))
  // Some file systems make inodes as they need them, and say 0.
  if (files > 0 && ffree < FEW_INODES) findings.push(warning('disk', `${ffree} inodes left`, 'remove files'))
  return findings
}

async function checkBacklog({ role, config: { messaging } }: Subject): Promise<readonly Finding[]> {
  const { path } = messaging
  const places = role === 'sender' ? [''] : ['/incoming', '/reject', '/.ssm/held']
  const counts: string[] = []
  let stored = 0
  for (const place of places) {
    const count = await countIn(`${path}${place}`)
    if (count === undefined) continue
    if (place !== '/.ssm/held') stored += count
    const locks = await locksIn(`${path}${place}`)
    counts.push(`${place === '' ? '' : `${place.slice(1)} `}${count}${locks > 0 ? ` (${locks} locked)` : ''}`)
  }
  const setAside = role === 'sender' ? await countIn(`${path}/.ssm/failed`) : 0
  const aside = setAside === undefined || setAside === 0 ? [] : [asideText(path, setAside)]
  if (counts.length === 0) return aside
  return [ok('backlog', `messages waiting: ${counts.join(', ')}`), ...fullness(messaging, stored), ...aside]
}

/** A receiver takes nothing then. */
function fullness(messaging: Subject['config']['messaging'], stored: number): readonly Finding[] {
  const most = 'maxSpoolMessages' in messaging ? messaging.maxSpoolMessages : 0
  if (most === 0 || stored < most) return []
  const text = `nothing is taken: ${stored} messages are in incoming and reject, max_spool_messages is ${most}`
  const remedy = `does their consumer run? Why is so much rejected: ssmctl spool count ${messaging.path}/reject --by reason`
  return [failed('backlog', text, remedy)]
}

function asideText(path: string, count: number): Finding {
  const text = `${counted(count, 'message')} could not be sent and ${count === 1 ? 'was' : 'were'} set aside`
  return warning('backlog', text, `ssmctl spool list ${path}/.ssm/failed`)
}

async function countIn(path: string): Promise<number | undefined> {
  if ((await found(path))?.isDirectory() !== true) return undefined
  return await (await viewSpool(createDisk(), path)).count()
}

/** Locks of all kinds of queues: `NAME.lck`, and the directory `locked` of an element with fields, which is not counted. */
async function locksIn(path: string): Promise<number> {
  const disk = createDisk()
  let locks = 0
  for (const directory of await listIntermediate(disk, path)) {
    await visitDirectory(disk, `${path}/${directory}`, ({ name }) => {
      if (name.toString('latin1').endsWith('.lck')) locks += 1
    })
  }
  return locks
}
