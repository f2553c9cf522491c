/**
 * From the text of a value to the value, one parser per type of the option table. Each throws `BadValue` with a sentence
 * that says what is wrong and what to write; it never shows the value of a secret.
 */
import { isIP, isIPv6 } from 'node:net'
import { resolve } from 'node:path'
import { nearest, quoted } from './finding.js'
import type { Scheme } from '../transport/stomp/settings.js'
import type { Option, OptionType } from './option.js'

/** A host and its port. */
export interface Address {
  readonly host: string
  readonly port: number
}

/** A host, and its port where it names one. */
export interface HostEntry {
  readonly host: string
  readonly port?: number
}

/** `https` and `http` are AMS. */
export type UrlScheme = Scheme | 'https' | 'http'

/** The schemes of `url`, and the port of each that names none: IANA's, and for stomp+ssl the brokers' usual one. */
const URL_PORTS = {
  stomp: 61_613,
  'stomp+ssl': 61_614,
  ws: 80,
  wss: 443,
  https: 443,
  http: 80,
} as const satisfies Record<UrlScheme, number>

/** A broker as a URL. */
export interface BrokerUrl extends Address {
  readonly scheme: UrlScheme
  /** Path and query; `ws` and `wss` only. */
  readonly path?: string
}

/** What each type of option gives. */
export interface ParsedTypes {
  readonly text: string
  /** Absolute. */
  readonly path: string
  readonly paths: readonly string[]
  readonly boolean: boolean
  readonly integer: number
  /** Milliseconds. */
  readonly duration: number
  /** Bytes. */
  readonly size: number
  /** An age (ms), and a number of things where one is written. */
  readonly keep: { readonly age: number; readonly count?: number }
  readonly choice: string
  readonly choices: readonly string[]
  readonly addresses: readonly HostEntry[]
  readonly urls: readonly BrokerUrl[]
  readonly address: Address
  readonly ca: 'both' | 'capath' | 'system' | { readonly file: string }
}

export type Parsed = ParsedTypes[OptionType]

/** The text is not a value of the type. */
export class BadValue extends Error {}

type Range = Pick<Option, 'min' | 'max'>

type Parser<T> = (text: string, option: Option, cwd: string) => T

export const PARSERS: { readonly [T in OptionType]: Parser<ParsedTypes[T]> } = {
  text: oneLine,
  path: (text, _option, cwd) => parsePath(text, cwd),
  paths: parsePaths,
  boolean: parseBoolean,
  integer: parseInteger,
  duration: (text, option) => parseQuantity(text, option, DURATIONS),
  size: (text, option) => parseQuantity(text, option, SIZES),
  keep: parseKeep,
  choice: parseChoice,
  choices: (text, option) => listOf(text).map((word) => parseChoice(word, option)),
  addresses: parseHosts,
  urls: parseUrls,
  address: parseAddress,
  ca: (text, _option, cwd) => {
    const word = oneLine(text).toLowerCase()
    return word === 'both' || word === 'capath' || word === 'system' ? word : { file: parsePath(text, cwd) }
  },
}

/** ms, as `duration` options are written. Throws BadValue. */
export function parseDuration(text: string): number {
  return parseQuantity(text, {}, DURATIONS)
}

/** Bytes, as `size` options are written. Throws BadValue. */
export function parseSize(text: string): number {
  return parseQuantity(text, {}, SIZES)
}

function oneLine(text: string): string {
  if (text.includes('\n')) throw new BadValue('must be one line; is the line below it indented by mistake?')
  return text
}

function parsePath(text: string, cwd: string): string {
  // A path of 4 096 bytes is the most the system takes (limits.h).
  if (text.length > 4095) throw new BadValue('longer than 4095 characters: no path is.')
  return resolve(cwd, oneLine(text))
}

function parsePaths(text: string, _option: Option, cwd: string): readonly string[] {
  const words = listOf(text)
  if (words.length > 32) throw new BadValue('names more than 32 files.')
  return words.map((word) => parsePath(word, cwd))
}

// The words of Python's configparser.
const BOOLEANS = new Map([
  ...['1', 'yes', 'true', 'on'].map((word) => [word, true] as const),
  ...['0', 'no', 'false', 'off'].map((word) => [word, false] as const),
])

function parseBoolean(text: string): boolean {
  const value = BOOLEANS.get(text.toLowerCase())
  if (value === undefined) throw new BadValue(`${quoted(text)} is neither true nor false.`)
  return value
}

