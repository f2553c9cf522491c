/**
 * The option table: the only description of options there is. Checks, defaults, sample files, `--print-config` and the
 * reference manual are made from it; no key exists outside it.
 */
import type { Option, Program } from './option.js'
import { AMS_OPTIONS } from './table/ams.js'
import { BROKER_OPTIONS } from './table/broker.js'
import { CERTIFICATE_OPTIONS } from './table/certificates.js'
import { MESSAGING_OPTIONS } from './table/messaging.js'
import { MONITORING_OPTIONS } from './table/monitoring.js'
import { PROCESS_OPTIONS } from './table/process.js'
import { PROGRAM_OPTIONS } from './table/program.js'
import { STORING_OPTIONS } from './table/storing.js'

/** In the order of a file. */
export const OPTIONS: readonly Option[] = [
  ...PROGRAM_OPTIONS,
  ...BROKER_OPTIONS,
  ...CERTIFICATE_OPTIONS,
  ...MESSAGING_OPTIONS,
  ...AMS_OPTIONS,
  ...STORING_OPTIONS,
  ...PROCESS_OPTIONS,
  ...MONITORING_OPTIONS,
]

/** Keys that older releases had, by section: what to write instead. */
export const RETIRED: Readonly<Record<string, Readonly<Record<string, string>>>> = {
  broker: {
    bdii: 'brokers are no longer looked up: name yours with host and port.',
    network: 'brokers are no longer looked up: name yours with host and port.',
  },
}

/** The options that `program` reads, in the order of a file. */
export function optionsOf(program: Program): readonly Option[] {
  return OPTIONS.filter((option) => option.who === 'both' || option.who === program)
}

/** The value that the shipped file of `program` has for `option`, when it is active there. */
export function sampleOf(option: Option, program: Program): string | undefined {
  return typeof option.sample === 'object' ? option.sample[program] : option.sample
}
