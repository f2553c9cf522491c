/** `ssmctl check`: is everything ready for a sender or a receiver with this configuration? */
import { resolve } from 'node:path'
import type { Command } from 'commander'
import { findRole } from '../config/role.js'
import { createPaint, hasColour } from './colour.js'
import type { Ctl } from './ssmctl-process.js'
import { USUAL_DNS } from './usual-places.js'

interface Flags {
  readonly config: string
  readonly dn_file: string
  readonly tryDestination?: true
  readonly json?: true
}

export function addCheckVerb(command: Command, ctl: Ctl): void {
  command
    .command('check')
    .requiredOption('-c, --config <file>', 'configuration of a sender or a receiver')
    .option('-d, --dn_file <file>', 'list of the DNs that may send', USUAL_DNS)
    .option('--try-destination', 'try the destination too, which may make an empty queue at the broker')
    .option('--json', 'a JSON object')
    .description(
      'Check configuration, keys, trust, spool and broker; nothing is changed or sent. Exit code 0: good; 1: not.',
    )
    .action(ctl.action((flags: Flags) => check(flags, ctl)))
}

async function check(flags: Flags, ctl: Ctl): Promise<number> {
  const config = resolve(ctl.program.cwd(), flags.config)
  const role = findRole(config)
  const { isGood, renderJson, renderText } = await import('./check/render.js')
  const { checkSetup } = await import('./check/run.js')
  const options = {
    config,
    dnFile: resolve(ctl.program.cwd(), flags.dn_file),
    tryDestination: flags.tryDestination === true,
  }
  const findings = await checkSetup(role, options, ctl.program)
  const report = { role, file: config, findings }
  await ctl.out.write(
    flags.json === true ? renderJson(report) : renderText(report, createPaint(hasColour(ctl.program))),
  )
  return isGood(findings) ? 0 : 1
}
