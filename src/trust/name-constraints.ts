/**
 * Name constraints (RFC 5280 section 4.2.1.10): which names a CA may speak for. A constraint of a kind that is not
 * understood refuses every name of that kind, and one that is damaged refuses the path: never a false acceptance.
 */
import { type Certificate, EXTENSION, enterExtension } from '../crypto/certificate.js'
import { constructed, context, type Der, DerReader, enterDer, malformed, smallInteger, TAG } from '../crypto/der.js'
import { parseName } from '../crypto/name.js'

export interface NameConstraints {
  readonly permitted: readonly Der[]
  readonly excluded: readonly Der[]
}

const WHAT = 'the name constraints'
/** Most subtrees of one CA. */
const MAX_SUBTREES = 500
/** Most names of one certificate that are compared. */
const MAX_NAMES = 1000

/** GeneralName choices (RFC 5280 section 4.2.1.6). */
const KIND = {
  email: context(1),
  dns: context(2),
  directory: constructed(4),
  uri: context(6),
  ip: context(7),
} as const

/** Reads the extension. Throws SsmError `malformed`. */
export function parseNameConstraints(value: Uint8Array): NameConstraints {
  const reader = enterDer(value, TAG.sequence, WHAT)
  const permitted = readSubtrees(reader.enterOptional(constructed(0)))
  const excluded = readSubtrees(reader.enterOptional(constructed(1)))
  reader.finish()
  if (permitted.length + excluded.length === 0) throw malformed(WHAT, 'constrain nothing')
  return { permitted, excluded }
}

function readSubtrees(reader: DerReader | undefined): Der[] {
  const bases: Der[] = []
  while (reader?.done === false) {
    const subtree = reader.enter(TAG.sequence)
    bases.push(subtree.any())
    // minimum must be 0, which DER leaves out and some CAs write; maximum must be absent (RFC 5280 section 4.2.1.10).
    const minimum = subtree.optional(context(0))
    if (minimum !== undefined && smallInteger(minimum.value, WHAT) !== 0) throw malformed(WHAT, 'have a minimum')
    subtree.finish()
    if (bases.length > MAX_SUBTREES) throw malformed(WHAT, `have more than ${MAX_SUBTREES} subtrees`)
  }
  if (reader !== undefined && bases.length === 0) throw malformed(WHAT, 'have an empty list of subtrees')
  return bases
}

/**
 * Does the certificate's every name keep to the constraints? undefined: yes; else the name that does not.
 * Throws SsmError `malformed` for names that cannot be read, and when there are too many to compare.
 */
export function forbiddenName(
  certificate: Certificate,
  constraints: NameConstraints,
  budget: { comparisons: number },
): string | undefined {
  for (const name of namesOf(certificate)) {
    const ofKind = (base: Der): boolean => base.tag === name.tag
    const permitted = constraints.permitted.filter(ofKind)
    const excluded = constraints.excluded.filter(ofKind)
    if (permitted.length === 0 && excluded.length === 0) continue
    budget.comparisons -= permitted.length + excluded.length
    if (budget.comparisons < 0) throw malformed('the path', 'has too many names and name constraints to compare')
    const within = WITHIN.get(name.tag)
    const inside = (base: Der): boolean | undefined => within?.(name.value, base.value)
    // `undefined`, for a name or constraint that cannot be compared, counts against the name both times.
    const allowed = permitted.length === 0 || permitted.some((base) => inside(base) === true)
    if (!allowed || excluded.some((base) => inside(base) !== false)) return describe(name, certificate)
  }
  return undefined
}

interface Name {
  readonly tag: number
  readonly value: Buffer
}

/** Names that are no text are not shown, but for addresses. */
function describe({ tag, value }: Name, { subject }: Certificate): string {
  if (tag === KIND.directory) return subject.slash
  if (tag === KIND.ip) return value.length === 4 ? value.join('.') : `the address ${value.toString('hex').slice(0, 32)}`
  const isText = tag === KIND.email || tag === KIND.dns || tag === KIND.uri
  return isText ? value.toString('latin1').slice(0, 200) : `a name of kind ${tag & 0x1f} (subjectAltName)`
}

const ALT = 'the subject alternative name'

/** GeneralNames of the extension subjectAltName, none when it is absent. Throws SsmError `malformed`. */
export function readAltNames({ extensions }: Certificate): Der[] {
  const reader = enterExtension(extensions, EXTENSION.subjectAltName, ALT)
  if (reader === undefined) return []
  const names: Der[] = []
  while (!reader.done) {
    const name = reader.any()
    // The nine choices of GeneralName.
    if ((name.tag & 0xc0) !== 0x80 || (name.tag & 0x1f) > 8) throw malformed(ALT, 'has a name of no known kind')
    if (names.length >= MAX_NAMES) throw malformed(ALT, `has more than ${MAX_NAMES} names`)
    names.push(name)
  }
  if (names.length === 0) throw malformed(ALT, 'is empty')
  return names
}

