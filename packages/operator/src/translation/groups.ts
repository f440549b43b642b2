/**
 * Proxies that are selected by the same objects have the same wish: they are a group, and what one of these objects changes is
 * made once for all of them.
 */

import { Relation } from '../cluster/relation.ts';
import { type Arrangement, arrange, differences } from './arrangement.ts';
import type { Wish } from './contract.ts';
import type { PodRecord, Selection } from './pods.ts';
import type { UnitChange, Units } from './units.ts';
import { isSameWish, NO_WISH, type Wishes } from './wishes.ts';

export interface Group {
  /** Uids. Never changed, only replaced. */
  readonly pods: ReadonlySet<string>;
  readonly arrangement: Arrangement;
}

interface HeldGroup {
  readonly id: string;
  pods: Set<string>;
  arrangement: Arrangement;
  wish: Wish;
}

const NOTHING: Arrangement = { units: new Set(), conflicts: new Map(), missing: new Map() };

/** What a proxy had before an update. */
interface Had {
  readonly wish: Wish | undefined;
  readonly arrangement: Arrangement;
}

export interface GroupUpdate {
  /** Pods whose selections, or the objects of these, are others now; those that have gone are told of by `gone`. */
  readonly moved: ReadonlySet<PodRecord>;
  readonly gone: ReadonlySet<PodRecord>;
  readonly units: ReadonlyMap<string, UnitChange>;
  /** Names of clusters that are others now. */
  readonly clusters: ReadonlySet<string>;
  /** Selections from which objects have come or gone: their keys. */
  readonly selections: ReadonlySet<string>;
}

/** What has changed for others. */
export interface GroupChanges {
  /** Uids of proxies with another wish, or that have come or gone. */
  readonly proxies: Set<string>;
  /** Units that may have come to, or gone from, pods; or that are in conflict there, or not any more. */
  readonly units: Set<string>;
}

export class Groups {
  readonly #units: Units;
  readonly #wishes: Wishes;
  readonly #apiPort: number;
  readonly #groups = new Map<string, HeldGroup>();
  readonly #byPod = new Map<string, HeldGroup>();
  /** Unit to the selection of its pods. */
  readonly #placements = new Relation();
  /** Group to its selections, and to the units in it, those in conflict among them. */
  readonly #selections = new Relation();
  readonly #members = new Relation();

  constructor(units: Units, wishes: Wishes, apiPort: number) {
    this.#units = units;
    this.#wishes = wishes;
    this.#apiPort = apiPort;
  }

  wish(uid: string): Wish | undefined {
    return this.#byPod.get(uid)?.wish;
  }

  /** Those that have the unit, or in which it is in conflict. */
  *of(unit: string): Iterable<Group> {
    for (const id of this.#members.from(unit)) yield this.#groups.get(id) as HeldGroup;
  }

  /** A unit is placed by another selection now. Returns the pods that have to be grouped anew for it. */
  place(unit: string, old: Selection | undefined, selection: Selection | undefined): PodRecord[] {
    if (old === selection) return [];
    this.#placements.replace(unit, selection ? [selection.key] : []);
    const countOf = ({ key }: Selection): number => this.#placements.from(key).size;
    return [
      ...(old && countOf(old) === 0 ? old.pods : []),
      ...(selection && countOf(selection) === 1 ? selection.pods : []),
    ];
  }

  update(update: GroupUpdate): GroupChanges {
    const changes: GroupChanges = { proxies: new Set(), units: new Set() };
    const moved = this.#regroup(update);
    const stale = this.#stale(update);
    for (const group of stale) this.#rearrange(group, changes);
    for (const group of this.#holding(update.clusters)) {
      if (!stale.has(group)) this.#setWish(group, this.#wishes.refresh(group.wish, update.clusters), changes);
    }
    this.#compareMoved(moved, changes);
    return changes;
  }

  // ------------------------------------------------------------------ own

  /** Returns what the proxies had that have another group now, or have come or gone. */
  #regroup({ moved, gone }: GroupUpdate): Map<string, Had> {
    const before = new Map<string, Had>();
    const copied = new Set<HeldGroup>();
    const podsOf = (group: HeldGroup): Set<string> => {
      if (!copied.has(group)) group.pods = new Set(group.pods);
      copied.add(group);
      return group.pods;
    };
    for (const pod of [...gone, ...moved]) {
      const { uid } = pod;
      const old = this.#byPod.get(uid);
      const group = gone.has(pod) || !pod.proxy ? undefined : this.#groupOf(pod);
      if (old === group) continue;
      before.set(uid, { wish: old?.wish, arrangement: old?.arrangement ?? NOTHING });
      if (old) {
        podsOf(old).delete(uid);
        this.#byPod.delete(uid);
      }
      if (group) {
        podsOf(group).add(uid);
        this.#byPod.set(uid, group);
      }
    }
    for (const group of copied) if (group.pods.size === 0) this.#drop(group);
    return before;
  }

