/** `secure-stomp-messenger/spool`: directories that hold messages, for producers and consumers. */
export { INCOMING, REJECT } from '../../spool/received.js'
export { MessageDirectory, QueueSimple } from '../../spool/producers.js'
export type { Claim, PurgeLimits, PurgeReport, Spool } from '../../spool/port.js'
export type { Fields, FieldType, SchemaTypes } from '../../spool/schema.js'
export type { Table } from '../../spool/table.js'
export type { MessageId } from '../../message.js'
export { openOutgoing, openQueue } from './queues.js'
