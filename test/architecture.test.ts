/**
 * The shape of the house, as a test: who may import whom, which library lives in which room, and the rules of taste
 * that a machine can check. Changing a table here is a decision about the design; say why beside the line.
 */
import { test } from 'node:test'
import assert from 'node:assert/strict'
import ts from 'typescript'
import { filesBelow, lineOf, loadSource, parseFile, readText, roomOf, walk } from './kit/source.js'
import type { SourceFile } from './kit/source.js'

interface RoomRules {
  /** Rooms whose code may be used. `room/file` narrows it to that file. */
  readonly values: readonly string[]
  /** Rooms of which only types may be named (those of `values` are included). */
  readonly types: readonly string[]
  /** npm packages. */
  readonly packages: readonly string[]
  /** `node:` modules; without the prefix. `*` = all. */
  readonly node: readonly string[]
}

const every = ['message', 'errors', 'os', 'observe', 'spool', 'crypto', 'trust', 'envelope', 'transport', 'config']

const ROOMS: Readonly<Record<string, RoomRules>> = {
  message: { values: [], types: [], packages: [], node: [] },
  errors: { values: [], types: [], packages: [], node: [] },
  os: { values: ['errors'], types: [], packages: ['chokidar', 'proper-lockfile'], node: ['*'] },
  observe: { values: ['os', 'errors'], types: [], packages: [], node: ['fs', 'util', 'buffer', 'path'] },
  spool: {
    values: ['os', 'errors'],
    types: ['message'],
    packages: [],
    node: ['fs', 'fs/promises', 'path', 'crypto', 'buffer', 'util'],
  },
  crypto: {
    values: ['os', 'errors'],
    types: ['message'],
    packages: ['pkijs', 'asn1js'],
    // Pure functions over bytes: no files, no sockets.
    node: ['crypto', 'buffer', 'util'],
  },
  trust: {
    values: ['os', 'crypto', 'errors'],
    types: ['message'],
    packages: [],
    node: ['fs', 'fs/promises', 'path', 'crypto', 'buffer'],
  },
  envelope: {
    values: ['crypto', 'trust', 'errors'],
    types: ['message'],
    packages: [],
    node: ['crypto', 'buffer'],
  },
  transport: {
    values: ['os/clock', 'errors'],
    types: ['message', 'observe'],
    packages: ['@stomp/stompjs', 'ws', 'undici'],
    // `http` for the CONNECT of a web proxy: its parser and limits, over a socket of ours.
    node: ['net', 'tls', 'http', 'dns', 'dns/promises', 'stream', 'events', 'timers', 'crypto', 'buffer', 'util'],
  },
  config: { values: ['os', 'errors'], types: ['transport'], packages: [], node: ['path', 'buffer', 'net'] },
  // `message` for the table of reasons: how the error field of a reject begins is looked up there.
  pipeline: { values: ['os/clock', 'errors', 'message'], types: every, packages: [], node: ['crypto', 'buffer'] },
  cli: {
    values: [...every, 'pipeline'],
    types: [],
    packages: ['commander', 'cli-progress', 'prom-client'],
    node: ['*'],
  },
  bin: { values: ['cli'], types: [], packages: [], node: [] },
  // What other programs are given: the rooms with files, disk and clock of this machine put in. Nobody here imports it.
  library: { values: [...every], types: [], packages: [], node: [] },
  // The library for other programs: export lines only.
  index: { values: [...every], types: [], packages: [], node: [] },
}

/** Files that may name `process`, besides `bin`, each with the reason. */
const PROCESS_ALLOWED: Readonly<Record<string, string>> = {
  'os/process-identity.ts': 'who this process is, and whether another one is gone',
}

const MAX_LINES = 450
const MAX_FUNCTION_LINES = 40
const MEDIAN_LINES = 130
const BAD_NAMES = /^(utils?|helpers?|managers?|services?|base|common|misc)$/

const source = loadSource()

const allows = (list: readonly string[], room: string, path: string): boolean =>
  list.includes(room) || list.includes(path.replace(/\.ts$/, ''))