  #groupOf({ selections }: PodRecord): HeldGroup {
    const keys = [...selections].flatMap(({ key }) => (this.#placements.from(key).size > 0 ? key : [])).sort();
    const id = keys.join('\n');
    const known = this.#groups.get(id);
    if (known) return known;
    const group: HeldGroup = { id, pods: new Set(), arrangement: NOTHING, wish: NO_WISH };
    this.#groups.set(id, group);
    this.#selections.replace(id, keys);
    this.#fresh.add(group);
    return group;
  }

  /** Not arranged yet. */
  readonly #fresh = new Set<HeldGroup>();

  #drop(group: HeldGroup): void {
    this.#groups.delete(group.id);
    this.#fresh.delete(group);
    this.#selections.remove(group.id);
    this.#members.remove(group.id);
  }

  /** Those for which what changed may have changed who is in them. */
  #stale({ units, selections }: GroupUpdate): Set<HeldGroup> {
    const stale = new Set(this.#fresh);
    this.#fresh.clear();
    const add = (ids: Iterable<string>): void => {
      for (const group of this.#named(ids)) stale.add(group);
    };
    for (const key of selections) add(this.#selections.from(key));
    for (const [name, change] of units) {
      for (const one of [name, ...this.#units.usersOf(name), ...listsOf(change)]) add(this.#members.from(one));
    }
    return stale;
  }

  #holding(clusters: ReadonlySet<string>): Set<HeldGroup> {
    const units = new Set([...clusters].flatMap((cluster) => [...this.#units.holdersOf(cluster)]));
    return new Set([...units].flatMap((unit) => this.#named(this.#members.from(unit))));
  }

  #rearrange(group: HeldGroup, changes: GroupChanges): void {
    const keys = this.#selections.to(group.id);
    const selected = [...keys].flatMap((key) => [...this.#placements.from(key)]);
    const arrangement = arrange(selected, this.#units, this.#apiPort);
    const differing = differences(group.arrangement, arrangement);
    if (differing.size > 0) {
      group.arrangement = arrangement;
      this.#members.replace(group.id, [...arrangement.units, ...arrangement.conflicts.keys()]);
      for (const unit of differing) changes.units.add(unit);
    }
    this.#setWish(group, this.#wishes.make(group.arrangement.units, group.wish), changes);
  }

  #setWish(group: HeldGroup, wish: Wish, changes: GroupChanges): void {
    if (wish === group.wish) return;
    group.wish = wish;
    for (const uid of group.pods) changes.proxies.add(uid);
  }

  /** Many may have moved from one group to another one: these two are compared once. */
  #compareMoved(moved: ReadonlyMap<string, Had>, changes: GroupChanges): void {
    const compared = new Map<Arrangement, Set<Arrangement>>();
    for (const [uid, { wish, arrangement }] of moved) {
      const group = this.#byPod.get(uid);
      if (wish && group && isSameWish(wish, group.wish)) changes.proxies.delete(uid);
      else changes.proxies.add(uid);
      const now = group?.arrangement ?? NOTHING;
      const known = compared.get(arrangement) ?? new Set();
      if (known.has(now)) continue;
      compared.set(arrangement, known.add(now));
      for (const unit of differences(arrangement, now)) changes.units.add(unit);
    }
  }

  #named(ids: Iterable<string>): HeldGroup[] {
    return [...ids].flatMap((id) => this.#groups.get(id) ?? []);
  }
}

/** A Rule changes the rulelist that it goes into. */
function listsOf({ old, unit }: UnitChange): string[] {
  return [old, unit].flatMap((one) => (one?.insertion ? [...one.uses] : []));
}
