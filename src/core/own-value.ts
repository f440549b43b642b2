/** What a table has for a key that comes from outside: not what every object inherits, such as `constructor`. */
export function ownValue<V>(table: { readonly [key: string]: V }, key: string): V | undefined {
  return Object.hasOwn(table, key) ? table[key] : undefined;
}
