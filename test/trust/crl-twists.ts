/**
 * Changes of CRLs, and of what certificates say of them, each in one respect.
 */
import { element, sequence } from '../../src/crypto/der-write.js'
import { testKey } from '../kit/ca.js'
import { certificateIssuer, type CrlDraft, deltaOf, distributionPoints, type Extension, freshest, fullName, flag, GENERAL, issuingPoint, name, reasonCode, reasons, relativeName, USAGE } from './draft.js' // prettier-ignore
import { HOUR, type Draft, type Twist, goodCrl, leafOf, leafCrl, rootOf, middleOf, anyCa, anyCrl, strange, good, bad } from './good-draft.js' // prettier-ignore

const at = (draft: Draft, issuer: CrlDraft, change: Partial<CrlDraft>): void => {
  draft.crls.push({ ...issuer, more: [], ...change })
}
const listing = (draft: Draft, ...extensions: readonly Extension[]): CrlDraft['entries'] => [{ serial: leafOf(draft).serial, extensions }] // prettier-ignore
const point = (host: string): Buffer => fullName(GENERAL.uri(`http://${host}/crl`))

const crls: readonly Twist[] = [
  bad('revoked', (draft) => {
    const index = 1 + draft.random(draft.certs.length - 1)
    const { serial } = draft.certs[index]! // in range
    const reason = draft.random(2) === 0 ? [] : [reasonCode(1 + draft.random(6))]
    draft.crls[index - 1]?.entries.push({ serial, extensions: reason })
  }),
  good('the same serial number revoked by another CA', (draft) => {
    draft.crls[0]?.entries.push({ serial: leafOf(draft).serial })
  }),
  good('removed again in a complete CRL', (draft) => leafCrl(draft).entries.push(...listing(draft, reasonCode(8)))),
  bad('no CRL', (draft) => draft.crls.splice(draft.random(draft.crls.length), 1)),
  bad('outdated CRL', (draft) => Object.assign(anyCrl(draft), { thisUpdate: draft.at - 9 * HOUR, nextUpdate: draft.at - HOUR })), // prettier-ignore
  bad('CRL of the future', (draft) => Object.assign(anyCrl(draft), { thisUpdate: draft.at + HOUR, nextUpdate: draft.at + 9 * HOUR })), // prettier-ignore
  bad(
    'CRL without nextUpdate',
    (draft) => Object.assign(anyCrl(draft), { nextUpdate: null }),
    'CRLs without nextUpdate',
  ),
  bad('signature of the CRL flipped', (draft) => Object.assign(anyCrl(draft), { flip: true })),
  bad('CRL signed by another key', (draft) => Object.assign(anyCrl(draft), { signer: testKey('p256', 39) })),
  bad('cRLSign missing', (draft) => Object.assign(anyCa(draft), { usage: USAGE.keyCertSign })),
  good('CRL of version 1', (draft) => Object.assign(anyCrl(draft), { version: 1 })),
  good('CRL without number', (draft) => Object.assign(anyCrl(draft), { number: null })),
  bad('CRL extension not understood', (draft) => anyCrl(draft).more.push(strange(true))),
  good('CRL extension that need not be understood', (draft) => anyCrl(draft).more.push(strange(false))),
  bad('entry extension not understood', (draft) => anyCrl(draft).entries.push({ serial: Buffer.from([1]), extensions: [strange(true)] })), // prettier-ignore
  good('CRL for users', (draft) => leafCrl(draft).more.push(issuingPoint(flag(1)))),
  bad('CRL for users over a CA', (draft) => draft.crls[0]?.more.push(issuingPoint(flag(1)))),
  good('CRL for CAs', (draft) => draft.crls[0]?.more.push(issuingPoint(flag(2)))),
  bad('CRL for CAs over a leaf', (draft) => leafCrl(draft).more.push(issuingPoint(flag(2)))),
  bad('CRL for attribute certificates', (draft) => anyCrl(draft).more.push(issuingPoint(flag(5)))),
  good('two CRLs of one CA', (draft) => {
    at(draft, leafCrl(draft), { number: 6, signer: testKey('p256', 39) })
  }),
]

