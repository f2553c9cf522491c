/**
 * The newest so many keys, with the names of what was stored under them.
 */
export class KeyRing {
  readonly #limit: number
  readonly #names = new Map<string, string>()

  constructor(limit: number) {
    this.#limit = limit
  }

  add(key: string, name: string): void {
    this.#names.delete(key)
    this.#names.set(key, name)
    if (this.#names.size <= this.#limit) return
    for (const oldest of this.#names.keys()) {
      this.#names.delete(oldest)
      break
    }
  }

  nameOf(key: string): string | undefined {
    return this.#names.get(key)
  }
}
