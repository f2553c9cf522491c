/** Root CAs whose key is not accepted: named with their file and the reason, in the error and as warnings. */
import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { mkdirSync } from 'node:fs'
import { join } from 'node:path'
import { test, type TestContext } from 'node:test'
import { systemClock } from '../../src/os/clock.js'
import { checkDirectory } from '../../src/cli/check/trust.js'
import type { Subject } from '../../src/cli/check/finding.js'
import { createTrust } from '../../src/trust/trust-holder.js'
import { need } from '../kit/need.js'
import { scratch } from '../kit/scratch.js'

const openssl = (...args: readonly string[]): void => {
  execFileSync('openssl', args, { stdio: 'pipe' })
}

/** How the key of a root is made, and why it is left out. */
const ROOTS: Readonly<Record<string, { make(key: string): void; why: RegExp }>> = {
  Ed448: {
    make: (key) => {
      openssl('genpkey', '-algorithm', 'ed448', '-out', key)
    },
    why: /cannot be used \(.*a key of the kind Ed448, which is not accepted\)/u,
  },
  DSA: {
    make: (key) => {
      openssl('genpkey', '-genparam', '-algorithm', 'DSA', '-pkeyopt', 'dsa_paramgen_bits:1024', '-out', `${key}.param`)
      openssl('genpkey', '-paramfile', `${key}.param`, '-out', key)
    },
    why: /cannot be used \(.*a key of the kind DSA, which is not accepted\)/u,
  },
  R1024: {
    make: (key) => {
      openssl('genpkey', '-algorithm', 'RSA', '-pkeyopt', 'rsa_keygen_bits:1024', '-out', key)
    },
    why: /has 1024 bits of RSA, fewer than 2048 \(allow_weak = rsa1024 accepts it\)/u,
  },
}

/** A CA directory with these roots as `NAME.pem`. */
function createDirectory(t: TestContext, names: readonly string[]): string {
  const keys = scratch(t)
  const capath = join(keys, 'ca')
  mkdirSync(capath)
  for (const name of names) {
    const key = join(keys, `${name}.key`)
    ROOTS[name]!.make(key)
    openssl('req', '-x509', '-new', '-key', key, '-subj', `/C=XX/CN=${name}`, '-days', '9', '-out', join(capath, `${name}.pem`)) // prettier-ignore
  }
  return capath
}

const options = { clock: systemClock, allowWeak: false }

const subjectOf = (capath: string): Subject => {
  const certificates = { capath, allowSha1: [], allowWeak: [], signingPolicy: 'auto', checkCrls: false }
  // The cast: what this check looks at.
  return { role: 'receiver', config: { certificates }, now: Date.now() } as unknown as Subject
}

test('nothing but such roots: the error says which file and why', { skip: need('openssl') }, async (t) => {
  for (const name of ['Ed448', 'DSA']) {
    const capath = createDirectory(t, [name])
    const isTold = (error: Error): boolean =>
      error.message.includes('holds no self-signed CA certificate: ') &&
      error.message.includes(`${capath}/${name}.pem is skipped: the key of /C=XX/CN=${name} `) &&
      ROOTS[name]!.why.test(error.message)
    await assert.rejects(createTrust({ ...options, capath }), isTold)
    await assert.rejects(checkDirectory(subjectOf(capath)), isTold)
  }
})

test('beside others: a warning at the start, and in a check', { skip: need('openssl') }, async (t) => {
  const capath = createDirectory(t, ['Ed448', 'R1024'])
  const { report } = await createTrust({ ...options, capath })
  const warned = [...report.warnings].sort()
  assert.equal(warned.length, 2)
  for (const [at, name] of ['Ed448', 'R1024'].entries()) {
    assert.ok(warned[at]!.startsWith(`${capath}/${name}.pem is skipped: the key of /C=XX/CN=${name} `), warned[at])
    assert.match(warned[at]!, ROOTS[name]!.why)
  }
  const findings = await checkDirectory(subjectOf(capath))
  const [found] = findings.filter(({ level }) => level === 'warning')
  assert.ok(found)
  assert.equal(found.text.split(', /').length, 2)
  assert.match(found.remedy ?? '', /another key/u)
  const allowed = await createTrust({ ...options, capath, allowWeak: true })
  assert.equal(allowed.report.warnings.length, 1, 'allow_weak accepts the other')
})