const points: readonly Twist[] = [
  bad('a scope that says nothing', (draft) => { leafCrl(draft).more.push(issuingPoint()) }, 'What only a CA may carry'), // prettier-ignore
  bad('CRL for some reasons', (draft) => leafCrl(draft).more.push(issuingPoint(reasons(3, 1, 2)))),
  good('two CRLs for all reasons together', (draft) => {
    at(draft, leafCrl(draft), { more: [issuingPoint(reasons(3, 3, 4, 5, 6, 7, 8))] })
    leafCrl(draft).number = 6
    const crl = draft.crls[draft.crls.length - 2]
    crl?.more.push(issuingPoint(reasons(3, 1, 2)))
  }),
  bad('revoked for one of the reasons', (draft) => {
    leafCrl(draft).more.push(issuingPoint(reasons(3, 1, 2)))
    at(draft, leafCrl(draft), { more: [issuingPoint(reasons(3, 3, 4, 5, 6, 7, 8))], entries: listing(draft, reasonCode(4)) }) // prettier-ignore
  }),
  good('CRL of the distribution point', (draft) => {
    leafOf(draft).more.push(distributionPoints(sequence(point('a')), sequence(point('b'))))
    leafCrl(draft).more.push(issuingPoint(fullName(GENERAL.uri('http://x/crl'), GENERAL.uri('http://b/crl'))))
  }),
  bad('CRL of another distribution point', (draft) => {
    leafOf(draft).more.push(distributionPoints(sequence(point('a'))))
    leafCrl(draft).more.push(issuingPoint(point('b')))
  }),
  bad('CRL of a distribution point, the certificate has none', (draft) => leafCrl(draft).more.push(issuingPoint(point('a')))), // prettier-ignore
  good('distribution point relative to the issuer', (draft) => {
    leafOf(draft).more.push(distributionPoints(sequence(relativeName(['OU', 'part 1']))))
    leafCrl(draft).more.push(issuingPoint(draft.random(2) === 0 ? relativeName(['OU', 'PART 1']) : fullName(GENERAL.directory(name(['C', 'XX'], ['O', `Case ${draft.n}`], ['CN', `CA ${draft.certs.length - 2}`], ['OU', 'part 1']))))) // prettier-ignore
  }),
  good('complete CRL beside a distribution point', (draft) => leafOf(draft).more.push(distributionPoints(sequence(point('a'))))), // prettier-ignore
  good('distribution point for some reasons, complete CRL', (draft) => leafOf(draft).more.push(distributionPoints(sequence(point('a'), reasons(1, 1)))), 'The assumed distribution point'), // prettier-ignore
  ...[true, false].map((listed): Twist => ({
    what: `indirect CRL of the root, ${listed ? 'listed' : 'not listed'}`,
    good: !listed,
    ...(listed ? {} : { openssl: 'CRLs of another issuer' }),
    apply: (draft) => { indirect(draft, listed ? [{ serial: leafOf(draft).serial, extensions: [certificateIssuer(leafOf(draft).issuer)] }] : [], true); }, // prettier-ignore
  })),
  good(
    'the serial number of another issuer in an indirect CRL',
    (draft) => {
      indirect(draft, listing(draft), true)
    },
    'CRLs of another issuer',
  ),
  bad('the issuer of an entry counts for the next', (draft) => { indirect(draft, [{ serial: Buffer.from([1]), extensions: [certificateIssuer(leafOf(draft).issuer)] }, ...listing(draft)], true); }), // prettier-ignore
  bad('an indirect CRL that does not say so', (draft) => {
    indirect(draft, [], false)
  }),
]

/** The leaf's CRL is issued by the root, and there is no other. */
function indirect(draft: Draft, entries: CrlDraft['entries'], says: boolean): void {
  const root = rootOf(draft)
  const first = draft.crls[0]
  if (first === undefined) return
  draft.crls.pop()
  if (draft.crls.length === 0) draft.crls.push(first)
  const names = fullName(GENERAL.directory(name(['CN', 'indirect'])))
  leafOf(draft).more.push(distributionPoints(sequence(names, element(0xa2, GENERAL.directory(root.subject)))))
  draft.crls.push({ ...goodCrl(root.subject, root.key, draft.at), entries, more: [issuingPoint(names, ...(says ? [flag(4)] : []))] }) // prettier-ignore
}

