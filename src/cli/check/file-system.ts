/** What kinds of file systems cannot do what a spool asks of them. By their type: nothing is written to find out. */
import { failed, warning, type Finding } from './finding.js'

interface Kind {
  readonly name: string
  readonly level: typeof failed
  readonly text: string
  readonly remedy: string
}

const LOCAL = 'put the spool on a local Unix file system (ext4, xfs)'
const NO_LINKS = { level: failed, text: 'it has no hard links, on which locks rest', remedy: LOCAL }
const REMOTE = { level: warning, text: 'locks and fsync go over the network', remedy: LOCAL }

/** By the magic number of statfs(2). Others are taken as good. */
const KINDS: ReadonlyMap<number, Kind> = new Map([
  [0x4d44, { name: 'FAT', ...NO_LINKS }],
  [0x2011bab0, { name: 'exFAT', ...NO_LINKS }],
  [0x6969, { name: 'NFS', ...REMOTE }],
  [0xff534d42, { name: 'CIFS', ...REMOTE }],
  [0xfe534d42, { name: 'SMB', ...REMOTE }],
  [0x01021997, { name: '9P', ...REMOTE }],
  [
    0x65735546,
    { name: 'FUSE', level: warning, text: 'many of this kind have no hard links or no fsync', remedy: LOCAL },
  ],
  [0x01021994, { name: 'tmpfs', level: warning, text: 'what is on it is gone after a restart', remedy: LOCAL }],
  [0x9123683e, btrfs('btrfs')],
  [0x794c7630, btrfs('overlay')],
])

/** Their directories do not count sub-directories in st_nlink, by which Python's dirq takes every queue for empty. */
function btrfs(name: string): Kind {
  const text = 'Python consumers with dirq find queues empty here: directories have no link counts'
  return {
    name,
    level: warning,
    text,
    remedy: 'ignore this when consumers do not use python-dirq; else use ext4 or xfs',
  }
}

/** What the type of a file system says against it. Also said when the programs start. */
export function unfit(path: string, type: number): readonly Finding[] {
  const kind = KINDS.get(type)
  return kind === undefined ? [] : [kind.level('file system', `${path} is on ${kind.name}: ${kind.text}`, kind.remedy)]
}
