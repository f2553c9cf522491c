// Writes the bill of materials (CycloneDX, JSON) of what packages and images contain: node scripts/make-sbom.mjs FILE.
// From the lock file alone. npm puts a random number and the time into it: here both follow from the contents and from
// SOURCE_DATE_EPOCH, so that the same sources give the same bytes.
import { createHash } from 'node:crypto'
import { execFileSync } from 'node:child_process'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'

const repository = join(import.meta.dirname, '..')
const target = process.argv[2]
if (target === undefined) throw new Error('usage: node scripts/make-sbom.mjs FILE')

const args = ['sbom', '--sbom-format', 'cyclonedx', '--omit', 'dev', '--package-lock-only']
const sbom = JSON.parse(execFileSync('npm', args, { cwd: repository, encoding: 'utf8', maxBuffer: 64 * 1024 * 1024 }))
// Where this machine fetched a package is no property of it.
for (const component of sbom.components) delete component.externalReferences
delete sbom.metadata.tools
// npm takes the name from the folder.
sbom.metadata.component.name = 'secure-stomp-messenger'
sbom.metadata.component.type = 'application'
const epoch = Number(process.env.SOURCE_DATE_EPOCH ?? 0)
sbom.metadata.timestamp = new Date(epoch * 1000).toISOString()
delete sbom.serialNumber
const hash = createHash('sha256').update(JSON.stringify(sbom)).digest('hex')
// A UUID of version 8 (RFC 9562, section 5.8): made of what the caller likes, here the digest.
const uuid = [hash.slice(0, 8), hash.slice(8, 12), `8${hash.slice(13, 16)}`, `8${hash.slice(17, 20)}`]
sbom.serialNumber = `urn:uuid:${[...uuid, hash.slice(20, 32)].join('-')}`
writeFileSync(target, `${JSON.stringify(sbom, null, 2)}\n`)