function parseInteger(text: string, option: Option): number {
  if (!/^[+-]?\d{1,15}$/u.test(text))
    throw new BadValue(`${quoted(text)} is not a whole number${range(option, String)}.`)
  return within(Number(text), text, option, String)
}

function within(value: number, text: string, option: Range, say: (value: number) => string): number {
  const { min = 0, max = Number.MAX_SAFE_INTEGER } = option
  if (value < min || value > max) throw new BadValue(`${quoted(text)} is out of range${range(option, say)}.`)
  return value
}

function range({ min, max }: Range, say: (value: number) => string): string {
  return min === undefined || max === undefined ? '' : `: write one from ${say(min)} to ${say(max)}`
}

/** Units, largest first; case does not matter. */
interface Units {
  readonly plain: string
  readonly examples: string
  readonly factors: ReadonlyMap<string, number>
}

const DURATIONS: Units = {
  plain: 's',
  examples: '30 s, 5 min, 24 h, 7 d',
  factors: new Map(Object.entries({ d: 86_400_000, h: 3_600_000, min: 60_000, m: 60_000, s: 1000, ms: 1 })),
}

const SIZES: Units = {
  plain: 'bytes',
  examples: '1500000, 64 KiB, 128 MiB, 1 GiB',
  factors: new Map(
    Object.entries({
      ...{ GiB: 1024 ** 3, MiB: 1024 ** 2, KiB: 1024, gb: 1e9, mb: 1e6, kb: 1000 },
      ...{ g: 1024 ** 3, m: 1024 ** 2, k: 1024, bytes: 1, b: 1 },
    }),
  ),
}

const KEEP_EXAMPLE = '7 d, 1000000'
const KEEP_COUNT = [1000, 10_000_000] as const

function parseQuantity(text: string, option: Range, units: Units): number {
  const [, digits = '', unit = ''] = /^(\d{1,15}(?:\.\d{1,6})?)\s*([a-z]*)$/iu.exec(text) ?? []
  const name = unit === '' ? units.plain : unit.toLowerCase()
  const factor = [...units.factors].find(([known]) => known.toLowerCase() === name)?.[1]
  if (digits === '' || factor === undefined) {
    throw new BadValue(
      `${quoted(text)} is not understood: write for example ${units.examples} (a plain number: ${units.plain}).`,
    )
  }
  return within(Math.round(Number(digits) * factor), text, option, (value) => said(value, units))
}

/** An age, and perhaps a number behind a comma. */
function parseKeep(text: string, option: Option): ParsedTypes['keep'] {
  const [age = '', digits, ...more] = oneLine(text)
    .split(',')
    .map((part) => part.trim())
  if (more.length > 0) {
    throw new BadValue(`${quoted(text)} has more than one comma: write an age and a number, as in ${KEEP_EXAMPLE}.`)
  }
  // Seconds or messages? A number alone could mean both.
  if (/^\d+$/u.test(age))
    throw new BadValue(`${quoted(text)} begins with a bare number: write an age, as in ${KEEP_EXAMPLE}.`)
  const parsed = { age: parseQuantity(age, option, DURATIONS) }
  if (digits === undefined) return parsed
  // People write a million with blanks or underscores between the thousands.
  if (!/^\d{1,3}(?:[ _]?\d{3}){0,3}$|^\d{1,12}$/u.test(digits)) {
    throw new BadValue(`${quoted(digits)} is not a whole number: write an age and a number, as in ${KEEP_EXAMPLE}.`)
  }
  const count = Number(digits.replaceAll(/[ _]/gu, ''))
  const [least, most] = KEEP_COUNT
  if (count < least || count > most) {
    throw new BadValue(`${quoted(digits)} is out of range: write a number from ${least} to ${most}.`)
  }
  return { ...parsed, count }
}

function said(value: number, { factors, plain }: Units): string {
  for (const [unit, factor] of factors) if (value >= factor && value % factor === 0) return `${value / factor} ${unit}`
  return `${value} ${plain}`
}

function parseChoice(text: string, option: Option): string {
  const { choices = [], synonyms = {} } = option
  const word = text.toLowerCase()
  const found = choices.find((choice) => choice.toLowerCase() === word)
  if (found !== undefined) return found
  if (Object.hasOwn(synonyms, word)) return synonyms[word] ?? ''
  const hint = nearest(
    word,
    choices.map((choice) => choice.toLowerCase()),
  )
  const meant = hint === undefined ? '' : ` (did you mean ${hint}?)`
  throw new BadValue(`${quoted(text)} is not one of ${choices.join(', ')}${meant}.`)
}

