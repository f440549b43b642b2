import type { Ending } from '../data-plane/contract.ts';
import { type Definition, type Kind, keyOf } from '../model/definitions.ts';
import { childrenOf } from '../model/kinds.ts';
import type { Change } from '../model/step.ts';
import type { DefinitionStore } from './definition-store.ts';

/** What goes with an object that is deleted. */
export interface Removal {
  /** The objects that go, and those that from now on stand by themselves, since their owner goes without them. */
  readonly changes: Change[];
  /** The live sessions that end with it. */
  readonly endings: readonly Ending[];
}

/**
 * Collects an object and, recursively, what was written inline in it; what it only names stays. What goes does so even
 * where others name it: references are looked up late, and a new session that meets the gap fails alone.
 */
export class Remover {
  readonly #store: DefinitionStore;
  readonly #removed = new Map<string, Definition>();
  readonly #outliving: Change[] = [];

  constructor(store: DefinitionStore) {
    this.#store = store;
  }

  /** Throws E_UNKNOWN where there is no such object. */
  remove(kind: Kind, name: string, recursive: boolean): Removal {
    this.#add(kind, name, recursive);
    const removed = [...this.#removed.values()].map((before): Change => ({ before, after: undefined }));
    return {
      changes: [...this.#outliving, ...removed],
      endings: recursive ? [{ message: `the ${kind} ${name} was deleted`, ...this.#ending(kind, name) }] : [],
    };
  }

  /** An object and what was written inline in it. Throws E_UNKNOWN where there is none. */
  owned(kind: Kind, name: string): Definition[] {
    this.#add(kind, name, true);
    return [...this.#removed.values()];
  }

  #add(kind: Kind, name: string, recursive: boolean): void {
    const definition = this.#store.definition(kind, name);
    this.#removed.set(keyOf(definition), definition);
    if (kind === 'cluster') {
      for (const endpoint of this.#store.endpointsOf(name).keys())
        this.#removed.set(keyOf({ kind: 'endpoint', name: endpoint }), this.#store.definition('endpoint', endpoint));
    }
    for (const child of this.#writtenIn(definition)) {
      if (recursive) this.#add(child.kind, child.name, true);
      else this.#outliving.push({ before: child, after: { ...child, owner: undefined } });
    }
  }

  #writtenIn(definition: Definition): OwnedDefinition[] {
    const found = childrenOf(definition).map(([kind, name]) => this.#store.of(kind).get(name)?.definition);
    return [...new Set(found)].filter((child) => isOwnedBy(child, definition.name));
  }

  /**
   * A listener's sessions are those that it emitted, a cluster's those through it. Of what stands between them it is
   * those that went by a route that goes through a cluster that goes: other routes to that cluster keep their sessions.
   */
  #ending(kind: Kind, name: string): Omit<Ending, 'message'> {
    if (kind === 'listener') return { listeners: [name] };
    if (kind === 'endpoint') return { endpoints: [name] };
    const clusters = this.#namesOf('cluster');
    return kind === 'cluster' ? { clusters } : { clusters, routes: this.#namesOf('route') };
  }

  #namesOf(kind: Kind): string[] {
    return [...this.#removed.values()].filter((one) => one.kind === kind).map(({ name }) => name);
  }
}

type OwnedDefinition = Extract<Definition, { readonly owner: unknown }>;

function isOwnedBy(definition: Definition | undefined, owner: string): definition is OwnedDefinition {
  return definition !== undefined && 'owner' in definition && definition.owner === owner;
}
