/** Files that the programs write: log and pidfile, the status socket, metrics. */
import { access, constants } from 'node:fs/promises'
import { dirname } from 'node:path'
import { systemCode } from '../../errors.js'
import { systemWords } from '../../os/disk-error.js'
import { livingHolder } from '../pidfile.js'
import { LONGEST_SOCKET_PATH, socketPath } from '../status/verbs.js'
import { failed, ok, warning, type Check, type Finding, type Subject } from './finding.js'

export const FILE_CHECKS: readonly Check[] = [
  { about: 'log', run: checkLog },
  { about: 'pidfile', only: 'receiver', run: checkPidfile },
  { about: 'status socket', run: checkSocket },
  { about: 'textfile', only: 'sender', run: checkTextfile },
]

async function checkLog({ config: { logging } }: Subject): Promise<readonly Finding[]> {
  const { logfile } = logging
  const why = await whyNotWritable(logfile)
  if (why === undefined) return [ok('log', `${logfile} can be written`)]
  return [failed('log', `${logfile} cannot be written: ${why.words}`, why.remedy)]
}

async function checkPidfile(subject: Subject): Promise<readonly Finding[]> {
  if (subject.role !== 'receiver') return []
  const { pidfile } = subject.config.daemon
  const holder = livingHolder(pidfile, subject.program)
  if (holder !== null) return [ok('pidfile', `${pidfile}: a receiver is running, pid ${holder}`)]
  const why = await whyNotWritable(pidfile)
  if (why === undefined) return [ok('pidfile', `${pidfile} can be written`)]
  const remedy = `${why.remedy} (systemd: RuntimeDirectory=)`
  return [warning('pidfile', `${pidfile} cannot be written: ${why.words}; the receiver runs without it`, remedy)]
}

/** A path that is too long would be a line at INFO only. */
function checkSocket({ config: { messaging, daemon } }: Subject): Promise<readonly Finding[]> {
  const path = socketPath(messaging.path, daemon)
  const bytes = Buffer.byteLength(path)
  if (bytes <= LONGEST_SOCKET_PATH) return Promise.resolve([])
  const words = `${path} has ${bytes} bytes, and the path of a socket at most ${LONGEST_SOCKET_PATH}: ssmctl status sees the spools only`
  return Promise.resolve([warning('status socket', words, 'set [daemon] status_socket to a shorter path')])
}

async function checkTextfile(subject: Subject): Promise<readonly Finding[]> {
  if (subject.role !== 'sender') return []
  const { textfile } = subject.config.monitoring
  if (textfile === undefined) return []
  // It is replaced as a whole: the directory counts.
  const why = await whyNotWritable(`${textfile}.new`)
  if (why === undefined) return [ok('textfile', `${textfile} can be written`)]
  const remedy = `${why.remedy}: the owner of the spool`
  return [warning('textfile', `${textfile} cannot be written: ${why.words}; messages go on without it`, remedy)]
}

/** undefined: it can be written, or made. Opens nothing. */
async function whyNotWritable(file: string): Promise<WhyNot | undefined> {
  try {
    await access(file, constants.W_OK)
    return undefined
  } catch (error) {
    if (systemCode(error) !== 'ENOENT') return whyNot(error, `let this user write to ${file}`)
  }
  const directory = dirname(file)
  try {
    await access(directory, constants.W_OK | constants.X_OK)
    return undefined
  } catch (error) {
    if (systemCode(error) !== 'ENOENT') return whyNot(error, `let this user write into ${directory}`)
    return { words: `there is no directory ${directory}`, remedy: `create ${directory}, writable for this user` }
  }
}

interface WhyNot {
  readonly words: string
  readonly remedy: string
}

function whyNot(error: unknown, remedy: string): WhyNot {
  const isAboutRights = systemCode(error) === 'EACCES'
  return { words: isAboutRights ? 'permission denied' : systemWords(error), remedy }
}