/** Words between commas or line ends. */
function listOf(text: string): string[] {
  const words = text.split(/[,\n]/u).map((word) => word.trim())
  return words.filter((word) => word !== '')
}

function parseHosts(text: string): readonly HostEntry[] {
  const entries = listOf(text).map(parseHost)
  if (entries.length === 0) throw new BadValue('names no host.')
  if (entries.length > 32) throw new BadValue('names more than 32 hosts.')
  return entries
}

function parseAddress(text: string): Address {
  const { host, port } = parseHost(oneLine(text))
  if (port === undefined)
    throw new BadValue(`${quoted(text)} has no port: write HOST:PORT, for example 127.0.0.1:61613.`)
  return { host, port }
}

/** `host`, `host:port`, `[v6]:port`, `[v6]`, or a bare IPv6 address. */
function parseHost(text: string): HostEntry {
  // Not asked about names: its pattern takes Node 3 ms to compile.
  if (text.includes(':') && isIPv6(text)) return { host: text }
  if (/^[a-z0-9+.-]+:\/\//iu.test(text)) {
    throw new BadValue(
      `${text.includes('@') ? 'this' : quoted(text)} is a URL: write the host name alone, or use url instead of host and port.`,
    )
  }
  const [, v6, name = '', digits] = /^(?:\[([0-9a-fA-F:.%\w]+)\]|([^\s:[\]/]+))(?::(\d{1,5}))?$/u.exec(text) ?? []
  const host = v6 ?? name
  if (v6 === undefined ? !isHostName(name) : isIP(v6) !== 6) {
    throw new BadValue(
      `${quoted(text)} is not a host: write a name or address, with a port as in broker.example.org:61614.`,
    )
  }
  if (digits === undefined) return { host }
  const port = Number(digits)
  if (port > 65_535) throw new BadValue(`${quoted(text)}: a port is at most 65535.`)
  return { host, port }
}

function parseUrls(text: string): readonly BrokerUrl[] {
  const urls = listOf(text).map(parseUrl)
  if (urls.length === 0) throw new BadValue('names no broker.')
  if (urls.length > 32) throw new BadValue('names more than 32 brokers.')
  return urls
}

/** `SCHEME://HOST[:PORT][/PATH][?QUERY]`. Never shows what may be a password. */
function parseUrl(text: string): BrokerUrl {
  if (text.includes('@')) {
    throw new BadValue('a URL here has no user and password (no @): write them as username and password_file.')
  }
  const [, name = '', place = '', path = ''] = /^([a-z][a-z0-9+.-]*):\/\/([^/?#\s]*)([/?][!-~]*)?$/iu.exec(text) ?? []
  const scheme = schemeOf(name.toLowerCase(), text)
  if (path.includes('#')) throw new BadValue(`${quoted(text)}: a URL here has no part after #.`)
  const { host, port = URL_PORTS[scheme] } = parseHost(place)
  if (port === 0) throw new BadValue(`${quoted(text)}: a port is at least 1.`)
  if (scheme === 'ws' || scheme === 'wss') {
    return { scheme, host, port, path: path.startsWith('/') ? path : `/${path}` }
  }
  if (path !== '' && path !== '/') throw new BadValue(`${quoted(text)}: ${scheme}:// has no path.`)
  return { scheme, host, port }
}

function schemeOf(name: string, text: string): UrlScheme {
  if (Object.hasOwn(URL_PORTS, name)) return name as UrlScheme // just looked up
  const known = Object.keys(URL_PORTS).filter((each) => each !== 'http')
  const words = `write one that begins with ${known.map((each) => `${each}://`).join(', ')}.`
  if (name === '') throw new BadValue(`${quoted(text)} is not a URL: ${words}`)
  const near = nearest(name, known)
  throw new BadValue(`${name}:// is not known here${near === undefined ? '' : ` (did you mean ${near}://?)`}: ${words}`)
}

/** RFC 1123 names, underscores tolerated; the dot at the end too. */
function isHostName(name: string): boolean {
  return name.length <= 254 && /^(?!-)[\p{L}\p{N}_-]+(?:\.[\p{L}\p{N}_-]+)*\.?$/u.test(name)
}

/** Is it this machine, as it is written? */
export function isLoopback(host: string): boolean {
  return host === 'localhost' || host === '::1' || /^127\.\d{1,3}\.\d{1,3}\.\d{1,3}$/u.test(host)
}
