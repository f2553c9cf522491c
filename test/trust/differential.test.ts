/**
 * Thousands of chains with their CRLs, good or changed in one respect, judged by us and by `openssl verify`. Where the RFC is
 * clear ours are also held against it. Every disagreement stands in docs/decisions.md.
 */
import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, describe, it } from 'node:test'
import { parseCertificate } from '../../src/crypto/certificate.js'
import { opensslHash, parseName } from '../../src/crypto/name.js'
import { toPem } from '../../src/crypto/pem.js'
import { isSsmError } from '../../src/errors.js'
import { loadCaDirectory } from '../../src/trust/ca-directory.js'
import { createTrustStore } from '../../src/trust/store.js'
import { need } from '../kit/need.js'
import { certificateDer, crlDer } from './draft.js'
import { type Draft, goodDraft, seeded, type Twist } from './good-draft.js'
import { TWISTS } from './twists.js'

/** Drafts of each twist; SSM_DRAFTS=N for a longer run, SSM_SEED=N for another one. */
const EACH = Number(process.env.SSM_DRAFTS ?? 24)
const SEED = Number(process.env.SSM_SEED ?? 1)
const AT = Math.floor(Date.UTC(2026, 5, 1) / 1000) * 1000

const dir = mkdtempSync(join(tmpdir(), 'ssm-differential-'))
after(() => {
  rmSync(dir, { recursive: true })
})

const decisions = readFileSync('docs/decisions.md', 'utf8')

interface Made {
  readonly twist: Twist
  readonly round: number
  readonly file: string
  readonly der: Buffer
}

/** All rounds of one twist in one CA directory: names differ by the number of the draft. */
function write(twist: Twist, number: number, capath: string): Made[] {
  mkdirSync(capath)
  const counts = new Map<string, number>()
  const place = (issuer: Buffer, kind: '.' | '.r', text: string): void => {
    const stem = `${opensslHash(parseName(issuer))}${kind}`
    const count = counts.get(stem) ?? 0
    counts.set(stem, count + 1)
    writeFileSync(join(capath, `${stem}${count}`), text)
  }
  return Array.from({ length: EACH }, (_, round): Made => {
    const n = number * 10_000 + round
    const draft: Draft = goodDraft(n, AT, seeded(SEED * 1_000_003 + n))
    twist.apply(draft)
    const ders = draft.certs.map(certificateDer)
    const der = ders.pop() ?? Buffer.alloc(0)
    const subjects = [...draft.certs.slice(0, -1), ...draft.extra].map(({ subject }) => subject)
    for (const [index, ca] of [...ders, ...draft.extra.map(certificateDer)].entries()) {
      place(subjects[index] ?? Buffer.alloc(0), '.', toPem('CERTIFICATE', ca))
    }
    for (const crl of draft.crls) place(crl.issuer, '.r', toPem('X509 CRL', crlDer(crl)))
    const file = join(capath, `leaf-${round}.pem`)
    writeFileSync(file, toPem('CERTIFICATE', der))
    return { twist, round, file, der }
  })
}

async function ours(capath: string, made: readonly Made[]): Promise<readonly string[]> {
  const data = await loadCaDirectory(capath).catch((error: unknown) => error)
  if (isSsmError(data, 'no-trust')) return made.map(() => data.message)
  if (data instanceof Error) throw data
  // Either a snapshot or an error, by what loadCaDirectory promises.
  const snapshot = data as Awaited<ReturnType<typeof loadCaDirectory>>
  try {
    const store = createTrustStore(snapshot, { allowSha1: false, allowWeak: false, crlPolicy: 'require' })
    return made.map(({ der }) => {
      try {
        const verdict = store.judge(parseCertificate(der), { at: AT, purpose: 'any', crls: true })
        return verdict.verdict === 'ok' ? 'ok' : `${verdict.reason}: ${verdict.detail}`
      } catch (error) {
        if (!isSsmError(error, 'malformed')) throw error
        return error.message
      }
    })
  } catch (error) {
    if (!isSsmError(error, 'no-trust')) throw error
    return made.map(() => error.message)
  }
}

function theirs(capath: string, made: readonly Made[]): readonly string[] {
  const flags = ['-no-CAfile', '-no-CAstore', '-CApath', capath, '-attime', String(AT / 1000), '-policy_check', '-policy', '2.5.29.32.0', '-crl_check_all', '-extended_crl', '-use_deltas'] // prettier-ignore
  const { stdout, stderr } = spawnSync('openssl', ['verify', ...flags, ...made.map(({ file }) => file)], { encoding: 'utf8', maxBuffer: 1 << 26 }) // prettier-ignore
  const good = new Set(stdout.split('\n'))
  return made.map(({ file }) => (good.has(`${file}: OK`) ? 'ok' : (/error \d+ at .*/.exec(stderr)?.[0] ?? 'no')))
}

describe('chains by the thousand, judged by us and by openssl verify', { skip: need('openssl') }, () => {
  for (const [number, twist] of TWISTS.entries()) {
    it(twist.what, async () => {
      const capath = join(dir, String(number))
      const made = write(twist, number, capath)
      const [we, they] = [await ours(capath, made), theirs(capath, made)]
      const told = (round: number): string => `round ${round}: we say ${we[round]}, openssl says ${they[round]}`
      for (const { round } of made) {
        if (twist.good !== undefined) assert.equal(we[round] === 'ok', twist.good, told(round))
        if (twist.openssl === undefined) assert.equal(we[round] === 'ok', they[round] === 'ok', told(round))
      }
      // A disagreement that is none any more must go from the list.
      if (twist.openssl !== undefined) {
        assert.ok(decisions.includes(twist.openssl), `docs/decisions.md does not say "${twist.openssl}"`)
        assert.ok(
          made.some(({ round }) => (we[round] === 'ok') !== (they[round] === 'ok')),
          'openssl agrees by now',
        )
      }
      rmSync(capath, { recursive: true })
    })
  }
})
