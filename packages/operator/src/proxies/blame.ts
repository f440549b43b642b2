/** Which object of a whole configuration the proxy will not have: what it says begins with where, or with kind and name. */
import type { Wish } from '../translation/contract.ts';
import { KINDS, type Kind, WORDS } from './objects.ts';

interface Blamed {
  readonly kind: Kind | 'endpoints';
  /** Its place in the list of its kind, or its name. */
  readonly at: number | string;
}

const BY_WORD = new Map(Object.entries(WORDS).map(([kind, word]) => [word as string, kind as Kind | 'endpoints']));

/** Undefined where no object is to blame. */
export function blamedBy(reason: string): Blamed | undefined {
  const [, list, place] = /^\/([a-z]+)\/(\d+)(?=[/:])/.exec(reason) ?? [];
  if (list !== undefined && KINDS.includes(list as Kind)) return { kind: list as Kind, at: Number(place) };
  const [, word, name] = /^([a-z]+) (\S+): /.exec(reason) ?? [];
  const kind = BY_WORD.get(word ?? '');
  return kind && name !== undefined ? { kind, at: name } : undefined;
}

/** The object of a wish that is to blame; `body` is the whole configuration that was sent. Undefined where it is none of it. */
export function culpritIn(want: Wish, reason: string, body: Buffer): { kind: Kind; name: string } | undefined {
  const blamed = blamedBy(reason);
  if (!blamed) return undefined;
  const { kind, at } = blamed;
  if (kind === 'endpoints') {
    for (const [name, { endpoints }] of want.clusters) if (endpoints.has(String(at))) return { kind: 'clusters', name };
    return undefined;
  }
  const name: unknown = typeof at === 'string' ? at : JSON.parse(body.toString())[kind]?.[at]?.name;
  return typeof name === 'string' && want[kind].has(name) ? { kind, name } : undefined;
}
