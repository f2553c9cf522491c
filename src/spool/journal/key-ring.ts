/**
 * The newest so many keys, with the names of what was stored under them.
 */
export class KeyRing {
  readonly #limit: number
  readonly #names = new Map<string, string>()
  /**
   * The keys in a circle, in the order in which they came. A Map knows its oldest key too, but looks for it past all that
   * were deleted before: 20 µs for ten thousand.
   */
  readonly #order: string[] = []
  #at = 0

  constructor(limit: number) {
    this.#limit = limit
  }

  add(key: string, name: string): void {
    const isNew = !this.#names.has(key)
    this.#names.set(key, name)
    if (!isNew) return
    const oldest = this.#order[this.#at]
    if (oldest !== undefined) this.#names.delete(oldest)
    this.#order[this.#at] = key
    this.#at = (this.#at + 1) % this.#limit
  }

  nameOf(key: string): string | undefined {
    return this.#names.get(key)
  }
}
