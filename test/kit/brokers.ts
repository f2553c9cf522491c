/**
 * The brokers that tests run on, as a table: what holds for one must hold for all.
 *
 *     for (const { name, skip, start } of BROKERS) test(`… through ${name}`, { skip }, async () => { await using broker = await start() … })
 */
import { startActivemq, type ActiveMq, type ActiveMqOptions } from './activemq.js'
import { need } from './need.js'
import { startRabbitmq, type RabbitOptions } from './rabbitmq.js'

/** What every broker of the table can do. */
export type Broker = ActiveMq

/** What every broker of the table understands. */
export type BrokerOptions = Pick<RabbitOptions & ActiveMqOptions, 'tls' | 'users' | 'maxMessageSize'>

export interface BrokerKind {
  readonly name: string
  /** False, or why tests with it are skipped. */
  readonly skip: string | false
  readonly start: (options?: BrokerOptions) => Promise<Broker>
}

export const BROKERS: readonly BrokerKind[] = [
  { name: 'RabbitMQ', skip: need('rabbitmq'), start: startRabbitmq },
  {
    name: 'ActiveMQ',
    skip: need('activemq', 'openssl'),
    // The other connectors are those of the transport's tests.
    start: (options) => startActivemq({ ...options, nio: true }),
  },
]
