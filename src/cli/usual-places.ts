/**
 * Where programs look when the command line names no file.
 */
export const USUAL_CONFIG = { ssmsend: '/etc/apel/sender.cfg', ssmreceive: '/etc/apel/receiver.cfg' } as const

/** The list of the DNs that may send. */
export const USUAL_DNS = '/etc/apel/dns'
