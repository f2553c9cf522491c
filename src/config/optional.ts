/** For `exactOptionalPropertyTypes`: a key that is only there when it has a value. */
export function optional<K extends string, V>(key: K, value: V | undefined): Partial<Record<K, V>> {
  return value === undefined ? {} : ({ [key]: value } as Record<K, V>) // TypeScript widens computed keys
}
