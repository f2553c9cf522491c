/**
 * The limits of the listener that are not options, each with its reason. Times in milliseconds, sizes in bytes.
 */
const MIB = 1024 * 1024

export const LISTENER_LIMITS = {
  /** From the TCP connection to a complete CONNECT, TLS and the judging of the certificate included. A far client needs a second. */
  connectMs: 10_000,
  /** In this time an unfinished frame must end or grow by `progressBytes`. */
  progressMs: 30_000,
  /** Half a KiB a second: slower than any modem, and a client that dribbles bytes does not reach it. */
  progressBytes: 16 * 1024,
  /** What must come instead while others wait for the memory that this unfinished frame holds. */
  crowdedBytes: MIB,
  /** Bodies in memory over all connections, complete or not. Beyond it sockets are paused. */
  bodiesInFlight: 64 * MIB,
  /** A client that does not read its answers for so long is gone. */
  answersMs: 30_000,
  /** Without heart-beats a silent client is kept so long; TCP keep-alive finds those that vanished. */
  idleMs: 3_600_000,
  keepAliveMs: 60_000,
  /** How long answers are waited for when a connection, or the listener, is to end. The programs drain as long. */
  drainMs: 20_000,
  /** After the last word: input is thrown away until the client closes, so that a reset does not overtake what we said. */
  lingerMs: 2_000,
  /** The same after a message that is too large: many clients write all of it before they read. */
  discardMs: 30_000,
  /** How often the deadlines above are looked at. */
  tickMs: 1_000,
  /** Lines a minute about refused clients; what is more is counted. */
  complaints: 20,
} as const

/** Kept in memory for a message besides its body and texts: an empty message is not free. */
export const MESSAGE_OVERHEAD = 512

export type ListenerLimits = { readonly [Name in keyof typeof LISTENER_LIMITS]: number }
