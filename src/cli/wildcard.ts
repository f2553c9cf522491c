/**
 * Patterns whose gaps stand for anything. Looked for part by part, in one go: what they are compared with may be hostile,
 * and long.
 */

/** `parts` in their order, with anything between them; the first begins the text, the last ends it. */
export function hasParts(text: string, [first = '', ...rest]: readonly string[]): boolean {
  const last = rest.pop()
  if (last === undefined) return text === first
  if (!text.startsWith(first)) return false
  let at = first.length
  for (const part of rest) {
    const found = text.indexOf(part, at)
    if (found === -1) return false
    at = found + part.length
  }
  return text.length - last.length >= at && text.endsWith(last)
}
