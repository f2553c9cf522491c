/**
 * What is found out about a certificate or a CRL is found out once: they are immutable, and kept as long as somebody else keeps
 * them.
 */

/** Answers from memory what it was asked before. What throws is tried again. */
export function oncePer<K extends object, V extends object | string | number | boolean | null>(
  find: (key: K) => V,
): (key: K) => V {
  const found = new WeakMap<K, V>()
  return (key) => {
    const known = found.get(key)
    if (known !== undefined) return known
    const value = find(key)
    found.set(key, value)
    return value
  }
}
