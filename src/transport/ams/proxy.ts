/**
 * Which web proxy leads to a host, by the environment variables that other programs honour (`https_proxy`, `no_proxy`;
 * small letters first, as curl has it).
 */
import { SsmError } from '../../errors.js'

type Env = Readonly<Record<string, string | undefined>>

/** The proxy for TLS connections to this host, or null. Throws SsmError `configuration`; never shows user or password. */
export function proxyFor(host: string, port: number, env: Env): URL | null {
  const text = env.https_proxy ?? env.HTTPS_PROXY ?? ''
  if (text === '' || isLoopback(host) || isExempt(host, port, env.no_proxy ?? env.NO_PROXY ?? '')) return null
  let url: URL | null = null
  try {
    url = new URL(/^\w+:\/\//u.test(text) ? text : `http://${text}`)
  } catch {
    // Said below, without the text: there may be a password in it.
  }
  if (url === null || (url.protocol !== 'http:' && url.protocol !== 'https:')) {
    throw new SsmError('configuration', 'the environment’s https_proxy is not http://HOST:PORT')
  }
  return url
}

/** Is it this machine? */
export function isLoopback(host: string): boolean {
  return host === 'localhost' || host === '::1' || /^127\.\d{1,3}\.\d{1,3}\.\d{1,3}$/u.test(host)
}

/** `no_proxy`: names and their subdomains, `.domain`, `*.domain`, `*`, each perhaps with a port. */
function isExempt(host: string, port: number, list: string): boolean {
  const name = host.toLowerCase().replace(/\.$/u, '')
  return list
    .toLowerCase()
    .split(/[\s,]+/u)
    .filter((entry) => entry !== '')
    .some((entry) => {
      const [, domain = '', only] = /^\[?(.*?)\]?(?::(\d{1,5}))?$/u.exec(entry.replace(/^\*?\./u, '')) ?? []
      if (only !== undefined && Number(only) !== port && !entry.includes('::')) return false
      return entry === '*' || name === domain || name.endsWith(`.${domain}`)
    })
}

/** For `proxy-authorization`: the user and password of the URL. */
export function proxyLogin({ username, password }: URL): Readonly<Record<string, string>> {
  if (username === '') return {}
  const pair = `${decodeURIComponent(username)}:${decodeURIComponent(password)}`
  return { 'proxy-authorization': `Basic ${Buffer.from(pair).toString('base64')}` }
}
