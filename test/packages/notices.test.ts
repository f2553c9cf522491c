/** What we owe to others, and what is inside: licence texts and the bill of materials cover everything that is bundled. */
import { test } from 'node:test'
import assert from 'node:assert/strict'
import { readFileSync, readdirSync } from 'node:fs'
import { join } from 'node:path'
import { buildBundle, runScript } from '../kit/bundle.js'
import { scratch } from '../kit/scratch.js'

/** The npm packages of which code is in the bundles, by the bundler's marks. */
function bundled(folder: string): readonly string[] {
  buildBundle(folder)
  const files = ['bin', 'lib'].flatMap((each) =>
    readdirSync(join(folder, each)).map((name) => join(folder, each, name)),
  )
  const names = files.flatMap((file) => {
    const text = readFileSync(file, 'utf8')
    return [...text.matchAll(/^\/\/ (?:.*\/)?node_modules\/((?:@[^/\s]+\/)?[^/\s]+)\//gm)].map(
      (found) => found[1] ?? '',
    )
  })
  return [...new Set(names)]
}

test('every bundled library has its licence text and its line in the bill of materials', (t) => {
  const folder = scratch(t)
  const names = bundled(join(folder, 'lib'))
  assert.ok(names.includes('@stomp/stompjs') && names.includes('commander'), names.join())
  runScript('make-notices.mjs', join(folder, 'notices'))
  runScript('make-sbom.mjs', join(folder, 'sbom'))
  const notices = readFileSync(join(folder, 'notices'), 'utf8')
  const { components } = JSON.parse(readFileSync(join(folder, 'sbom'), 'utf8')) as {
    components: readonly { name: string; version: string; licenses?: unknown; hashes?: unknown }[]
  }
  for (const name of names) {
    const component = components.find((each) => each.name === name)
    assert.ok(component?.licenses !== undefined && component.hashes !== undefined, name)
    assert.ok(notices.includes(`\n${name} ${component.version} (`), name)
  }
  // What only builds and tests use is not shipped.
  assert.ok(!components.some((each) => each.name === 'typescript' || each.name === 'esbuild'))
  assert.match(notices, /Permission is hereby granted, free of charge/)
})

test('the bill of materials is the same each time, and knows no machine', (t) => {
  const folder = scratch(t)
  const [one, two] = ['one', 'two'].map((name) => {
    runScript('make-sbom.mjs', join(folder, name))
    return readFileSync(join(folder, name), 'utf8')
  })
  assert.equal(one, two)
  const sbom = JSON.parse(one ?? '') as { bomFormat: string; serialNumber: string; metadata: { component: unknown } }
  assert.equal(sbom.bomFormat, 'CycloneDX')
  assert.match(sbom.serialNumber, /^urn:uuid:[0-9a-f]{8}-[0-9a-f]{4}-8[0-9a-f]{3}-8[0-9a-f]{3}-[0-9a-f]{12}$/)
  assert.deepEqual((one ?? '').match(/https?:\/\/(?!cyclonedx\.org)[^"]*registry[^"]*/g), null)
})
