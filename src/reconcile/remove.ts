import { type Definition, type Kind, keyOf } from '../model/definitions.ts';
import type { Change } from '../model/step.ts';
import type { Session } from '../session/session.ts';
import type { Store } from './store.ts';

/** What goes with an object that is deleted. */
export interface Removal {
  /** The objects that go, and those that from now on stand by themselves, since their owner goes without them. */
  readonly changes: Change[];
  /** Whether a live session ends with it. */
  ends(session: Session): boolean;
  /** The name of an endpoint whose sessions are disconnected from it. */
  readonly disconnects: string | undefined;
}

/**
 * Collects an object and, recursively, what was written inline in it; what it only names stays. What goes does so even
 * where others name it: references are looked up late, and a new session that meets the gap fails alone.
 */
export class Remover {
  readonly #store: Store;
  readonly #removed = new Map<string, Definition>();
  readonly #outliving: Change[] = [];

  constructor(store: Store) {
    this.#store = store;
  }

  /** Throws E_UNKNOWN where there is no such object. */
  remove(kind: Kind, name: string, recursive: boolean): Removal {
    this.#add(kind, name, recursive);
    const removed = [...this.#removed.values()].map((before): Change => ({ before, after: undefined }));
    return {
      changes: [...this.#outliving, ...removed],
      disconnects: recursive && kind === 'endpoint' ? name : undefined,
      ends: (session) => recursive && !isBeingAnswered(session) && this.#carries(kind, name, session),
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
    const found = references(definition).map(([kind, name]) => this.#store.of(kind).get(name)?.definition);
    return [...new Set(found)].filter((child) => isOwnedBy(child, definition.name));
  }

  /**
   * A listener's sessions are those that it emitted, a cluster's those through it. Of what stands between them it is
   * those that went by a route that goes through a cluster that goes: other routes to that cluster keep their sessions.
   */
  #carries(kind: Kind, name: string, session: Session): boolean {
    if (kind === 'listener') return session.listener.name === name;
    if (kind !== 'cluster' && !this.#isRemoved('route', session.route)) return false;
    return session.stages.some(({ cluster }) => this.#isRemoved('cluster', cluster.name));
  }

  #isRemoved(kind: Kind, name: string | undefined): boolean {
    return name !== undefined && this.#removed.has(keyOf({ kind, name }));
  }
}

type OwnedDefinition = Extract<Definition, { readonly owner: unknown }>;

function isOwnedBy(definition: Definition | undefined, owner: string): definition is OwnedDefinition {
  return definition !== undefined && 'owner' in definition && definition.owner === owner;
}

/** A complete request to the API, perhaps the one that asks for the deletion: it ends when it has its answer. */
function isBeingAnswered({ destination, source }: Session): boolean {
  return destination?.cluster.side.control === true && source.endRead;
}

/** What may have been written inline in the object: all that it names, but for rulelists to `apply`. */
function references(definition: Definition): [Kind, string][] {
  switch (definition.kind) {
    case 'listener':
      return [['rulelist', definition.rules]];
    case 'rulelist':
      return definition.rules.map((rule) => ['rule', rule]);
    case 'rule':
      return definition.route === undefined ? [] : [['route', definition.route]];
    case 'route':
      return [definition.destination, ...definition.ingress, ...definition.egress].map((cluster) => [
        'cluster',
        cluster,
      ]);
    default:
      return [];
  }
}
