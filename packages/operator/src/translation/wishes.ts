/** The wish of an arrangement. */
import { isDeepStrictEqual } from 'node:util';
import type { Clusters } from './clusters.ts';
import type { Definition, Wish, WishedCluster } from './contract.ts';
import { isSameMap, keep } from './keep.ts';
import { byAge, type Unit } from './unit.ts';
import type { Units } from './units.ts';

export const NO_WISH: Wish = {
  clusters: new Map(),
  routes: new Map(),
  rules: new Map(),
  rulelists: new Map(),
  listeners: new Map(),
};

export class Wishes {
  readonly #units: Units;
  readonly #clusters: Clusters;
  /** Of lists into which no Rule goes, by their own rules: proxies share them. */
  readonly #rulelists = new WeakMap<readonly string[], Definition>();

  constructor(units: Units, clusters: Clusters) {
    this.#units = units;
    this.#clusters = clusters;
  }

  /** Parts that are as before stay the same objects; so does the whole. */
  make(names: ReadonlySet<string>, old: Wish): Wish {
    const units = [...names].flatMap((name) => this.#units.get(name) ?? []);
    const inserted = insertions(units);
    const gather = <V>(part: (unit: Unit) => Iterable<readonly [string, V]>, before: ReadonlyMap<string, V>) => {
      const gathered = new Map<string, V>();
      for (const unit of units) for (const [name, value] of part(unit)) gathered.set(name, value);
      return isSameMap(before, gathered) ? before : gathered;
    };
    const composed = (lists: Unit['rulelists']): [string, Definition][] =>
      [...lists].map(([name, own]) => {
        return [name, this.#compose(own, inserted.get(name) ?? [], old.rulelists.get(name))];
      });
    const wish: Wish = {
      clusters: gather(({ clusters }) => this.#wished(clusters.keys()), old.clusters),
      routes: gather(({ routes }) => routes, old.routes),
      rules: gather(({ rules }) => rules, old.rules),
      rulelists: gather(({ rulelists }) => composed(rulelists), old.rulelists),
      listeners: gather(({ listeners }) => listeners, old.listeners),
    };
    return isSameWish(old, wish) ? old : wish;
  }

  /** The same, with clusters as they are now; of `changed`, those that it has. */
  refresh(wish: Wish, changed: ReadonlySet<string>): Wish {
    const clusters = new Map(wish.clusters);
    for (const [name, cluster] of this.#wished(changed)) if (clusters.has(name)) clusters.set(name, cluster);
    return isSameMap(wish.clusters, clusters) ? wish : { ...wish, clusters };
  }

  // ------------------------------------------------------------------ own

  #wished(names: Iterable<string>): [string, WishedCluster][] {
    return [...names].flatMap((name): [string, WishedCluster][] => {
      const cluster = this.#clusters.get(name);
      return cluster ? [[name, cluster]] : [];
    });
  }

  #compose(own: readonly string[], inserted: readonly Unit[], old: Definition | undefined): Definition {
    if (inserted.length === 0) {
      const shared = this.#rulelists.get(own) ?? { rules: own };
      this.#rulelists.set(own, shared);
      return shared;
    }
    return keep(old, { rules: insert(own, inserted) });
  }
}

export function isSameWish(a: Wish, b: Wish): boolean {
  if (a === b) return true;
  const { rulelists: one, ...rest } = a;
  const { rulelists: other, ...others } = b;
  const parts = Object.keys(rest) as (keyof typeof rest)[];
  // Lists with Rules are made for each group, which may make the same.
  return isDeepStrictEqual(one, other) && parts.every((part) => isSameMap<unknown>(rest[part], others[part]));
}

/** The Rules for each list, the older ones first. */
function insertions(units: readonly Unit[]): Map<string, readonly Unit[]> {
  const byList = new Map<string, Unit[]>();
  for (const unit of units) {
    const list = unit.insertion?.list;
    if (list !== undefined) byList.set(list, [...(byList.get(list) ?? []), unit]);
  }
  for (const rules of byList.values()) rules.sort(byAge);
  return byList;
}

/** Each comes before the list's own rule at its position; where there are fewer, to the end. */
function insert(own: readonly string[], inserted: readonly Unit[]): readonly string[] {
  const at = (from: number, to: number): string[] => {
    const position = ({ insertion }: Unit): number => insertion?.position ?? 0;
    const units = inserted.filter((unit) => from <= position(unit) && position(unit) < to);
    return units.map(({ identity }) => identity.name);
  };
  return [...own.flatMap((rule, n) => [...at(n, n + 1), rule]), ...at(own.length, Number.POSITIVE_INFINITY)];
}
