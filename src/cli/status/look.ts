/** What can be seen of a program from outside: it answers; or it runs and does not answer; or there are its spools alone. */
import { optional } from '../../config/optional.js'
import type { PlaceConfig } from '../../config/config.js'
import { createDisk, type Disk } from '../../os/disk.js'
import { findLiving, type Holder } from '../../os/run-lock.js'
import { receiverFigures, senderFigures } from '../../spool/figures.js'
import { OWN_DIRECTORY } from '../../spool/own-directory.js'
import { askRunning } from './ask.js'
import { lookAtHeld, type HeldView } from './held.js'
import { lookAtRefused, type Refused } from './refused.js'
import type { SpoolFigures, Status } from './status.js'
import { socketPath } from './verbs.js'

export type Seen =
  | ({ readonly running: true } & Status)
  | {
      readonly running: boolean
      readonly program: Status['program']
      readonly path: string
      readonly now: string
      readonly pid?: number
      readonly since?: string
      readonly spools: SpoolFigures
      /** Of reject, or of what was set aside. Absent: nothing lies there. */
      readonly refused?: Refused
      /** Of a receiver. Absent: nothing is held. */
      readonly held?: HeldView
    }

/** Throws SsmError `configuration`, `unreachable` or `disk`. */
export async function lookAtProgram(place: PlaceConfig, now: number): Promise<Seen> {
  const { role, path, pathType, daemon, holdKeep } = place
  // Made by the program that we ask; what it holds was made safe to print there.
  const status = (await askRunning(socketPath(path, daemon), { verb: 'status' })) as Status | undefined
  if (status !== undefined) return { running: true, ...status }
  const disk = createDisk()
  const spools = role === 'receiver' ? await receiverFigures(disk, path) : await senderFigures(disk, path, pathType)
  const holder: Holder | undefined = await findLiving(disk, `${path}/${OWN_DIRECTORY}`)
  return {
    running: holder !== undefined,
    program: role === 'receiver' ? 'ssmreceive' : 'ssmsend',
    path,
    now: new Date(now).toISOString(),
    ...(holder === undefined ? {} : { pid: holder.pid, since: holder.since }),
    spools,
    ...(await refusedOf(disk, path, spools)),
    ...('held' in spools ? optional('held', await lookAtHeld(disk, path, spools.held, holdKeep)) : {}),
  }
}

async function refusedOf(disk: Disk, path: string, spools: SpoolFigures): Promise<{ readonly refused?: Refused }> {
  const [folder, count] = 'reject' in spools ? ['reject', spools.reject] : [`${OWN_DIRECTORY}/failed`, spools.failed]
  return count === 0 ? {} : { refused: await lookAtRefused(disk, `${path}/${folder}`, count) }
}

/** Did it answer? */
export function isAnswer(seen: Seen): seen is { readonly running: true } & Status {
  return 'health' in seen
}

/** Exit code 0: it runs, and as far as anybody can tell does its work. */
export function isHealthy(seen: Seen): boolean {
  return isAnswer(seen) ? seen.health.ok : seen.running
}
