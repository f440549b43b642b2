/** The units of all objects, and how they hang together. */
import { isDeepStrictEqual } from 'node:util';
import { Relation } from '../cluster/relation.ts';
import { compile } from './compile.ts';
import { type Inputs, Reader } from './inputs.ts';
import { keepMap } from './keep.ts';
import type { Unit } from './unit.ts';

export interface UnitChange {
  readonly old: Unit | undefined;
  readonly unit: Unit | undefined;
}

export class Units {
  readonly #inputs: Inputs;
  readonly #open: boolean;
  readonly #units = new Map<string, Unit>();
  readonly #reads = new Relation();
  readonly #uses = new Relation();
  readonly #clusters = new Relation();
  readonly #insertions = new Relation();

  constructor(inputs: Inputs, open: boolean) {
    this.#inputs = inputs;
    this.#open = open;
  }

  get(name: string): Unit | undefined {
    return this.#units.get(name);
  }

  /** Those that have read about it. */
  readersOf(topic: string): ReadonlySet<string> {
    return this.#reads.from(topic);
  }

  usersOf(name: string): ReadonlySet<string> {
    return this.#uses.from(name);
  }

  holdersOf(cluster: string): ReadonlySet<string> {
    return this.#clusters.from(cluster);
  }

  /** The Rules that want to be in a rulelist. */
  insertionsInto(list: string): ReadonlySet<string> {
    return this.#insertions.from(list);
  }

  /** Makes it anew. Undefined: it is what it was. */
  remake(name: string): UnitChange | undefined {
    const old = this.#units.get(name);
    const reader = new Reader(this.#inputs);
    const made = compile(name, reader, this.#open);
    this.#reads.replace(name, made ? reader.topics : []);
    if (isDeepStrictEqual(old, made)) return undefined;
    const unit = old && made ? keep(old, made) : made;
    if (unit) this.#units.set(name, unit);
    else this.#units.delete(name);
    this.#uses.replace(name, unit?.uses ?? []);
    this.#clusters.replace(name, unit?.clusters.keys() ?? []);
    this.#insertions.replace(name, unit?.insertion ? [unit.insertion.list] : []);
    return { old, unit };
  }
}

function keep(old: Unit, unit: Unit): Unit {
  return {
    ...unit,
    listeners: keepMap(old.listeners, unit.listeners),
    rulelists: keepMap(old.rulelists, unit.rulelists),
    rules: keepMap(old.rules, unit.rules),
    routes: keepMap(old.routes, unit.routes),
    clusters: keepMap(old.clusters, unit.clusters),
  };
}