/**
 * Subject, subject alternative names, and e-mail addresses in the subject: those are compared even beside a subject
 * alternative name (RFC 5280 asks for it only without one), because people read them all the same.
 */
function namesOf(certificate: Certificate): Name[] {
  const names: Name[] = readAltNames(certificate)
  const { subject, subjectDer } = certificate
  if (subject.rdns.length > 0) names.unshift({ tag: KIND.directory, value: Buffer.from(subjectDer) })
  for (const { oid, value } of subject.rdns.flat()) {
    if (oid === '1.2.840.113549.1.9.1') names.push({ tag: KIND.email, value: Buffer.from(value, 'utf8') })
  }
  return names
}

type Within = (name: Buffer, base: Buffer) => boolean | undefined

const WITHIN: ReadonlyMap<number, Within> = new Map<number, Within>([
  [KIND.directory, withinDirectory],
  [KIND.dns, withinDns],
  [KIND.email, withinEmail],
  [KIND.uri, withinUri],
  [KIND.ip, withinIp],
])

function text(value: Buffer): string {
  return value.toString('latin1').toLowerCase()
}

/** The base's RDNs are the first of the name. Keys delimit themselves, so a prefix of the text is one of the name. */
function withinDirectory(name: Buffer, base: Buffer): boolean {
  const subtree = parseName(base, WHAT).key
  const own = parseName(name, WHAT).key
  return subtree === '' || own === subtree || own.startsWith(`${subtree}/`)
}

/** Labels of letters, digits, hyphens, and underscores, which exist; a name may begin with a wildcard. */
const HOST = /^(?:\*\.)?[a-z0-9_-]+(?:\.[a-z0-9_-]+)*$/

/** A base that begins with a dot is none for dNSName (section 4.2.1.10): it is read in two ways. */
function withinDns(name: Buffer, base: Buffer): boolean | undefined {
  const [host, subtree] = [text(name), text(base)]
  if (!HOST.test(host) || (subtree !== '' && !HOST.test(subtree))) return undefined
  return withinHost(host, subtree, true)
}

/** `host` equals `base` or lies below it. With `orBelow` also for a base without a leading dot (dNSName). */
function withinHost(host: string, base: string, orBelow: boolean): boolean | undefined {
  if (!HOST.test(host)) return undefined
  if (base === '') return true
  // A wildcard reaches into what lies below its parent: it is neither inside such a base nor outside.
  if (host.startsWith('*.') && `.${base}`.endsWith(host.slice(1)) && `.${base}` !== host.slice(1)) return undefined
  if (base.startsWith('.')) return host.endsWith(base) && host.length > base.length
  return host === base || (orBelow && host.endsWith(`.${base}`))
}

/** A mailbox, a host, or `.domain` (RFC 5280: local parts compare exactly, hosts without case). */
function withinEmail(name: Buffer, base: Buffer): boolean | undefined {
  const address = name.toString('latin1')
  const at = address.indexOf('@')
  // Quoted local parts may hold an @; an address with two of them is read in two ways.
  if (at <= 0 || address.includes('"') || address.includes('@', at + 1)) return undefined
  const constraint = base.toString('latin1')
  const host = address.slice(at + 1).toLowerCase()
  const baseAt = constraint.lastIndexOf('@')
  if (baseAt === -1) return withinHost(host, constraint.toLowerCase(), false)
  return address.slice(0, at) === constraint.slice(0, baseAt) && host === constraint.slice(baseAt + 1).toLowerCase()
}

/** The host of the URI; one without a host name cannot be compared. */
function withinUri(name: Buffer, base: Buffer): boolean | undefined {
  const match = /^[a-z][a-z0-9+.-]*:\/\/(?:[^/?#@]*@)?([^/?#:@[\]]+)(?::\d*)?(?:[/?#]|$)/.exec(text(name))
  const host = match?.[1]
  if (host === undefined || /^[\d.]+$/.test(host)) return undefined
  return withinHost(host, text(base), false)
}

/** Address and mask. */
function withinIp(name: Buffer, base: Buffer): boolean | undefined {
  if ((name.length !== 4 && name.length !== 16) || (base.length !== 8 && base.length !== 32)) return undefined
  if (base.length !== 2 * name.length) return false
  for (let at = 0; at < name.length; at++) {
    const mask = base[name.length + at] ?? 0xff
    if (((name[at] ?? 0) & mask) !== ((base[at] ?? 0) & mask)) return false
  }
  return true
}
