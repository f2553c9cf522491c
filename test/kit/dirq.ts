/**
 * Python's directory queues as peers on the same directory: each runs a small program of ours that uses the installed library.
 */
import { spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { createInterface } from 'node:readline'
import { keep } from './site.js'

const PYTHON = '/usr/bin/python3'

const PRELUDE = `
import sys, time, json, os
from dirq.QueueSimple import QueueSimple
from dirq.queue import Queue
def say(*words):
    print(*words); sys.stdout.flush()
`

/** Runs a program to its end; answers what it printed. Throws with what it said on stderr. */
export function runPython(program: string, ...args: readonly string[]): string {
  const done = spawnSync(PYTHON, ['-c', PRELUDE + program, ...args], { encoding: 'utf8', timeout: 60_000 })
  if (done.status !== 0) throw new Error(`python: ${done.stderr}`)
  return done.stdout
}

export interface PythonPeer {
  readonly pid: number
  /** The next line it prints. */
  line(): Promise<string>
  /** The lines that it has printed and nobody has read; they are read then. */
  readonly lines: () => readonly string[]
  /** Writes a line to it. */
  tell(line: string): void
  /** Resolves with all lines not yet read, when it has ended. Rejects when it failed. */
  ended(): Promise<readonly string[]>
  kill(): void
}

/** Starts a program that goes on. */
export function startPython(program: string, ...args: readonly string[]): PythonPeer {
  const child = spawn(PYTHON, ['-c', PRELUDE + program, ...args], { stdio: ['pipe', 'pipe', 'pipe'] })
  keep(child)
  child.stdin.on('error', () => undefined)
  const exit = once(child, 'exit')
  const waiting: ((line: string) => void)[] = []
  const lines: string[] = []
  let complaint = ''
  child.stderr.on('data', (chunk: Buffer) => (complaint += chunk.toString()))
  const reader = createInterface({ input: child.stdout })
  const closed = once(reader, 'close')
  reader.on('line', (line) => {
    const next = waiting.shift()
    if (next === undefined) lines.push(line)
    else next(line)
  })
  return {
    pid: child.pid ?? 0,
    line: () => {
      const line = lines.shift()
      return line === undefined ? new Promise((resolve) => waiting.push(resolve)) : Promise.resolve(line)
    },
    lines: () => lines.splice(0),
    tell(line) {
      child.stdin.write(`${line}\n`)
    },
    async ended() {
      const [code] = (await exit) as [number | null]
      await closed
      if (code !== 0) throw new Error(`python ended with ${code ?? 'a signal'}: ${complaint}`)
      return lines
    },
    kill() {
      child.kill('SIGKILL')
    },
  }
}

/** Adds `count` elements `PREFIX-N` to a simple queue. */
export const SIMPLE_WRITER = `
path, prefix, count, granularity = sys.argv[1], sys.argv[2], int(sys.argv[3]), int(sys.argv[4])
queue = QueueSimple(path, granularity=granularity)
for n in range(count):
    queue.add(('%s-%d' % (prefix, n)).encode())
`

/** Consumes a simple queue and purges, until the file STOP exists and the queue is empty; prints each body. */
export const SIMPLE_READER = `
path, stop, granularity = sys.argv[1], sys.argv[2], int(sys.argv[3])
queue = QueueSimple(path, granularity=granularity)
raised = 0
while True:
    last = os.path.exists(stop)
    taken = 0
    try:
        for name in queue:
            if not queue.lock(name):
                continue
            try:
                body = queue.get(name)
                queue.remove(name)
            except OSError:
                raised += 1
                continue
            taken += 1
            print(body.decode())
        queue.purge()
    except OSError:
        raised += 1
    if last and not taken and queue.count() == 0:
        break
    time.sleep(0.01)
sys.stderr.write('raised %d' % raised)
`

/** Consumes a queue {body, signer, empaid?} as a loader does, with a purge after each pass; prints body and signer. */
export const SCHEMA_READER = `
path, stop = sys.argv[1], sys.argv[2]
queue = Queue(path, schema={'body': 'string', 'signer': 'string', 'empaid': 'string?'})
raised = 0
while True:
    last = os.path.exists(stop)
    taken = 0
    try:
        for name in queue:
            if not queue.lock(name):
                continue
            data = queue.get(name)
            taken += 1
            # Before the removal: another consumer's purge may take the element out of obsolete while it is being removed, and
            # then remove raises although the element is consumed.
            print('%s %s' % (data['body'], data['signer']))
            queue.remove(name)
        queue.purge()
    except OSError:
        raised += 1
    if last and not taken:
        break
    time.sleep(0.005)
print('raised %d' % raised)
`

/** Adds `count` elements to a queue {body, signer, empaid?}; prints how many adds its peers' purge destroyed. */
export const SCHEMA_WRITER = `
path, prefix, count = sys.argv[1], sys.argv[2], int(sys.argv[3])
queue = Queue(path, schema={'body': 'string', 'signer': 'string', 'empaid': 'string?'})
lost = []
for n in range(count):
    body = '%s-%d' % (prefix, n)
    try:
        queue.add({'body': body, 'signer': '/CN=python', 'empaid': 'x'})
    except OSError:
        lost.append(body)
print(json.dumps(lost))
`
