/**
 * The Python SSM on the same broker, when `--against DIR` names a folder with checkouts (CONTRIBUTING.md, SSM_PEER). Fewer
 * messages: it carries some tens a second. Its figures stand beside ours of the same round.
 */
import { mkdirSync } from 'node:fs'
import { join } from 'node:path'
import { pythonSend, startPythonReceiver } from '../kit/python-ssm.js'
import { fillOutgoing } from '../kit/records.js'
import { createSite, eventually, type Sections } from '../kit/site.js'
import type { Figure } from './figures.js'

/** Messages a round: some twenty seconds of its receiver. */
const COUNT = 300

export interface PythonJob {
  readonly dir: string
  readonly port: number
  readonly encrypted: boolean
}

/** What it sends and receives a second, start-up included, as ours is measured. */
export async function timePython({ dir, port, encrypted }: PythonJob): Promise<readonly [Figure, Figure]> {
  const place = join(dir, 'python')
  mkdirSync(place)
  const site = createSite(place, port)
  const recipient: Sections = { certificates: { server_cert: site.pki.other.certificateFile } }
  site.configure({ both: { messaging: { destination: '/queue/python' } }, sender: encrypted ? recipient : {} })
  const kind = encrypted ? 'signed and encrypted' : 'signed'
  fillOutgoing(site.outgoing, COUNT, ['ascii'])
  let start = performance.now()
  const { code, stderr } = await pythonSend(site)
  if (code !== 0) throw new Error(`the Python sender: exit ${code}: ${stderr}`)
  const sent = (COUNT / (performance.now() - start)) * 1000
  start = performance.now()
  const receiver = await startPythonReceiver(site)
  await eventually('the Python receiver has all', () => site.countIncoming() >= COUNT, 120, 100)
  const received = (COUNT / (performance.now() - start)) * 1000
  await receiver.stop('SIGKILL')
  return [
    { what: `  Python SSM, send, ${kind}`, rate: sent },
    { what: `  Python SSM, receive, ${kind}`, rate: received },
  ]
}
