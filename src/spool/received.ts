/** What a receiver's elements consist of. A trailing `?`: not all of them have it. */

/** Accepted: the content, who signed it (a DN that was verified), and the id it came with. */
export const INCOMING = { body: 'binary', signer: 'string', empaid: 'string?' } as const

/** Refused: the bytes as they came, and why. Only with a verified signature there is a signer. */
export const REJECT = { body: 'binary', signer: 'string?', empaid: 'string?', error: 'string' } as const
