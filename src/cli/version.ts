/** The version as programs print it; a test compares it with package.json. */
export const VERSION = '5.0.0-alpha.1'
