// Writes conf/sender.cfg, conf/receiver.cfg and conf/dns from the option table: `npm run build && node scripts/make-conf.mjs`.
import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { sampleConfig, sampleDns } from '../dist/src/config/print.js'

const conf = join(import.meta.dirname, '..', 'conf')
mkdirSync(conf, { recursive: true })
writeFileSync(join(conf, 'sender.cfg'), sampleConfig('sender'))
writeFileSync(join(conf, 'receiver.cfg'), sampleConfig('receiver'))
writeFileSync(join(conf, 'dns'), sampleDns())
