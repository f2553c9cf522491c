/**
 * What counts as strong enough for TLS is OpenSSL's security level, and Node's default differs: 1 up to Node 22, 2 from 24
 * on, which takes no RSA and no Diffie-Hellman below 2048 bits (seen: 20.19, 22.23, 24.21, 26.10).
 */
import { createSecureContext, DEFAULT_CIPHERS, type SecureContext, type SecureContextOptions } from 'node:tls'
import { messageOf, SsmError, systemCode } from '../errors.js'
import type { PeerTrust } from './port.js'

/** The setting that takes RSA and Diffie-Hellman of 1024 bits. */
export const WEAK_KEYS = '`[certificates] allow_weak = rsa1024`'

/** For the options of a TLS connection or context. Absent: as Node has it. */
export function strengthOf({ weakKeys }: Pick<PeerTrust, 'weakKeys'>): { readonly ciphers?: string } {
  return weakKeys === true ? { ciphers: `${DEFAULT_CIPHERS}:@SECLEVEL=1` } : {}
}

/** Throws SsmError `configuration` when OpenSSL does not take our pair. */
export function createContext(options: SecureContextOptions): SecureContext {
  try {
    return createSecureContext(options)
  } catch (cause) {
    const remedy = (systemCode(cause) ?? '').endsWith('_TOO_SMALL') ? `: renew it; ${WEAK_KEYS} accepts 1024 bits` : ''
    throw new SsmError(
      'configuration',
      `our certificate and key cannot be used for TLS: ${messageOf(cause)}${remedy}`,
      {
        cause,
      },
    )
  }
}
