/** What is sent, as JSON. Definitions are shared among proxies, and so are their texts. */
import type { Wish, WishedCluster } from '../translation/contract.ts';
import type { Put } from './diff.ts';
import { KINDS, type Kind, type Wished, WORDS } from './objects.ts';
import type { Others } from './reading.ts';

/** Objects that go into a whole configuration in place of what is wished: undefined for none. */
export type Instead = ReadonlyMap<Wished, Wished | undefined>;

export class Bodies {
  readonly #texts = new WeakMap<Wished, string>();
  /** The last list of each kind: proxies that should have the same are programmed one after the other. */
  readonly #last = new Map<Kind, { readonly list: ReadonlyMap<string, Wished>; readonly text: string }>();

  /** Of one object. */
  of({ kind, wished }: Put): string {
    return `{"${WORDS[kind]}":${this.#text(kind, wished)}}`;
  }

  /** A whole configuration, with what is of others and what is wished. */
  whole(others: Others, want: Wish, instead: Instead): string {
    const lists = KINDS.map((kind) => {
      const rest = others[kind].map((object) => JSON.stringify(object));
      const own = instead.size === 0 ? this.#list(kind, want[kind]) : this.#join(kind, replaced(want[kind], instead));
      return `"${kind}":[${[...rest, ...(own ? [own] : [])].join()}]`;
    });
    return `{${lists.join()}}`;
  }

  #list(kind: Kind, list: ReadonlyMap<string, Wished>): string {
    const known = this.#last.get(kind);
    if (known?.list === list) return known.text;
    const text = this.#join(kind, list);
    this.#last.set(kind, { list, text });
    return text;
  }

  #join(kind: Kind, list: Iterable<readonly [string, Wished]>): string {
    return Array.from(list, ([name, wished]) => named(name, this.#text(kind, wished))).join();
  }

  #text(kind: Kind | 'endpoints', wished: Wished): string {
    const known = this.#texts.get(wished);
    if (known !== undefined) return known;
    const text = kind === 'clusters' ? this.#cluster(wished as WishedCluster) : JSON.stringify(wished);
    this.#texts.set(wished, text);
    return text;
  }

  #cluster({ definition, endpoints }: WishedCluster): string {
    const list = Array.from(endpoints, ([name, endpoint]) => named(name, this.#text('endpoints', endpoint)));
    return withField(JSON.stringify(definition), `"endpoints":[${list.join()}]`);
  }
}

function* replaced(list: ReadonlyMap<string, Wished>, instead: Instead): Generator<readonly [string, Wished]> {
  for (const [name, wished] of list) {
    const other = instead.has(wished) ? instead.get(wished) : wished;
    if (other) yield [name, other];
  }
}

function named(name: string, text: string): string {
  return withField(text, `"name":${JSON.stringify(name)}`);
}

function withField(object: string, field: string): string {
  return object === '{}' ? `{${field}}` : `{${field},${object.slice(1)}`;
}
