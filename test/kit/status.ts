/** A status as a busy receiver has it, with names that would do harm if anybody believed them. */
import type { Status } from '../../src/cli/status/status.js'

const zeros = Array.from({ length: 60 }, () => 0)

export const HOSTILE = `/C=XX/CN=<script>alert(1)</script>"'\`&<img src=x onerror=alert(2)>`

export const BUSY: Status = {
  program: 'ssmreceive',
  version: '5.0.0',
  pid: 4711,
  path: '/var/spool/apel',
  now: '2026-11-26T12:00:00.000Z',
  since: '2026-11-26T09:00:00.000Z',
  health: { ok: true, words: 'connected' },
  link: { state: 'connected', peer: 'msg.example.org:61614', since: '2026-11-26T11:30:00.000Z' },
  counts: { stored: 1_234_567, rejected: 3, held: 2, again: 1, dropped: 0 },
  minutes: {
    stored: zeros.map((_, at) => at * 5),
    rejected: [3, ...zeros.slice(1)],
    held: [...zeros.slice(1), 2],
    again: zeros,
    dropped: zeros,
  },
  last: { at: '2026-11-26T11:59:57.000Z', outcome: 'stored', id: 'x', name: 'y', signer: '/C=XX/CN=a' },
  reasons: { 'not-listed': 1, signature: 2, 'crl-outdated': 2 },
  signers: [
    { signer: '/C=XX/CN=a', stored: 1_234_562, refused: 0, last: '2026-11-26T11:59:57.000Z' },
    { signer: HOSTILE, stored: 5, refused: 2, last: '2026-11-26T10:00:00.000Z' },
  ],
  otherSigners: 9,
  spools: { incoming: 12, reject: 3, held: 2, journal: { files: 8, bytes: 12_582_912 }, free: 80_661_000_000 },
  trust: {
    certificates: 93,
    crls: 91,
    outdated: 1,
    nextUpdate: '2026-11-29T12:00:00.000Z',
    read: '2026-11-26T11:55:00.000Z',
    dns: 312,
  },
}

export const IDLE: Status = {
  ...BUSY,
  health: { ok: false, words: 'paused: no room' },
  link: { state: 'waiting', why: `no room <b>at</b> all`, paused: true, since: '2026-11-26T11:59:00.000Z' },
  counts: { stored: 0, rejected: 0, held: 0, again: 0, dropped: 0 },
  minutes: { stored: zeros, rejected: zeros, held: zeros, again: zeros, dropped: zeros },
  reasons: {},
  signers: [],
  otherSigners: 0,
}

/** A sender that stays. */
export const SENDER: Status = {
  ...BUSY,
  program: 'ssmsend',
  counts: { sent: 7, setAside: 1 },
  minutes: { sent: [...zeros.slice(1), 7], setAside: [...zeros.slice(1), 1] },
  reasons: {},
  signers: [],
  otherSigners: 0,
  spools: { outgoing: 4, failed: 1 },
}
