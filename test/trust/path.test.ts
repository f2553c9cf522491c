import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, describe, it } from 'node:test'
import { toPem } from '../../src/crypto/pem.js'
import { opensslHash } from '../../src/crypto/name.js'
import { parseCrl } from '../../src/crypto/crl.js'
import { verifyCertificates } from '../../src/trust/verify-cert.js'
import { writeCaDirectory } from '../kit/ca.js'
import { need } from '../kit/need.js'
import { allChains, type Chain } from './chains.js'

const dir = mkdtempSync(join(tmpdir(), 'ssm-path-'))
after(() => {
  rmSync(dir, { recursive: true })
})

interface Files {
  readonly capath: string
  readonly leaf: string
  readonly untrusted: readonly string[]
}

function write(chain: Chain, index: number): Files {
  const capath = join(dir, `ca${index}`)
  writeCaDirectory(
    capath,
    chain.directory.map((certificate) => ({ certificate })),
  )
  const counts = new Map<string, number>()
  for (const der of chain.crls) {
    const hash = opensslHash(parseCrl(der).issuer)
    const n = counts.get(hash) ?? 0
    counts.set(hash, n + 1)
    writeFileSync(join(capath, `${hash}.r${n}`), toPem('X509 CRL', der))
  }
  const leaf = join(dir, `leaf${index}.pem`)
  writeFileSync(leaf, toPem('CERTIFICATE', chain.leaf.der))
  const untrusted = chain.untrusted.map((certificate, at) => {
    const file = join(dir, `untrusted${index}.${at}.pem`)
    writeFileSync(file, toPem('CERTIFICATE', certificate.der))
    return file
  })
  return { capath, leaf, untrusted }
}

async function ours({ capath, leaf, untrusted }: Files, crls: boolean): Promise<string> {
  const { lines, errors } = await verifyCertificates({ capath, crls, at: Date.now(), untrusted, files: [leaf] })
  const [line] = lines
  assert.ok(line !== undefined, errors.join('; '))
  return line.startsWith(`${leaf}: OK `) ? 'ok' : (/: FAILED ([a-z-]+): /.exec(line)?.[1] ?? line)
}

function openssl({ capath, leaf, untrusted }: Files, crls: boolean): boolean {
  const more = untrusted.flatMap((file) => ['-untrusted', file])
  const flags = [
    '-no-CAfile',
    '-no-CAstore',
    '-CApath',
    capath,
    ...(crls ? ['-crl_check_all', '-extended_crl', '-use_deltas'] : []),
    '-policy_check',
    ...more,
    leaf,
  ]
  const { status } = spawnSync('openssl', ['verify', ...flags], { stdio: 'ignore' })
  return status === 0
}

describe('what stands in the way of a path, in words', () => {
  const cases = [
    ['name constraints: other address', /may not speak for 11\.1\.2\.3 \(name constraints\)$/u],
    ['leaf for no use at all', /allows nothing \(keyUsage\)$/u],
  ] as const
  for (const [index, [what, words]] of cases.entries()) {
    it(what, async () => {
      const chain = allChains().find((each) => each.what === what)
      assert.ok(chain !== undefined)
      const { capath, leaf } = write(chain, 1000 + index)
      const { lines } = await verifyCertificates({ capath, crls: false, at: Date.now(), files: [leaf] })
      assert.match(lines.join(), words)
    })
  }
})

describe('paths, judged by us and by openssl verify', { skip: need('openssl') }, () => {
  for (const [index, chain] of allChains().entries()) {
    it(chain.what, async () => {
      const files = write(chain, index)
      assert.equal(await ours(files, false), chain.plain, 'without CRLs')
      assert.equal(await ours(files, true), chain.withCrls, 'with CRLs')
      if (chain.varies === true) return
      const differs = [false, true].filter(
        (crls) => openssl(files, crls) !== ((crls ? chain.withCrls : chain.plain) === 'ok'),
      )
      if (chain.disagrees === undefined) assert.deepEqual(differs, [], 'openssl says otherwise (false: without CRLs)')
      else assert.ok(differs.length > 0, `openssl agrees by now: strike "${chain.disagrees}"`)
    })
  }
})
