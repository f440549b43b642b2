import type { Registry } from '../core/registry.ts';
import type { Definition, DefinitionOf, Kind, Objects } from '../model/definitions.ts';
import { NOTHING, Normalizer } from './normalize.ts';
import type { ConfigInput } from './schema.ts';

/** A configuration as its objects, each with its place in the text. */
export class Outline implements Objects {
  readonly #objects = new Map<Kind, Map<string, { definition: Definition }>>();
  readonly #places: ReadonlyMap<Definition, string>;

  /** Takes a validated configuration. */
  constructor(config: ConfigInput, registry: Registry) {
    const normalizer = new Normalizer(NOTHING, registry);
    normalizer.config(config);
    this.#places = normalizer.places;
    for (const definition of normalizer.definitions) this.#mapOf(definition.kind).set(definition.name, { definition });
  }

  of<K extends Kind>(kind: K): ReadonlyMap<string, { readonly definition: DefinitionOf<K> }> {
    return this.#mapOf(kind) as unknown as Map<string, { readonly definition: DefinitionOf<K> }>;
  }

  all<K extends Kind>(kind: K): DefinitionOf<K>[] {
    return [...this.of(kind).values()].map(({ definition }) => definition);
  }

  /** A JSON pointer to where the object was written; of a rulelist, to where its rules were. */
  placeOf(definition: Definition): string {
    return this.#places.get(definition) ?? '';
  }

  #mapOf(kind: Kind): Map<string, { definition: Definition }> {
    const objects = this.#objects.get(kind) ?? new Map();
    this.#objects.set(kind, objects);
    return objects;
  }
}
