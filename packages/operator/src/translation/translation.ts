import type { Key, Snapshot } from '../cluster/contract.ts';
import { fullName } from '../resources/names.ts';
import { Clusters } from './clusters.ts';
import type {
  Concerned,
  MakeTranslation,
  ProxyPod,
  Translation,
  TranslationOptions,
  Verdict,
  Wish,
} from './contract.ts';
import type { DerivedObjects } from './derived.ts';
import { type GroupChanges, Groups } from './groups.ts';
import { Inputs } from './inputs.ts';
import { PodChanges, type PodRecord, Pods, type Selection } from './pods.ts';
import { isOwnKind } from './source.ts';
import { type UnitChange, Units } from './units.ts';
import { isSameVerdict, judge } from './verdicts.ts';
import { Wishes } from './wishes.ts';

/**
 * The stages through which a change goes, each of which takes up what the ones before it say is another one now:
 * pods and selections, units (what comes from one object), clusters' endpoints, groups of pods (wishes), verdicts.
 */
class StagedTranslation implements Translation {
  readonly proxies = new Map<string, ProxyPod>();
  readonly verdicts = new Map<string, Verdict>();
  readonly #inputs: Inputs;
  readonly #snapshot: Snapshot;
  readonly #pods: Pods;
  readonly #units: Units;
  readonly #clusters: Clusters;
  readonly #groups: Groups;
  /** Of the units that have a selector. */
  readonly #selections = new Map<string, Selection>();

  constructor(snapshot: Snapshot, options: TranslationOptions, derived: DerivedObjects | undefined) {
    const { proxyPort, allowCrossNamespace } = options;
    this.#snapshot = snapshot;
    this.#inputs = new Inputs(snapshot, derived);
    this.#pods = new Pods(proxyPort);
    this.#units = new Units(this.#inputs, allowCrossNamespace);
    this.#clusters = new Clusters(this.#inputs, this.#pods);
    this.#groups = new Groups(this.#units, new Wishes(this.#units, this.#clusters), proxyPort);
  }

  wish(uid: string): Wish | undefined {
    return this.#groups.wish(uid);
  }

  update(changed: Iterable<Key>, derived: Iterable<string> = []): Concerned {
    const pods = new PodChanges();
    const topics = new Set(derived);
    for (const key of changed) this.#take(key, pods, topics);
    const units = this.#remakeUnits(topics);
    const moved = new Set(pods.moved);
    const selections = this.#placeUnits(units, moved);
    for (const topic of [...topics, ...pods.selections]) this.#clusters.touch(topic);
    const clusters = this.#clusters.refresh();
    const changes = this.#groups.update({ moved, gone: pods.gone, units, clusters, selections });
    this.#takeProxies(pods, moved, changes);
    return { proxies: changes.proxies, objects: this.#judge(new Set([...changes.units, ...units.keys()])) };
  }

  // ------------------------------------------------------------------ own

  #take(key: Key, pods: PodChanges, topics: Set<string>): void {
    const { kind, namespace, name } = key;
    if (kind === 'Pod') this.#pods.update(namespace, name, this.#snapshot.get('Pod', namespace, name), pods);
    for (const topic of this.#inputs.topicsOf(key)) topics.add(topic);
    if (isOwnKind(kind)) topics.add(fullName(kind, namespace, name));
  }

  /** What is called by the topic's name, and what has read about it. */
  #remakeUnits(topics: ReadonlySet<string>): Map<string, UnitChange> {
    const names = new Set<string>();
    for (const topic of topics) {
      if (topic.startsWith('/')) names.add(topic);
      for (const reader of this.#units.readersOf(topic)) names.add(reader);
    }
    const changes = new Map<string, UnitChange>();
    for (const name of names) {
      const change = this.#units.remake(name);
      if (!change) continue;
      changes.set(name, change);
    }
    for (const change of changes.values()) this.#planClusters(change);
    return changes;
  }

  #planClusters({ old, unit }: UnitChange): void {
    for (const [name, plan] of unit?.clusters ?? []) this.#clusters.plan(name, plan);
    for (const name of old?.clusters.keys() ?? []) {
      if (this.#units.holdersOf(name).size === 0) this.#clusters.plan(name, undefined);
    }
  }

  /** Returns the selections from which units have come or gone; adds the pods that have to be grouped anew. */
  #placeUnits(units: ReadonlyMap<string, UnitChange>, moved: Set<PodRecord>): Set<string> {
    const concerned = new Set<string>();
    for (const [name, { unit }] of units) {
      const old = this.#selections.get(name);
      const selection = unit?.placement && this.#pods.hold(unit.placement);
      for (const pod of this.#groups.place(name, old, selection)) moved.add(pod);
      if (selection) this.#selections.set(name, selection);
      else this.#selections.delete(name);
      for (const one of [old, selection]) if (one) concerned.add(one.key);
      if (old) this.#pods.release(old);
    }
    return concerned;
  }

  #takeProxies(pods: PodChanges, moved: ReadonlySet<PodRecord>, { proxies }: GroupChanges): void {
    for (const { uid } of pods.gone) this.proxies.delete(uid);
    for (const { uid, proxy } of [...moved, ...pods.proxies]) {
      if (proxy) this.proxies.set(uid, proxy);
      else this.proxies.delete(uid);
    }
    for (const { uid } of pods.proxies) proxies.add(uid);
  }

  /** Returns those of which something else is said now. */
  #judge(names: ReadonlySet<string>): Set<string> {
    const concerned = new Set<string>();
    for (const name of names) {
      const unit = this.#units.get(name);
      const old = this.verdicts.get(name);
      const verdict = unit && judge(unit, this.#groups.of(name));
      if (verdict && old && isSameVerdict(verdict, old)) continue;
      if (!verdict && !old) continue;
      if (verdict) this.verdicts.set(name, verdict);
      else this.verdicts.delete(name);
      concerned.add(name);
    }
    return concerned;
  }
}

/** Without any object yet: `update` takes up what is in the snapshot. */
export const makeTranslation: MakeTranslation = (snapshot, options, derived) =>
  new StagedTranslation(snapshot, options, derived);