/** Every import of a file that the table forbids, as sentences. */
function forbiddenImports(file: SourceFile): readonly string[] {
  const rules = ROOMS[file.room]
  if (rules === undefined) return [`src/${file.path}: the room ${file.room} is not in the table`]
  return file.imports.flatMap((each) => {
    const at = `src/${file.path}:${each.line}`
    if (!each.own) return outsideAllowed(rules, each.target) ? [] : [`${at} may not import ${each.target}`]
    const room = roomOf(each.target)
    if (room === file.room || allows(rules.values, room, each.target)) return []
    if (!allows(rules.types, room, each.target)) return [`${at} may not import ${each.target}`]
    return each.typeOnly ? [] : [`${at} may import only types of ${each.target}`]
  })
}

function outsideAllowed(rules: RoomRules, name: string): boolean {
  if (name.startsWith('node:')) return rules.node.includes('*') || rules.node.includes(name.slice('node:'.length))
  return rules.packages.some((each) => name === each || name.startsWith(`${each}/`))
}

/** A cycle of a graph as the list of its members, or undefined. */
function findCycle(edges: ReadonlyMap<string, readonly string[]>): readonly string[] | undefined {
  const done = new Set<string>()
  const visit = (node: string, trail: readonly string[]): readonly string[] | undefined => {
    if (trail.includes(node)) return [...trail.slice(trail.indexOf(node)), node]
    if (done.has(node)) return undefined
    for (const next of edges.get(node) ?? []) {
      const cycle = visit(next, [...trail, node])
      if (cycle !== undefined) return cycle
    }
    done.add(node)
    return undefined
  }
  for (const node of edges.keys()) {
    const cycle = visit(node, [])
    if (cycle !== undefined) return cycle
  }
  return undefined
}

/** Lines of a function that are its own: those of functions inside it are counted there. */
function ownLines(ast: ts.SourceFile, node: ts.Node): number {
  const lines = (each: ts.Node) =>
    ast.getLineAndCharacterOfPosition(each.getEnd()).line - ast.getLineAndCharacterOfPosition(each.getStart(ast)).line
  let inner = 0
  const look = (child: ts.Node): void => {
    if (ts.isFunctionLike(child)) inner += lines(child)
    else ts.forEachChild(child, look)
  }
  ts.forEachChild(node, look)
  return lines(node) + 1 - inner
}

/** Breaches of the rules of taste in one file, as sentences. */
function breaches(file: SourceFile): readonly string[] {
  const found: string[] = []
  const say = (node: ts.Node, words: string) => {
    found.push(`src/${file.path}:${lineOf(file.ast, node)} ${words}`)
  }
  walk(file.ast, (node) => {
    if (ts.isEnumDeclaration(node)) say(node, 'declares an enum: use a table `as const`')
    if (ts.isExportAssignment(node)) say(node, 'has a default export')
    if (ts.isDecorator(node)) say(node, 'has a decorator')
    if (node.kind === ts.SyntaxKind.DefaultKeyword && !ts.isCaseOrDefaultClause(node.parent)) {
      say(node, 'has a default export')
    }
    if (ts.isFunctionLike(node) && ownLines(file.ast, node) > MAX_FUNCTION_LINES) {
      say(node, `has a function of ${ownLines(file.ast, node)} lines (limit ${MAX_FUNCTION_LINES})`)
    }
    if (ts.isIdentifier(node) && node.text === 'process' && isGlobal(node)) {
      if (file.room !== 'bin' && !(file.path in PROCESS_ALLOWED)) say(node, 'names `process`: take it as an argument')
    }
    if (ts.isExportDeclaration(node) && node.moduleSpecifier !== undefined && !file.path.endsWith('index.ts')) {
      say(node, 're-exports: only index.ts does')
    }
  })
  if (file.lines > MAX_LINES) found.push(`src/${file.path} has ${file.lines} lines (limit ${MAX_LINES})`)
  return found
}

/** Is this identifier the global, and not a property, a parameter or a declared name of ours? */
function isGlobal(node: ts.Identifier): boolean {
  const parent = node.parent
  const declaresOwn = (ts.isParameter(parent) || ts.isVariableDeclaration(parent)) && parent.name === node
  const isMember =
    (ts.isPropertyAccessExpression(parent) && parent.name === node) ||
    ((ts.isPropertyAssignment(parent) || ts.isPropertySignature(parent)) && parent.name === node)
  // Only `process.x` and `process` handed on: a local of the same name would be shadowing, which lint forbids anyway.
  return !declaresOwn && !isMember && ts.isPropertyAccessExpression(parent)
}

