/**
 * One program of ours per spool. The lock is a courtesy to people: correctness rests on claims, never on it.
 */
import { SsmError } from '../errors.js'
import type { Logger } from '../observe/log.js'
import { systemClock } from '../os/clock.js'
import type { Disk } from '../os/disk.js'
import { holderText, takeRunLock } from '../os/run-lock.js'
import { openOwnDirectory } from '../spool/own-directory.js'

/** Takes the lock of the spool at `path`; `doing` completes "Another ssmsend is …". Throws SsmError `locked`. */
export async function lockSpool(path: string, doing: string, disk: Disk, log: Logger): Promise<() => Promise<void>> {
  const result = await takeRunLock({
    directory: openOwnDirectory(disk, path),
    disk,
    now: systemClock.now(),
    onWait: (holder) => {
      log.info('Waiting up to 20 s: is the run that locked %s alive, %s elsewhere?', path, holderText(holder))
    },
    onLost: (error) => {
      log.warning('The run lock was lost: %s', error)
    },
  })
  if ('lock' in result) return () => result.lock.release()
  throw new SsmError('locked', `Another ${doing} ${path} (${holderText(result.holder)}).`)
}
