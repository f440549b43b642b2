/** What follows from the cluster: what the Gateway API's objects mean, and what each proxy should have. */
import type { Key, Snapshot } from './cluster/contract.ts';
import { type FrontChanges, GatewayFront } from './gateway/front.ts';
import { KINDS, type Kind } from './resources/kinds.ts';
import type { ProxyPod, Translation, TranslationOptions, Verdict, Wish } from './translation/contract.ts';
import { makeTranslation } from './translation/translation.ts';

/** What an update concerned. */
export interface Changes {
  readonly keys: readonly Key[];
  readonly front: FrontChanges;
  /** Uids of pods, as of the translation. */
  readonly proxies: ReadonlySet<string>;
  /** Full names, as of the translation. */
  readonly objects: ReadonlySet<string>;
}

export class Model {
  readonly front: GatewayFront;
  readonly #translation: Translation;

  /** Takes up all that there is. Throws where `update` does. */
  constructor(snapshot: Snapshot, options: TranslationOptions) {
    this.front = new GatewayFront(snapshot, options);
    this.#translation = makeTranslation(snapshot, options, this.front);
    this.update([...allKeys(snapshot)]);
  }

  get proxies(): ReadonlyMap<string, ProxyPod> {
    return this.#translation.proxies;
  }

  get verdicts(): ReadonlyMap<string, Verdict> {
    return this.#translation.verdicts;
  }

  wish(uid: string): Wish | undefined {
    return this.#translation.wish(uid);
  }

  /** Takes up what changed in the snapshot. If it throws, which is a defect, it is of no use any more. */
  update(keys: readonly Key[]): Changes {
    const front = this.front.update(keys);
    const { proxies, objects } = this.#translation.update(keys, front.derived);
    return { keys, front, proxies, objects };
  }
}

function* allKeys(snapshot: Snapshot): Iterable<Key> {
  for (const kind of Object.keys(KINDS) as Kind[]) {
    for (const { metadata } of snapshot.list(kind)) {
      yield { kind, namespace: metadata.namespace, name: metadata.name };
    }
  }
}
