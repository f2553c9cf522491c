/** The examples of docs/library.md and README.md: they compile as strict TypeScript against the package, and they run. */
import { test } from 'node:test'
import assert from 'node:assert/strict'
import { once } from 'node:events'
import { mkdirSync, readdirSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs'
import { connect, type AddressInfo } from 'node:net'
import { join } from 'node:path'
import { createServer, type Server } from 'node:tls'
import ts from 'typescript'
import { INCOMING, openQueue } from '../../src/library/spool/index.js'
import type { TestHost } from '../kit/ca.js'
import { startMiniBroker } from '../kit/mini-broker.js'
import { scratch } from '../kit/scratch.js'
import { createSite, startChild, type Site } from '../kit/site.js'
import { readText, root } from '../kit/source.js'

const examplesOf = (name: string): readonly string[] =>
  [...readText(name).matchAll(/^ *```ts\n([^]*?)^ *```$/gm)].map((found) => found[1] ?? '')

/** A project beside which the package is installed, as another program has it. */
function project(folder: string): void {
  mkdirSync(join(folder, 'node_modules'))
  symlinkSync(root, join(folder, 'node_modules', 'secure-stomp-messenger'))
  writeFileSync(join(folder, 'package.json'), '{"type":"module"}')
}

/** What the compiler says; the compiled files are beside their sources. */
function compile(files: readonly string[]): readonly string[] {
  const program = ts.createProgram([...files], {
    strict: true,
    exactOptionalPropertyTypes: true,
    target: ts.ScriptTarget.ES2022,
    module: ts.ModuleKind.NodeNext,
    moduleResolution: ts.ModuleResolutionKind.NodeNext,
    skipLibCheck: true,
    types: ['node'],
    typeRoots: [join(root, 'node_modules', '@types')],
  })
  const { diagnostics } = program.emit()
  return [...ts.getPreEmitDiagnostics(program), ...diagnostics].map(
    ({ file, messageText }) => `${file?.fileName ?? ''}: ${ts.flattenDiagnosticMessageText(messageText, '\n')}`,
  )
}

/** TLS in front of a broker. */
async function startTls(host: TestHost, behind: number): Promise<Server> {
  const server = createServer(
    { cert: readFileSync(host.certificateFile), key: readFileSync(host.keyFile) },
    (socket) => {
      const inner = connect(behind, '127.0.0.1')
      socket.on('error', () => inner.destroy()).pipe(inner)
      inner.on('error', () => socket.destroy()).pipe(socket)
    },
  )
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  return server
}

/** What the examples name, as it is here. */
function localized(text: string, site: Site, port: number): string {
  const { pki } = site
  const names: readonly (readonly [string, string])[] = [
    ['/var/spool/apel/outgoing', site.outgoing],
    ['/var/spool/apel', site.spool],
    ['/etc/apel/dns', site.dns],
    ['/etc/grid-security/hostcert.pem', pki.host.certificateFile],
    ['/etc/grid-security/hostkey.pem', pki.host.keyFile],
    ['/etc/grid-security/receiver.pem', pki.other.certificateFile],
    ['/etc/grid-security/receiver.key.pem', pki.other.keyFile],
    ['/etc/grid-security/certificates', pki.capath],
    ['msg.example.org', 'localhost'],
    ['61613', String(port)],
  ]
  return names.reduce((before, [name, here]) => before.replaceAll(name, here), text)
}

test('the examples of the library compile and run', async (t) => {
  const folder = scratch(t)
  project(folder)
  await using broker = await startMiniBroker()
  const site = createSite(join(folder), broker.port)
  const door = await startTls(site.pki.host, broker.port)
  t.after(() => door.close())
  const port = (door.address() as AddressInfo).port
  const examples = ['docs/library.md', 'README.md'].flatMap(examplesOf)
  assert.ok(examples.length >= 8, String(examples.length))
  const files = examples.map((text, at) => {
    const file = join(folder, `example${at}.ts`)
    writeFileSync(file, localized(text, site, port))
    return file
  })
  assert.deepEqual(compile(files), [])
  const said: string[] = []
  for (const [at, file] of files.entries()) {
    // What the consumer's example finds.
    if (examples[at]?.includes('incoming.claim') === true) await addIncoming(join(site.spool, 'incoming'))
    const ran = await startChild(process.execPath, [file.replace(/ts$/, 'js')]).ended
    assert.deepEqual([ran.code, ran.stderr], [0, ''], `${examples[at]}\n${ran.stdout}${ran.stderr}`)
    said.push(ran.stdout)
  }
  const { outgoing } = site
  const elements = readdirSync(outgoing).flatMap((name) => readdirSync(join(outgoing, name)))
  assert.equal(elements.length, examples.filter((text) => text.includes('QueueSimple(')).length)
  assert.ok(said.includes('/C=XX/CN=somebody noid 8\n'), said.join(''))
  assert.ok(said.includes(`${site.pki.host.dn} a record\n`), said.join(''))
  // Carried by one example, taken and acknowledged by the next.
  assert.deepEqual([broker.taken.length, broker.held()], [1, 0])
  assert.deepEqual(
    site.incoming().map(({ body, signer, empaid }) => [body, signer, empaid].map(String)),
    [['a record', site.pki.host.dn, '5f3a2b1c/5f3a2b1c0a0b0c']],
  )
})

async function addIncoming(path: string): Promise<void> {
  await openQueue(path, INCOMING).add({ body: Buffer.from('a record'), signer: '/C=XX/CN=somebody' })
}

test('an example with a wrong type does not compile', (t) => {
  const folder = scratch(t)
  project(folder)
  const file = join(folder, 'wrong.ts')
  writeFileSync(file, "import { QueueSimple } from 'secure-stomp-messenger'\nawait new QueueSimple('/x').add(5)\n")
  assert.equal(compile([file]).length, 1)
  const plain = "import { stompTransport } from 'secure-stomp-messenger/transport'\n"
  const unsealed = `const t = stompTransport({ addresses: [], tls: null, destination: '/queue/x' })
const p = await t.openPublisher(new AbortController().signal)
await p.publish({ id: 'x', body: Buffer.from('not sealed') }, new AbortController().signal)\n`
  writeFileSync(file, plain + unsealed)
  assert.match(compile([file]).join('\n'), /not assignable to type 'Sealed'/)
  writeFileSync(file, "import 'secure-stomp-messenger/dist/src/errors.js'\nimport 'secure-stomp-messenger/cli'\n")
  assert.equal(compile([file]).length, 2, 'nothing else can be imported')
})
