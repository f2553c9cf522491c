/** Whom we believe: the CA directory, its CRLs, our own path to it, the list of DNs, and what all of it says of the clock. */
import type { Certificate } from '../../crypto/certificate.js'
import type { Crl } from '../../crypto/crl.js'
import { loadCaDirectory, type CaSnapshot } from '../../trust/ca-directory.js'
import { leftOutRoots } from '../../trust/left-out.js'
import { loadDnList } from '../../trust/dn-file.js'
import type { TrustStore } from '../../trust/port.js'
import { createTrustStore } from '../../trust/store.js'
import { counted, dateText, failed, few, ok, warning, type Check, type Finding, type Subject } from './finding.js'
import { loadPair } from './identity.js'

/** Clocks of CAs and ours may differ a little, ms. */
const SLACK = 5 * 60 * 1000

export const TRUST_CHECKS: readonly Check[] = [
  { about: 'CA directory', run: checkDirectory },
  { about: 'own path', run: checkOwnPath },
  { about: 'DN list', only: 'receiver', run: checkDns },
]

function createStore({ config: { certificates } }: Subject, data: CaSnapshot): TrustStore {
  const { allowSha1, allowWeak, signingPolicy } = certificates
  return createTrustStore(data, {
    signingPolicy,
    allowSha1: allowSha1.includes('certificates'),
    allowSha1Crls: allowSha1.includes('crls'),
    allowWeak: allowWeak.includes('rsa1024'),
    crlPolicy: 'require',
  })
}

/** The directory as a whole; exported for its test. */
export async function checkDirectory(subject: Subject): Promise<readonly Finding[]> {
  const about = 'CA directory'
  const { capath } = subject.config.certificates
  const data = await loadCaDirectory(capath)
  // Throws when no path could end there.
  createStore(subject, data)
  const { certificates, crls, warnings } = data
  const roots = leftOutRoots(data, { allowWeak: subject.config.certificates.allowWeak.includes('rsa1024') })
  const counts = `${counted(certificates.length, 'certificate')}, ${counted(crls.length, 'CRL')}`
  return [
    ok(about, `${capath} has ${counts}`),
    ...(warnings.length === 0 ? [] : [warning(about, few(warnings), 'remove or mend these files')]),
    ...(roots.length === 0 ? [] : [warning(about, few(roots), 'ask these CAs for a root with another key')]),
    ...(subject.role === 'receiver' && subject.config.certificates.checkCrls ? crlsOf(data, subject.now) : []),
    ...clockOf(crls, subject.now),
  ]
}

/** Each CA's newest CRL. */
function crlsOf({ certificates, crls }: CaSnapshot, now: number): readonly Finding[] {
  const newest = new Map<string, Crl>()
  for (const crl of crls) {
    const known = newest.get(crl.issuer.key)
    if (known === undefined || known.thisUpdate < crl.thisUpdate) newest.set(crl.issuer.key, crl)
  }
  const cas = new Map(certificates.map((certificate) => [certificate.subject.key, certificate]))
  const missing: string[] = []
  const outdated: string[] = []
  for (const [key, { subject }] of cas) {
    const crl = newest.get(key)
    if (crl === undefined) missing.push(subject.slash)
    else if ((crl.nextUpdate ?? 0) < now) outdated.push(`${subject.slash} (since ${dateText(crl.nextUpdate ?? 0)})`)
  }
  const bad = missing.length + outdated.length
  if (bad === 0) return [ok('CRLs', `${cas.size} of ${counted(cas.size, 'CA')} with a current one`)]
  const level = bad === cas.size ? failed : warning
  const remedy = 'run fetch-crl, and look whether its timer works; messages of these CAs’ signers wait or are rejected'
  return [
    ...(missing.length === 0 ? [] : [level('CRLs', `${missing.length} missing: ${few(missing)}`, remedy)]),
    ...(outdated.length === 0 ? [] : [level('CRLs', `${outdated.length} outdated: ${few(outdated)}`, remedy)]),
  ]
}

/** Nobody signs a CRL tomorrow: one from the future says that our clock is behind. */
function clockOf(crls: readonly Crl[], now: number): readonly Finding[] {
  const newest = Math.max(...crls.map(({ thisUpdate }) => thisUpdate), 0)
  if (newest <= now + SLACK) return []
  const text = `it is ${dateText(now)} UTC here, and there is a CRL from ${dateText(newest)} UTC`
  return [failed('clock', text, 'set this machine’s clock, and keep it right (chronyd, systemd-timesyncd)')]
}

/** Would a receiver with this CA directory believe us? */
async function checkOwnPath(subject: Subject): Promise<readonly Finding[]> {
  const about = 'own path'
  const { certificate, chain } = loadPair(subject)
  const store = createStore(subject, await loadCaDirectory(subject.config.certificates.capath))
  const verdict = judgeOwn(store, certificate, chain, subject.now)
  if (verdict.verdict === 'ok') {
    const path = verdict.path.slice(1).map(({ subject: name }) => name.slash)
    return [
      ok(about, `our certificate is good for signing: ${path.join(', ') || 'it is a CA of the directory itself'}`),
    ]
  }
  const text = `our certificate would not be believed here: ${verdict.detail} (${verdict.reason})`
  if (verdict.reason === 'revoked') return [failed(about, text, 'ask the CA for a new certificate, with a new key')]
  const remedy =
    'receivers and brokers need its CA; put it into capath here too, and other CAs of its path into its file'
  return [warning(about, text, remedy)]
}

/** With CRLs where they are; that one is missing says nothing about us. */
function judgeOwn(store: TrustStore, certificate: Certificate, candidates: readonly Certificate[], at: number) {
  const verdict = store.judge(certificate, { candidates, at, purpose: 'signer', crls: true })
  if (verdict.verdict === 'ok' || !verdict.reason.startsWith('crl-')) return verdict
  return store.judge(certificate, { candidates, at, purpose: 'signer', crls: false })
}

async function checkDns(subject: Subject): Promise<readonly Finding[]> {
  if (subject.role !== 'receiver') return []
  const about = 'DN list'
  const { dnFile, config } = subject
  const { list, bans, warnings } = await loadDnList(dnFile, { wildcards: config.certificates.dnWildcards })
  const bad = warnings.map((text) => warning(about, text, 'write it as /C=…/O=…/CN=…'))
  const banned = bans === 0 ? '' : `, bans ${bans}`
  const all =
    list.size === 0
      ? warning(about, `${dnFile} says # none: every message is rejected`, 'list the DNs of the senders')
      : ok(about, `${dnFile} allows ${counted(list.size, 'signer')}${banned}`)
  return [all, ...bad.slice(0, 10)]
}
