/**
 * argo-ams-library, the AMS client in Python, as a peer of the double: a process that evaluates the expressions it is sent,
 * with `ams`, its service object, in reach. There are such tests only where SSM_PEER names checkouts (`python-ssm.ts`).
 */
import { createInterface } from 'node:readline'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { pythonSsmEnvironment } from './python-ssm.js'

/** What an expression came to. */
export interface Evaluated {
  readonly value?: unknown
  /** The exception's class, and the library's fields of it. */
  readonly error?: string
  readonly code?: number
  readonly message?: string
}

export interface PythonAms extends AsyncDisposable {
  /** An expression with `ams`, `AmsMessage` and the library's other names in reach. */
  evaluate(expression: string): Promise<Evaluated>
  /** The same; throws when it raised. */
  value(expression: string): Promise<unknown>
}

const DRIVER = `
import base64, ctypes, datetime, json, sys
ctypes.CDLL(None).prctl(1, 9)
import argo_ams_library
from argo_ams_library import *
names = {'AmsMessage': AmsMessage, 'base64': base64, 'datetime': datetime}
for line in sys.stdin:
    try:
        if 'ams' not in names:
            names['ams'] = ArgoMessagingService(**json.loads(line))
            said = {'value': names['ams'].token}
        else:
            said = {'value': eval(json.loads(line), names)}
    except Exception as error:
        said = {'error': type(error).__name__, 'code': getattr(error, 'code', None), 'message': str(getattr(error, 'msg', error))}
    print(json.dumps(said, default=str), flush=True)
`

/** `service`: what its constructor is given. `ca`: a file with the CA that it trusts. Throws when the constructor raised. */
export async function startPythonAms(service: Readonly<Record<string, unknown>>, ca: string): Promise<PythonAms> {
  const child = spawn('/usr/bin/python3', ['-c', DRIVER], {
    stdio: ['pipe', 'pipe', 'inherit'],
    env: { ...process.env, ...pythonSsmEnvironment(), REQUESTS_CA_BUNDLE: ca, NO_PROXY: '*' },
  })
  const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]()
  const say = async (what: unknown): Promise<Evaluated> => {
    child.stdin.write(`${JSON.stringify(what)}\n`)
    const next = await lines.next()
    if (next.done === true) throw new Error('the Python library ended')
    // It is the driver's own line.
    return JSON.parse(next.value) as Evaluated
  }
  const value = (said: Evaluated): unknown => {
    if (said.error !== undefined) throw new Error(`${said.error} ${said.code ?? ''}: ${said.message ?? ''}`)
    return said.value
  }
  const ended = once(child, 'close')
  const end = async () => {
    child.stdin.end()
    await ended
  }
  try {
    value(await say(service))
  } catch (error) {
    await end()
    throw error
  }
  return { evaluate: say, value: async (expression) => value(await say(expression)), [Symbol.asyncDispose]: end }
}
