/** Who depends on what: from dependents to the topics that they were made of, and back. Both are keys of their owner's making. */
export class Relation {
  readonly #topics = new Map<string, ReadonlySet<string>>();
  readonly #dependents = new Map<string, Set<string>>();

  /** In place of what the dependent depended on before. An empty set forgets it. */
  set(dependent: string, topics: ReadonlySet<string>): void {
    const before = this.#topics.get(dependent) ?? NONE;
    for (const topic of before) if (!topics.has(topic)) this.#part(dependent, topic);
    for (const topic of topics) if (!before.has(topic)) this.#join(dependent, topic);
    if (topics.size) this.#topics.set(dependent, topics);
    else this.#topics.delete(dependent);
  }

  /** Those that depend on it; a live view. */
  of(topic: string): ReadonlySet<string> {
    return this.#dependents.get(topic) ?? NONE;
  }

  #join(dependent: string, topic: string): void {
    const dependents = this.#dependents.get(topic);
    if (dependents) dependents.add(dependent);
    else this.#dependents.set(topic, new Set([dependent]));
  }

  #part(dependent: string, topic: string): void {
    const dependents = this.#dependents.get(topic);
    dependents?.delete(dependent);
    if (dependents?.size === 0) this.#dependents.delete(topic);
  }
}

const NONE: ReadonlySet<string> = new Set();
