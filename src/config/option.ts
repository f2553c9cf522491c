/**
 * What the option table says about an option.
 */

export type Program = 'sender' | 'receiver'

export interface Option {
  readonly section: string
  readonly key: string
  readonly who: Program | 'both'
  /** How the text is read; the parsers are in `values.ts`. */
  readonly type: OptionType
  /** As it would be written in a file. Absent: required, or without a value. */
  readonly default?: string
  /** The default with protocol AMS, where that is another one. */
  readonly amsDefault?: string
  readonly required?: true
  /** For `choice` and `choices`: the words allowed. */
  readonly choices?: readonly string[]
  /** Other spellings of the words. */
  readonly synonyms?: Readonly<Record<string, string>>
  /** For numbers, durations (ms) and sizes (bytes). */
  readonly min?: number
  readonly max?: number
  /** Matters with this protocol only; ignored with the other. */
  readonly only?: 'AMS'
  readonly secret?: true
  /** One sentence or two, for a person who edits the file. */
  readonly meaning: string
  /** Active in the shipped file, with this value. */
  readonly sample?: string | Readonly<Record<Program, string>>
  /** The sample is a placeholder: a file that still has it is refused. */
  readonly placeholder?: true
}

export type OptionType =
  | 'text'
  | 'path'
  | 'paths'
  | 'boolean'
  | 'integer'
  | 'duration'
  | 'size'
  | 'keep'
  | 'choice'
  | 'choices'
  | 'addresses'
  | 'urls'
  | 'address'
  | 'ca'
