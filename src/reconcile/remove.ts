import type { Session } from '../session/session.ts';
import type { Definition, Kind } from './definitions.ts';
import type { Store } from './store.ts';

/** What goes with an object that is deleted. */
export interface Removal {
  readonly definitions: Definition[];
  /** Whether a live session ends with it. */
  ends(session: Session): boolean;
  /** The name of an endpoint whose sessions are disconnected from it. */
  readonly disconnects: string | undefined;
}

/**
 * Collects an object and, recursively, what was written inline in it. An object that others refer to by name goes too:
 * references are looked up late, and a session that meets the gap fails alone.
 */
export class Remover {
  readonly #store: Store;
  readonly #found = new Map<string, Definition>();

  constructor(store: Store) {
    this.#store = store;
  }

  /** Throws E_UNKNOWN where there is no such object. */
  remove(kind: Kind, name: string, recursive: boolean): Removal {
    this.#add(kind, name, recursive);
    const clusters = new Set<string>();
    for (const definition of this.#found.values()) if (definition.kind === 'cluster') clusters.add(definition.name);
    return {
      definitions: [...this.#found.values()],
      disconnects: recursive && kind === 'endpoint' ? name : undefined,
      ends: (session) =>
        recursive &&
        !isBeingAnswered(session) &&
        ((kind === 'listener' && session.listener.name === name) ||
          session.stages.some(({ cluster }) => clusters.has(cluster.name))),
    };
  }

  #add(kind: Kind, name: string, recursive: boolean): void {
    const definition = this.#store.definition(kind, name);
    const key = `${kind} ${name}`;
    if (this.#found.has(key)) return;
    this.#found.set(key, definition);
    if (definition.kind === 'cluster') {
      for (const endpoint of this.#store.endpointsOf(name).keys()) this.#add('endpoint', endpoint, recursive);
    }
    if (recursive) for (const [childKind, child] of children(definition)) this.#addInline(childKind, child);
  }

  #addInline(kind: Kind, name: string): void {
    const found = this.#store.of(kind).get(name);
    if (found?.definition.inline) this.#add(kind, name, true);
  }
}

/** A complete request to the API, perhaps the one that asks for the deletion: it ends when it has its answer. */
function isBeingAnswered({ destination, source }: Session): boolean {
  return destination?.cluster.side.control === true && source.endRead;
}

function children(definition: Definition): [Kind, string][] {
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
