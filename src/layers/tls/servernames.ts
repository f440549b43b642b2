/** Which of several belongs to the name that a client has asked for. */
export class Servernames<T> {
  readonly #exact = new Map<string, T>();
  readonly #wild = new Map<string, T>();

  /** Of the same name, the first counts. */
  constructor(entries: Iterable<readonly [servernames: readonly string[], value: T]>) {
    for (const [names, value] of entries) {
      for (const name of names) this.#add(name.toLowerCase().replace(/\.$/, ''), value);
    }
  }

  /** A name counts before a wildcard, which stands for one label, the first (RFC 6125 section 6.4.3). */
  find(name: string): T | undefined {
    const dot = name.indexOf('.');
    return this.#exact.get(name) ?? (dot > 0 ? this.#wild.get(name.slice(dot)) : undefined);
  }

  /** For a client that asks for this name, or for none; else `own`, or undefined where unknown names are refused: `strict`. */
  choose(name: string | undefined, own: T | undefined, strict = false): T | undefined {
    const found = name === undefined ? undefined : this.find(name);
    return found || (name !== undefined && strict) ? found : own;
  }

  #add(name: string, value: T): void {
    const [map, key] = name.startsWith('*.') ? [this.#wild, name.slice(1)] : [this.#exact, name];
    if (!map.has(key)) map.set(key, value);
  }
}