const deltas: readonly Twist[] = [
  ...(
    [
      [
        'adds',
        false,
        (draft) => {
          delta(draft, { entries: listing(draft) }, true)
        },
      ],
      [
        'adds, not announced',
        false,
        (draft) => {
          delta(draft, { entries: listing(draft) }, false)
        },
      ],
      [
        'adds nothing',
        true,
        (draft) => {
          delta(draft, {}, true)
        },
      ],
      ['removes', true, (draft) => { leafCrl(draft).entries.push(...listing(draft, reasonCode(6))); delta(draft, { entries: listing(draft, reasonCode(8)) }, true) }], // prettier-ignore
      ['removes, not announced', false, (draft) => { leafCrl(draft).entries.push(...listing(draft, reasonCode(6))); delta(draft, { entries: listing(draft, reasonCode(8)) }, false) }], // prettier-ignore
      [
        'of a base to come',
        true,
        (draft) => {
          delta(draft, { more: [deltaOf(6)], entries: listing(draft) }, true)
        },
      ],
      [
        'older than its base',
        true,
        (draft) => {
          delta(draft, { number: 5, entries: listing(draft) }, true)
        },
      ],
      ['signed by another key', true, (draft) => { delta(draft, { signer: testKey('p256', 39), keyIds: false, entries: listing(draft) }, true); }], // prettier-ignore
      ['renews its base', true, (draft) => { Object.assign(leafCrl(draft), { thisUpdate: draft.at - 9 * HOUR, nextUpdate: draft.at - 8 * HOUR }); delta(draft, { thisUpdate: draft.at - HOUR, nextUpdate: draft.at + HOUR }, true) }], // prettier-ignore
      ['alone', false, (draft) => { delta(draft, {}, true); draft.crls.splice(draft.crls.length - 2, 1) }], // prettier-ignore
    ] as readonly (readonly [string, boolean, Twist['apply']])[]
  ).map(([what, isGood, apply]): Twist => ({
    what: `delta CRL ${what}`,
    good: isGood,
    apply,
    ...(what === 'adds, not announced' ? { openssl: 'Delta CRLs that are not announced' } : {}),
  })),
]

function delta(draft: Draft, change: Partial<CrlDraft>, announced: boolean): void {
  const base = leafCrl(draft)
  if (announced) base.more.push(freshest)
  draft.crls.push({ ...base, number: 7, entries: [], more: [deltaOf(4)], ...change })
}

const signers: readonly Twist[] = [
  good('a separate key for CRLs', (draft) => {
    const ca = middleOf(draft)
    const key = testKey('p256', 35)
    draft.extra.push({ ...ca, key, serial: Buffer.from([0x36]), usage: USAGE.cRLSign, basic: { ca: false, critical: true } }) // prettier-ignore
    leafCrl(draft).signer = key
  }, 'Several candidates'),
  bad('a separate key for CRLs that may not sign them', (draft) => {
    const ca = middleOf(draft)
    const key = testKey('p256', 35)
    draft.extra.push({ ...ca, key, serial: Buffer.from([0x36]), usage: USAGE.digitalSignature, basic: null })
    leafCrl(draft).signer = key
  }),
  bad('a separate key for CRLs that is revoked', (draft) => {
    const ca = middleOf(draft)
    const key = testKey('p256', 35)
    draft.extra.push({ ...ca, key, serial: Buffer.from([0x36]), usage: USAGE.cRLSign, basic: null })
    leafCrl(draft).signer = key
    draft.crls[draft.crls.length - 2]?.entries.push({ serial: Buffer.from([0x36]) })
  }),
  bad('a key for CRLs of another root', (draft) => {
    const key = testKey('p256', 35)
    const { subject } = middleOf(draft)
    draft.extra.push({ ...rootOf(draft), subject, issuer: subject, key, signer: key })
    leafCrl(draft).signer = key
  }),
] // prettier-ignore

export const CRL_TWISTS: readonly Twist[] = [...crls, ...points, ...deltas, ...signers]
