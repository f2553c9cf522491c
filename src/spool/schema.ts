/**
 * Schemas of directory queues: which files an element has and how their bytes are read. Not stored on disk: both sides agree.
 */
import { SsmError } from '../errors.js'
import type { Table } from './table.js'
import { formatTable, parseTable } from './table.js'

/** A trailing `?` makes a field optional. */
export type FieldType = 'binary' | 'string' | 'table' | 'binary?' | 'string?' | 'table?'

export type SchemaTypes = Readonly<Record<string, FieldType>>

interface ValueOf {
  readonly binary: Uint8Array
  readonly string: string
  readonly table: Table
}

type Value<F extends FieldType> = F extends `${infer K extends keyof ValueOf}?`
  ? ValueOf[K]
  : F extends keyof ValueOf
    ? ValueOf[F]
    : never

type OptionalNames<S extends SchemaTypes> = { [K in keyof S]: S[K] extends `${string}?` ? K : never }[keyof S]

/** What `add` takes and `read` gives. Missing optional fields are absent. */
export type Fields<S extends SchemaTypes> = {
  readonly [K in Exclude<keyof S, OptionalNames<S>>]: Value<S[K]>
} & { readonly [K in OptionalNames<S>]?: Value<S[K]> }

type AnyValue = ValueOf[keyof ValueOf]

interface Codec {
  readonly encode: (value: AnyValue) => Uint8Array
  readonly decode: (bytes: Uint8Array) => AnyValue
}

/** One encoding a value: a byte order mark is text, half a surrogate pair is an error. */
function encodeText(text: AnyValue): Uint8Array {
  if (typeof text !== 'string') throw new TypeError('a string field takes a string')
  if (/\p{Surrogate}/u.test(text))
    throw new TypeError('a string field takes whole characters, not half surrogate pairs')
  return Buffer.from(text, 'utf8')
}

function decodeText(bytes: Uint8Array): string {
  return new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes)
}

const CODECS: Readonly<Record<keyof ValueOf, Codec>> = {
  binary: {
    encode: (value) => {
      if (!(value instanceof Uint8Array)) throw new TypeError('a binary field takes bytes')
      return value
    },
    decode: (bytes) => bytes,
  },
  string: { encode: encodeText, decode: decodeText },
  table: {
    // The cast: of the three kinds of value, what is neither text nor bytes is a table.
    encode: (value) => encodeText(formatTable(value as Table)),
    decode: (bytes) => parseTable(decodeText(bytes)),
  },
}

/** One field, resolved. */
export interface Field {
  readonly name: string
  readonly optional: boolean
  readonly codec: Codec
}

const FIELD_NAME = /^[0-9a-zA-Z]+$/

/** Checks a schema. Throws TypeError: a wrong schema is a programmer's mistake. */
export function resolveSchema(schema: SchemaTypes): readonly Field[] {
  const fields = Object.entries(schema).map(([name, type]) => {
    if (!FIELD_NAME.test(name) || name === 'locked') throw new TypeError(`${name} cannot be the name of a field`)
    const optional = type.endsWith('?')
    // The cast: FieldType has no other forms.
    return { name, optional, codec: CODECS[(optional ? type.slice(0, -1) : type) as keyof ValueOf] }
  })
  if (fields.every((field) => field.optional)) throw new TypeError('a schema needs a mandatory field')
  return fields
}

/** The bytes of each file. Throws TypeError for a missing, unknown or wrong value. */
export function encodeFields(fields: readonly Field[], item: object): readonly (readonly [string, Uint8Array])[] {
  // The cast: values are checked by their codecs.
  const values = item as Readonly<Record<string, AnyValue | undefined>>
  const known = new Set(fields.map((field) => field.name))
  for (const name of Object.keys(values)) {
    if (!known.has(name)) throw new TypeError(`the schema has no field ${name}`)
  }
  return fields.flatMap(({ name, optional, codec }) => {
    const value = values[name]
    if (value !== undefined) return [[name, codec.encode(value)] as const]
    if (optional) return []
    throw new TypeError(`the field ${name} is missing`)
  })
}

/** The value of a file. Throws SsmError `element-damaged`. */
export function decodeField(field: Field, bytes: Uint8Array, path: string): AnyValue {
  try {
    return field.codec.decode(bytes)
  } catch (cause) {
    throw new SsmError('element-damaged', `${path}: the field ${field.name} is not what the schema says`, { cause })
  }
}
