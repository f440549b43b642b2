/** What pods that are selected by the same objects have: which of these, which of them in vain, and what those refer to. */
import { type Claim, collide, describe, wantsApiPort } from './ports.ts';
import { byAge, type Unit } from './unit.ts';
import type { Units } from './units.ts';

export interface Arrangement {
  /** Their names, sorted. */
  readonly units: ReadonlySet<string>;
  /** Units that give way, with why. */
  readonly conflicts: ReadonlyMap<string, string>;
  /** Units to those that they refer to and that are not for these pods. */
  readonly missing: ReadonlyMap<string, ReadonlySet<string>>;
}

export function arrange(selected: readonly string[], units: Units, apiPort: number): Arrangement {
  const known = selected.flatMap((name) => units.get(name) ?? []);
  const conflicts = conflictsAmong(known, apiPort);
  const placed = known.map(({ identity }) => identity.name).filter((name) => !conflicts.has(name));
  const closure = new Closure(new Set(placed), units);
  return { units: new Set([...closure.units].sort()), conflicts, missing: closure.missing };
}

/** The units for which two arrangements are not the same. */
export function differences(a: Arrangement, b: Arrangement): Set<string> {
  return a === b ? new Set() : new Set([...missingFrom(a, b), ...missingFrom(b, a)]);
}

/** Those of which the one says what the other does not. */
function* missingFrom(one: Arrangement, other: Arrangement): Iterable<string> {
  for (const unit of one.units) if (!other.units.has(unit)) yield unit;
  for (const [unit, why] of one.conflicts) if (other.conflicts.get(unit) !== why) yield unit;
  for (const [unit, used] of one.missing) if (!isSameSet(used, other.missing.get(unit))) yield unit;
}

function isSameSet(a: ReadonlySet<string>, b: ReadonlySet<string> | undefined): boolean {
  return a.size === b?.size && [...a].every((name) => b.has(name));
}

/** Of two that want the same socket the older one has it; of two of one age, the first by name. */
function conflictsAmong(units: readonly Unit[], apiPort: number): Map<string, string> {
  const conflicts = new Map<string, string>();
  const taken = new Taken();
  for (const unit of units.filter(({ claim }) => claim).sort(byAge)) {
    const { claim, identity } = unit;
    if (!claim) continue;
    const other = taken.near(claim).find((one) => one.claim && collide(one.claim, claim));
    if (wantsApiPort(claim, apiPort))
      conflicts.set(identity.name, `${describe(claim)} is taken by the proxy's own API`);
    else if (other) conflicts.set(identity.name, `${describe(claim)} is taken by ${nameOf(other)}`);
    else taken.add(claim, unit);
  }
  return conflicts;
}

/** Units by what they have. Most have one port, and are found by it; ranges are few. */
class Taken {
  readonly #single = new Map<number, Unit[]>();
  readonly #ranges: Unit[] = [];

  add({ port, last }: Claim, unit: Unit): void {
    if (last > port) this.#ranges.push(unit);
    else this.#single.set(port, [...(this.#single.get(port) ?? []), unit]);
  }

  /** Those that may have what is claimed, and others. */
  near({ port, last }: Claim): readonly Unit[] {
    const single = last > port ? [...this.#single.values()].flat() : (this.#single.get(port) ?? []);
    return [...single, ...this.#ranges];
  }
}

function nameOf({ identity: { key } }: Unit): string {
  return `the ${key.kind} ${key.name} in ${key.namespace}`;
}

/** Who has it, has what it refers to: but what has a selector of its own is where that says, and nowhere else. */
class Closure {
  readonly units = new Set<string>();
  readonly missing = new Map<string, Set<string>>();
  readonly #placed: ReadonlySet<string>;
  readonly #known: Units;

  constructor(placed: ReadonlySet<string>, known: Units) {
    this.#placed = placed;
    this.#known = known;
    for (const name of placed) this.#add(name);
  }

  #add(name: string): void {
    const unit = this.#known.get(name);
    if (!unit || this.units.has(name)) return;
    this.units.add(name);
    for (const used of unit.uses) this.#use(name, used);
    for (const list of unit.rulelists.keys()) {
      for (const rule of this.#known.insertionsInto(list)) {
        if (this.#known.get(rule)?.placement === undefined) this.#add(rule);
      }
    }
  }

  #use(name: string, used: string): void {
    if (this.#known.get(used)?.placement === undefined || this.#placed.has(used)) this.#add(used);
    else this.missing.set(name, (this.missing.get(name) ?? new Set()).add(used));
  }
}
