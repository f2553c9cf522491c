/**
 * The lines of a log and of its rotated files (`LOG.1`, `LOG-20261120.gz`), the oldest first, as a stream and with a limit.
 */
import { createReadStream, lstatSync, readdirSync } from 'node:fs'
import { basename, dirname, join } from 'node:path'
import { createInterface } from 'node:readline'
import { createGunzip } from 'node:zlib'
import { messageOf, systemCode } from '../../errors.js'

/** Of all files of a log, unpacked; the newest are read. */
const MOST_BYTES = 2 * 1024 ** 3
/** Packed files are about so much smaller. */
const PACKED = 10
/** Longer lines are none of ours. */
const MOST_LINE = 64 * 1024

export interface LogFile {
  readonly path: string
  readonly bytes: number
}

/** The log and what logrotate made of it, the oldest first. `say` is told what is not looked at. */
export function findLogFiles(log: string, say: (problem: string) => void): readonly LogFile[] {
  const files = listFiles(log, say).sort((a, b) => b.mtimeMs - a.mtimeMs)
  const chosen: LogFile[] = []
  let left = MOST_BYTES
  for (const { path, size } of files) {
    const bytes = path.endsWith('.gz') ? size * PACKED : size
    if (bytes > left) {
      say(`${path} and older ones: more than ${MOST_BYTES / 1024 ** 3} GiB`)
      break
    }
    left -= bytes
    chosen.unshift({ path, bytes: size })
  }
  return chosen
}

function listFiles(log: string, say: (problem: string) => void) {
  const [folder, name] = [dirname(log), basename(log)]
  const isOfLog = (each: string): boolean =>
    each === name || (each.startsWith(name) && /^[.-][\w.-]*$/u.test(each.slice(name.length)))
  try {
    return readdirSync(folder)
      .filter(isOfLog)
      .map((each) => ({ path: join(folder, each), stats: lstatSync(join(folder, each)) }))
      .filter(({ stats }) => stats.isFile())
      .map(({ path, stats: { mtimeMs, size } }) => ({ path, mtimeMs, size }))
  } catch (error) {
    if (systemCode(error) !== 'ENOENT') say(`${log}: ${messageOf(error)}`)
    return []
  }
}

/** Never throws: what cannot be read is told to `say`. */
export async function readLog(
  { path }: LogFile,
  visit: (line: string) => void,
  say: (problem: string) => void,
): Promise<void> {
  const file = createReadStream(path, { highWaterMark: 1024 * 1024 })
  const input = path.endsWith('.gz') ? file.pipe(createGunzip()) : file
  const failed = new Promise<Error>((resolve) => {
    file.once('error', resolve)
    input.once('error', resolve)
  })
  const reading = readAll(input, visit)
  const error = await Promise.race([failed, reading])
  if (error !== undefined) say(`${path}: ${messageOf(error)}`)
  file.destroy()
}

async function readAll(input: NodeJS.ReadableStream, visit: (line: string) => void): Promise<Error | undefined> {
  const lines = createInterface({ input, crlfDelay: Infinity })
  try {
    for await (const line of lines) if (line.length <= MOST_LINE) visit(line)
    return undefined
  } catch (error) {
    return error instanceof Error ? error : new Error(messageOf(error))
  } finally {
    lines.close()
  }
}
