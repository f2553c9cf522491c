/** The service of a configuration file, for `ssmctl ams`. */
import type { ReceiverConfig, SenderConfig } from '../config/config.js'
import { loadReceiverConfig, loadSenderConfig } from '../config/load.js'
import { findRole } from '../config/role.js'
import { loadKeyPair } from '../crypto/keys.js'
import { SsmError } from '../errors.js'
import { silentLogger } from '../observe/create-log.js'
import { printable } from '../observe/printable.js'
import { systemClock } from '../os/clock.js'
import type { AmsOperator, Answer, Pulled } from '../transport/ams/index.js'
import { amsSettings } from './ams-settings.js'
import type { HostPair } from './host-pair.js'
import type { Ctl } from './ssmctl-process.js'

export interface Ams extends AsyncDisposable {
  readonly operator: AmsOperator
  readonly project: string
  /** That of the command line or of a receiver. Throws SsmError `usage` when there is none. */
  readonly subscription: () => string
  /** The value of an answer, or its refusal thrown. */
  readonly valueOf: <T>(answer: Answer<T>) => T
  /** A message's bytes and the sender's id. */
  readonly contentOf: (message: Pulled) => { readonly body: Uint8Array; readonly empaid: string }
  /** Of `/projects/P/topics/T`, T. */
  readonly last: (name: string) => string
}

/** Throws SsmError `configuration`. With several endpoints the first counts. */
export async function openAms(file: string, named: string | undefined, ctl: Ctl): Promise<Ams> {
  const role = findRole(file)
  const cwd = ctl.program.cwd()
  const config = role === 'sender' ? loadSenderConfig(file, cwd).config : loadReceiverConfig(file, cwd).config
  const ams = await import('../transport/ams/index.js')
  const parts = { window: { messages: 4, bytes: Infinity }, pair: pairOf(config), env: ctl.program.env }
  const settings = amsSettings(config, parts)
  const endpoint = settings?.endpoints[0]
  if (settings === undefined || endpoint === undefined) {
    throw new SsmError('configuration', `${printable(file)} is not for the ARGO Messaging Service: protocol is not AMS`)
  }
  if (named !== undefined && !ams.isResourceName(named)) {
    throw new SsmError('usage', `${printable(named)} is no name of a subscription: letters, digits, - and _ only`)
  }
  const log = {
    ...silentLogger,
    // What TLS warns about (verify = warn).
    warning: (_format: string, ...values: readonly unknown[]) => {
      const [first] = values
      const text = typeof first === 'object' && first !== null && 'message' in first ? String(first.message) : ''
      void ctl.err.write(`ssmctl ams: ${printable(text, 2048)}\n`).catch(() => undefined)
    },
  }
  const operator = ams.createAmsOperator(settings, endpoint, { log, clock: systemClock })
  const subscription = named ?? (role === 'receiver' ? settings.destination : undefined)
  return {
    operator,
    project: settings.project,
    valueOf: (answer) => ams.valueOf(answer, 'unreachable'),
    last: ams.last,
    contentOf: (message) => ({ ...ams.deliveryBody(message, Infinity), empaid: ams.empaidOf(message) }),
    subscription() {
      if (subscription !== undefined) return subscription
      throw new SsmError('usage', 'this is the configuration of a sender: name the subscription with --subscription')
    },
    [Symbol.asyncDispose]: () => operator[Symbol.asyncDispose](),
  }
}

/** Read anew for each connection: `ssmctl` makes few. */
function pairOf({ certificates }: SenderConfig | ReceiverConfig): HostPair {
  const allowWeak = certificates.allowWeak.includes('rsa1024')
  const current = () => loadKeyPair(certificates.certificate, certificates.key, { now: systemClock.now(), allowWeak })
  return { current, all: () => [current()], reload: () => Promise.resolve() }
}