test('rooms import what the table allows, and nothing else', () => {
  assert.deepEqual(source.flatMap(forbiddenImports), [])
})

test('the import check can fail', () => {
  const paths = ['spool/x.ts', 'transport/x.ts', 'crypto/x.ts', 'trust/x.ts']
  const text = `import { a } from '../crypto/a.js'
import type { b } from '../message.js'
import { c } from '../pipeline/c.js'
import { type D } from '../observe/log.js'
import 'pkijs'
import 'node:child_process'
const e = await import('chokidar')`
  const bad = paths.map((path) => forbiddenImports(parseFile(path, text)).length)
  assert.deepEqual(bad, [6, 5, 4, 5])
})

test('no room and no file imports itself in a circle', () => {
  const files = new Map(
    source.map((file) => [file.path, file.imports.filter((i) => i.own && !i.typeOnly).map((i) => i.target)]),
  )
  assert.deepEqual(findCycle(files), undefined)
  const rooms = new Map(
    Object.entries(ROOMS).map(([room, rules]) => [room, [...rules.values, ...rules.types].map(roomOf)]),
  )
  assert.deepEqual(findCycle(rooms), undefined)
  assert.deepEqual(findCycle(new Map([['a', ['b']], ['b', ['c']], ['c', ['b']]])), ['b', 'c', 'b']) // prettier-ignore
})

test('taste: no enums, default exports, decorators, stray `process`, long files, long functions', () => {
  assert.deepEqual(source.flatMap(breaches), [])
})

test('the taste check can fail', () => {
  const long = `export function f() {\n${'  f()\n'.repeat(MAX_FUNCTION_LINES)}}\n`
  const text = `enum A { B }\nexport default 1\nexport { x } from './x.js'\nprocess.exit(1)\n${long}`
  assert.equal(breaches(parseFile('os/x.ts', text)).length, 5)
  assert.equal(breaches(parseFile('os/x.ts', '\n'.repeat(MAX_LINES + 1))).length, 1)
})

test('listed exceptions are still needed', () => {
  for (const path of Object.keys(PROCESS_ALLOWED)) {
    const file = source.find((each) => each.path === path)
    assert.ok(file?.text.includes('process.'), `${path} no longer names process: take it off the list`)
  }
})

test('index files hold export lines only', () => {
  const bad = source
    .filter((file) => file.path.endsWith('index.ts'))
    .flatMap((file) =>
      file.ast.statements.filter((s) => !ts.isExportDeclaration(s)).map((s) => `${file.path}: ${s.getText(file.ast)}`),
    )
  assert.deepEqual(bad, [])
})

test('folders and files are named after nouns of the matter', () => {
  const names = [...filesBelow('src'), ...filesBelow('test')].flatMap((path) =>
    path.split('/').map((part) => part.replace(/(\.test)?\.\w+$/, '')),
  )
  assert.deepEqual(
    names.filter((name) => BAD_NAMES.test(name)),
    [],
  )
})

test('test files keep the line limit too, and files of the source are short', (t) => {
  const long = filesBelow('test')
    .filter((path) => path.endsWith('.ts'))
    .filter((path) => readText(`test/${path}`).split('\n').length - 1 > MAX_LINES)
  assert.deepEqual(long, [])
  const sizes = source.map((file) => file.lines).sort((a, b) => a - b)
  const median = sizes[Math.floor(sizes.length / 2)] ?? 0
  t.diagnostic(`${sizes.length} source files, median ${median} lines, longest ${sizes.at(-1) ?? 0}`)
  assert.ok(median <= MEDIAN_LINES, `the median file has ${median} lines (limit ${MEDIAN_LINES})`)
})

test('every room has its line on the map', () => {
  const map = readText('src/README.md')
  const rooms = new Set(source.map((file) => file.room))
  assert.deepEqual(
    [...rooms].filter((room) => !map.includes(`${room}/`) && !map.includes(`${room}.ts`)),
    [],
  )
})
