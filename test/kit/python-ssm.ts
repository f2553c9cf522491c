/**
 * The Python SSM as a peer, when SSM_PEER names a folder with checkouts of it and of what it needs: `ssm`, `stomp`
 * (6.0.0) and `ams`. They are no part of this package and no Debian packages: without SSM_PEER there are no tests
 * against them, rather than skipped ones where nothing may be skipped.
 *
 * Its programs are run as they are, with the configuration files of a `Site`.
 */
import { mkdirSync, symlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { need } from './need.js'
import { scratch } from './scratch.js'
import { eventually, startChild, type Ended, type Running, type Site } from './site.js'

const checkouts = process.env.SSM_PEER

export const hasPythonSsm = checkouts !== undefined

/** For `{ skip }` of tests that exist only when `hasPythonSsm`. */
export const needPythonSsm = (): false | string =>
  hasPythonSsm && need('python3-dirq', 'python3-daemon', 'python3-openssl', 'openssl')

let amsFolder: string | undefined

/** The AMS library lies in its checkout under another name than it is imported by. */
function amsLibrary(): string {
  if (amsFolder === undefined) {
    amsFolder = scratch()
    symlinkSync(join(checkouts ?? '', 'ams', 'pymod'), join(amsFolder, 'argo_ams_library'))
    // Its version is asked for, as of something installed.
    const installed = join(amsFolder, 'argo_ams_library-0.dist-info')
    mkdirSync(installed)
    writeFileSync(join(installed, 'METADATA'), 'Metadata-Version: 2.1\nName: argo-ams-library\nVersion: 0\n')
  }
  return amsFolder
}

export function pythonSsmEnvironment(): NodeJS.ProcessEnv {
  const paths = ['ssm', 'stomp'].map((name) => join(checkouts ?? '', name))
  return {
    PYTHONPATH: [...paths, amsLibrary()].join(':'),
    PYTHONDONTWRITEBYTECODE: '1',
    PYTHONWARNINGS: 'ignore',
  }
}

/**
 * Runs one of its programs, with three differences that serve the tests: it does not detach, it ends when the test
 * does (prctl PR_SET_PDEATHSIG), and it may open few files (a daemon closes every one that it might have open).
 */
const RUN = `
import ctypes, functools, resource, runpy, sys, daemon
ctypes.CDLL(None).prctl(1, 9)
resource.setrlimit(resource.RLIMIT_NOFILE, (256, 256))
daemon.DaemonContext = functools.partial(daemon.DaemonContext, detach_process=False)
sys.argv = sys.argv[1:]
runpy.run_path(sys.argv[0], run_name='__main__')
`

function startPythonProgram(program: 'sender' | 'receiver', args: readonly string[], env: NodeJS.ProcessEnv): Running {
  const file = join(checkouts ?? '', 'ssm', 'bin', `${program}.py`)
  return startChild('/usr/bin/python3', ['-c', RUN, file, ...args], { env: { ...pythonSsmEnvironment(), ...env } })
}

export function startPythonSender({ senderCfg }: Pick<Site, 'senderCfg'>, env: NodeJS.ProcessEnv = {}): Running {
  return startPythonProgram('sender', ['-c', senderCfg], env)
}

export function pythonSend(site: Pick<Site, 'senderCfg'>, env: NodeJS.ProcessEnv = {}): Promise<Ended> {
  return startPythonSender(site, env).ended
}

/** Starts its receiver on the files of a site; resolves when it has subscribed. */
export async function startPythonReceiver(site: Site, env: NodeJS.ProcessEnv = {}): Promise<Running> {
  const before = subscriptions(site)
  const running = startPythonProgram('receiver', ['-c', site.receiverCfg, '-d', site.dns], env)
  const over = () => running.child.exitCode !== null || running.child.signalCode !== null
  await eventually('the Python receiver subscribed', () => over() || subscriptions(site) > before, 60)
  if (over()) throw new Error(`the Python receiver ended: ${(await running.ended).stderr}\n${site.log('ssmreceive')}`)
  return running
}

const subscriptions = (site: Site): number => site.log('ssmreceive').split(/Subscribing to:|Will subscribe to:/).length
