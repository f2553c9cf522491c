/** What an idle `ssmsend` reads: files, by the coverage of V8, and modules of Node. */
import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { readFileSync, readdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { createSite } from './site.js'

interface Coverage {
  readonly result: readonly { readonly url: string }[]
}

export interface IdleRun {
  /** Files that were read as code. */
  readonly files: readonly string[]
  /** Modules of Node, by its own names. */
  readonly builtins: readonly string[]
}

/** Modules of Node that only transports and the status page need; each takes a millisecond or more. */
export const isHeavy = (builtin: string): boolean =>
  /^(?:https?|http2|zlib|tls|_tls_wrap|_http_\w+|inspector|vm|worker_threads|internal\/deps\/undici\/undici)$/.test(
    builtin,
  )

/** Runs that program over an empty spool, with `-c` or this way of naming the configuration. */
export function runIdle(folder: string, program: string, flag?: string): IdleRun {
  const site = createSite(folder, 9)
  site.configure()
  const [coverage, list, preload] = ['coverage', 'builtins', 'at-exit.cjs'].map((name) => join(folder, name)) as [
    string,
    string,
    string,
  ]
  const tell = `require('node:fs').writeFileSync(${JSON.stringify(list)}, process.moduleLoadList.join('\\n'))`
  writeFileSync(preload, `process.on('exit', () => ${tell})`)
  const named = flag === undefined ? ['-c', site.senderCfg] : [`${flag}${site.senderCfg}`]
  const result = spawnSync(process.execPath, ['-r', preload, program, ...named], {
    encoding: 'utf8',
    env: { ...process.env, NODE_V8_COVERAGE: coverage },
    timeout: 60_000,
  })
  assert.equal(result.status, 0, result.stdout + result.stderr)
  assert.match(site.log('ssmsend'), /No messages found to send\./)
  const scripts = readdirSync(coverage).flatMap((name) => {
    const { result: some } = JSON.parse(readFileSync(join(coverage, name), 'utf8')) as Coverage
    return some.filter(({ url }) => url.startsWith('file:'))
  })
  const files = scripts.map(({ url }) => fileURLToPath(url)).filter((file) => file !== preload)
  return {
    files: files.toSorted(),
    builtins: readFileSync(list, 'utf8')
      .split('\n')
      .flatMap((line) => /^NativeModule (.+)$/.exec(line)?.[1] ?? []),
  }
}
