/** The one place where outside text becomes HTML. Whatever is put into a template is escaped, unless a template made it. */

const ESCAPES: Readonly<Record<string, string>> = {
  '&': '&amp;',
  '<': '&lt;',
  '>': '&gt;',
  '"': '&quot;',
  "'": '&#39;',
  '`': '&#96;',
}

export type Part = Html | string | number | readonly Part[]

/** Text that is HTML already. Only `html` makes it. */
export class Html {
  readonly text: string

  private constructor(text: string) {
    this.text = text
  }

  /** The template's own words as they are, everything between them escaped. */
  static make(words: readonly string[], parts: readonly Part[]): Html {
    return new Html(words.map((word, at) => (at === 0 ? word : `${textOf(parts[at - 1] ?? '')}${word}`)).join(''))
  }
}

export const html = (words: TemplateStringsArray, ...parts: readonly Part[]): Html => Html.make(words, parts)

function textOf(part: Part): string {
  if (part instanceof Html) return part.text
  if (typeof part === 'object') return part.map(textOf).join('')
  return String(part).replace(/[&<>"'`]/gu, (character) => ESCAPES[character] ?? '')
}
