/** What must be true across options with protocol AMS. */
import type { Context } from './check.js'
import { quoted } from './finding.js'
import { isLoopback } from './parsers.js'

/** As the service checks them, before it looks at anything else. */
const NAME = /^[\w-]{1,249}$/u

export function checkAms(context: Context): void {
  checkEndpoint(context)
  checkNames(context)
  checkToken(context)
}

function checkEndpoint({ program, values, problem }: Context): void {
  if (program === 'receiver' && values.isGiven('broker', 'listen')) {
    problem('broker', 'listen', 'is for STOMP: with AMS remove this line.')
  }
  if (!values.isGiven('broker', 'host') && !values.isGiven('broker', 'url')) {
    problem('broker', 'host', 'missing. Name the host of AMS, for example msg.argo.grnet.gr.')
  }
  for (const { scheme, host } of values.find('urls', 'broker', 'url') ?? []) {
    if (scheme === 'http' && !isLoopback(host)) {
      problem(
        'broker',
        'url',
        'http:// is for this machine only: everybody on the way could read the token. Write https://.',
      )
    } else if (scheme !== 'http' && scheme !== 'https') {
      problem('broker', 'url', `${scheme}:// is for STOMP; AMS is reached by https://HOST:PORT.`)
    }
  }
  const authn = values.find('text', 'messaging', 'authn_host')
  if (authn !== undefined && !/^[a-z0-9_.-]{1,253}$/iu.test(authn)) {
    problem('messaging', 'authn_host', `${quoted(authn)} is not a host name; the port is authn_port.`)
  }
}

function checkNames({ program, values, problem }: Context): void {
  const project = values.find('text', 'messaging', 'ams_project')
  if (project === undefined)
    problem('messaging', 'ams_project', 'missing. Name the project on the Argo Messaging Service.')
  else checkName('ams_project', project)
  const destination = values.find('text', 'messaging', 'destination')
  if (destination !== undefined) checkName('destination', destination)

  function checkName(key: string, name: string): void {
    if (NAME.test(name)) return
    const what = key === 'ams_project' ? 'project' : program === 'sender' ? 'topic' : 'subscription'
    const near = name.replaceAll(/[^\w-]+/gu, '-').replaceAll(/^-|-$/gu, '')
    const hint = NAME.test(near) ? ` (perhaps ${quoted(near)})` : ''
    problem('messaging', key, `${quoted(name)} is no name of a ${what} at AMS: letters, digits, - and _ only${hint}.`)
  }
}

function checkToken({ values, problem }: Context): void {
  if (values.isGiven('messaging', 'token') && values.isGiven('messaging', 'token_file')) {
    problem('messaging', 'token_file', 'write token or token_file, not both.')
  }
  const token = values.find('text', 'messaging', 'token')
  if (token !== undefined && !/^[\x21-\x7e]{1,4096}$/u.test(token)) {
    problem('messaging', 'token', 'has characters that no token has.')
  }
}
