/**
 * The double by itself, for demonstrations and measurements:
 *
 *     node dist/test/kit/ams/main.js --port 8080 --project accounting --subscription ssm=ssm --latency 50
 *
 * It says the URL and the tokens, and runs until SIGINT or SIGTERM. `--certificate` and `--key` make it HTTPS; with `--state
 * FILE` it remembers from run to run.
 */
import { parseArgs } from 'node:util'
import { startAms } from './server.js'

const { values } = parseArgs({
  options: {
    port: { type: 'string', default: '0' },
    project: { type: 'string', default: 'accounting' },
    subscription: { type: 'string', multiple: true, default: ['ssm=ssm'] },
    latency: { type: 'string', default: '0' },
    'pull-time': { type: 'string', default: '0' },
    state: { type: 'string' },
    certificate: { type: 'string' },
    key: { type: 'string' },
    old: { type: 'boolean', default: false },
    json: { type: 'boolean', default: false },
  },
})

/** `SUBSCRIPTION=TOPIC`, or one name for both. */
const subscriptions = Object.fromEntries(
  values.subscription.map((each) => {
    const [name = '', topic = name] = each.split('=')
    return [name, topic]
  }),
)
const { certificate, key } = values

const ams = await startAms({
  port: Number(values.port),
  project: values.project,
  subscriptions,
  latency: Number(values.latency),
  pullTime: Number(values['pull-time']),
  server: values.old ? 'old' : 'present',
  logBodies: false,
  ...(values.state === undefined ? {} : { stateFile: values.state }),
  ...(certificate === undefined || key === undefined ? {} : { tls: { certificateFile: certificate, keyFile: key } }),
})

if (values.json) {
  console.log(JSON.stringify({ url: ams.url, port: ams.port, project: values.project, tokens: ams.tokens }))
} else {
  console.log(`AMS double: ${ams.url}/v1, project ${values.project}`)
  for (const [name, topic] of Object.entries(subscriptions)) console.log(`subscription ${name} of topic ${topic}`)
  for (const [who, token] of Object.entries(ams.tokens)) console.log(`token of ${who}: ${String(token)}`)
}

for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => void ams.stop())
