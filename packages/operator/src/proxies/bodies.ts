/** What is sent, as JSON. Definitions are shared among proxies, and so are the bytes of them. */
import type { Wish, WishedCluster } from '../translation/contract.ts';
import type { Put } from './diff.ts';
import { KINDS, type Kind, type Wished, WORDS } from './objects.ts';
import type { Others } from './reading.ts';

/** Objects that go into a whole configuration in place of what is wished: undefined for none. */
export type Instead = ReadonlyMap<Wished, Wished | undefined>;

export class Bodies {
  /** Of each object, as part of a list: a comma, and its JSON with its name. */
  readonly #parts = new WeakMap<Wished, { readonly name: string; readonly bytes: Buffer }>();

  /** Of each wish the last one, which most proxies that share it get. */
  readonly #wholes = new WeakMap<Wish, { readonly others: Others; readonly bytes: Buffer }>();

  /** Of one object. */
  of({ kind, wished }: Put): string {
    return `{"${WORDS[kind]}":${textOf(kind, wished)}}`;
  }

  /** A whole configuration, with what is of others and what is wished. */
  whole(others: Others, want: Wish, instead: Instead): Buffer {
    if (instead.size > 0) return this.#whole(others, want, instead);
    const last = this.#wholes.get(want);
    if (last && KINDS.every((kind) => last.others[kind] === others[kind])) return last.bytes;
    const bytes = this.#whole(others, want, instead);
    this.#wholes.set(want, { others, bytes });
    return bytes;
  }

  #whole(others: Others, want: Wish, instead: Instead): Buffer {
    const parts = KINDS.flatMap((kind, n) => {
      const own = this.#list(kind, want[kind], instead);
      // Each begins with a comma.
      if (others[kind] === '' && own[0]) own[0] = own[0].subarray(1);
      return [Buffer.from(`${n === 0 ? '{' : '],'}"${kind}":[${others[kind]}`), ...own];
    });
    return Buffer.concat([...parts, Buffer.from(']}')]);
  }

  #list(kind: Kind, list: ReadonlyMap<string, Wished>, instead: Instead): Buffer[] {
    return Array.from(list).flatMap(([name, wished]) => {
      const one = instead.has(wished) ? instead.get(wished) : wished;
      return one ? [this.#part(kind, name, one)] : [];
    });
  }

  #part(kind: Kind, name: string, wished: Wished): Buffer {
    const known = this.#parts.get(wished);
    if (known?.name === name) return known.bytes;
    const bytes = Buffer.from(`,${named(name, textOf(kind, wished))}`);
    this.#parts.set(wished, { name, bytes });
    return bytes;
  }
}

function textOf(kind: Kind | 'endpoints', wished: Wished): string {
  if (kind !== 'clusters') return JSON.stringify(wished);
  const { definition, endpoints } = wished as WishedCluster;
  const list = Array.from(endpoints, ([name, endpoint]) => named(name, JSON.stringify(endpoint)));
  return withField(JSON.stringify(definition), `"endpoints":[${list.join()}]`);
}

function named(name: string, text: string): string {
  return withField(text, `"name":${JSON.stringify(name)}`);
}

function withField(object: string, field: string): string {
  return object === '{}' ? `{${field}}` : `{${field},${object.slice(1)}`;
}
