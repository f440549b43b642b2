/** Keeps the status of our objects at what is so. */

import type { Snapshot } from '../cluster/contract.ts';
import { type ApiClient, MERGE_PATCH } from '../kubernetes/api.ts';
import { pause } from '../kubernetes/backoff.ts';
import { hasStatus } from '../kubernetes/errors.ts';
import type { Events } from '../kubernetes/events.ts';
import { RateLimiter } from '../kubernetes/rate.ts';
import { pathOf } from '../kubernetes/resource.ts';
import { WorkQueue } from '../kubernetes/work-queue.ts';
import type { Proxies } from '../proxies/contract.ts';
import { KINDS, L7MP_KINDS, type L7mpKind } from '../resources/kinds.ts';
import type { ObjectOf, OwnStatus } from '../resources/objects.ts';
import type { Translation, Verdict } from '../translation/contract.ts';
import { isWritten, newsOf, statusFor, type Written } from './conditions.ts';
import type { Owners } from './owners.ts';
import { type Progress, progressOf, viewOf } from './progress.ts';

export interface StatusOptions {
  readonly api: ApiClient;
  readonly snapshot: Snapshot;
  readonly translation: Pick<Translation, 'verdicts' | 'proxies'>;
  readonly proxies: Pick<Proxies, 'state'>;
  readonly events: Events;
  readonly owners: Owners;
  observer?: StatusObserver;
  readonly timings?: Partial<StatusTimings>;
}

export interface StatusObserver {
  written(fullName: string): void;
  /** Tried again after so many milliseconds. */
  failed(fullName: string, message: string, wait: number): void;
}

/** In milliseconds. */
export interface StatusTimings {
  /** From a change to the status that tells of it: what else changes meanwhile is in the same. */
  readonly settle: number;
  /** For which it is not told that a proxy is being programmed. */
  readonly grace: number;
}

const TIMINGS: StatusTimings = { settle: 100, grace: 1000 };

/** Of looks at whether there is something to write: they are quick. */
const LOOKS = { concurrency: 8, perSecond: 2000, burst: 2000 } as const;

/** Of requests. */
const WRITES = { perSecond: 50, burst: 100 } as const;

/** A status that was written, until the cache has heard of it. */
interface Ahead {
  /** Version of the object in the cache when it was written. */
  readonly resourceVersion: string;
  readonly status: OwnStatus;
}

type Own = ObjectOf<L7mpKind>;

export class StatusWriter {
  readonly #options: StatusOptions;
  readonly #timings: StatusTimings;
  readonly #queue: WorkQueue;
  readonly #writes = new RateLimiter(WRITES);
  /** Proxies whose state has changed. */
  #dirty = new Set<string>();
  #spreading: NodeJS.Timeout | undefined;
  readonly #ahead = new Map<string, Ahead>();
  /** Until when it is not told that proxies are being programmed, in milliseconds of `performance.now()`. */
  readonly #graces = new Map<string, number>();

  constructor(options: StatusOptions) {
    this.#options = options;
    this.#timings = { ...TIMINGS, ...options.timings };
    this.#queue = new WorkQueue({
      ...LOOKS,
      work: (fullName, signal) => this.#work(fullName, signal),
      failed: (fullName, message, wait) => options.observer?.failed(fullName, message, wait),
    });
  }

  get depth(): number {
    return this.#queue.depth;
  }

  /** The object's verdict, or its status, is another one; or it has gone. */
  touch(fullName: string): void {
    this.#queue.add(fullName, this.#timings.settle);
  }

  /** The state of a pod's proxy is another one. */
  touchProxy(uid: string): void {
    this.#dirty.add(uid);
    this.#spreading ??= setTimeout(() => this.#spread(), this.#timings.settle);
  }

  async close(): Promise<void> {
    clearTimeout(this.#spreading);
    await this.#queue.close();
  }

  #spread(): void {
    const dirty = this.#dirty;
    this.#dirty = new Set();
    this.#spreading = undefined;
    const uids = [...dirty];
    for (const { fullName, proxies } of this.#options.translation.verdicts.values()) {
      if (uids.some((uid) => proxies.has(uid))) this.#queue.add(fullName);
    }
  }

  async #work(fullName: string, signal: AbortSignal): Promise<number | undefined> {
    const verdict = this.#options.translation.verdicts.get(fullName);
    const object = verdict && this.#objectOf(verdict);
    if (!verdict || !object) {
      this.#ahead.delete(fullName);
      this.#graces.delete(fullName);
      await this.#options.owners.forget(fullName, signal);
      return undefined;
    }
    const { translation, proxies } = this.#options;
    const progress = progressOf(verdict, viewOf(translation, proxies));
    const before = this.#statusOf(fullName, object);
    const after = statusFor(verdict, progress, before, new Date().toISOString().replace(/\.\d+Z$/, 'Z'));
    if (!isWritten(before, after)) {
      const wait = this.#wait(fullName, progress);
      if (wait > 0) return wait;
      // What changes meanwhile is looked at afterwards.
      await pause(this.#writes.reserve(), signal);
      await this.#write(verdict, object, before, after, signal);
    }
    if (progress.reason !== 'Pending') this.#graces.delete(fullName);
    await this.#tellOwners(verdict, after, signal);
    return undefined;
  }

  #objectOf({ key: { kind, namespace, name }, uid }: Verdict): Own | undefined {
    if (!Object.hasOwn(L7MP_KINDS, kind)) return undefined;
    const object = this.#options.snapshot.get(kind as L7mpKind, namespace, name);
    return object?.metadata.uid === uid ? object : undefined;
  }

  #statusOf(fullName: string, { metadata, status }: Own): OwnStatus | undefined {
    const ahead = this.#ahead.get(fullName);
    if (ahead?.resourceVersion === metadata.resourceVersion) return ahead.status;
    this.#ahead.delete(fullName);
    return status;
  }

  /** Milliseconds for which the proxies still have time to be programmed. */
  #wait(fullName: string, { reason }: Progress): number {
    if (reason !== 'Pending') return 0;
    const now = performance.now();
    const end = this.#graces.get(fullName) ?? now + this.#timings.grace;
    this.#graces.set(fullName, end);
    return end - now;
  }

  async #write(
    { key: { kind, namespace, name }, fullName, uid }: Verdict,
    { metadata: { resourceVersion } }: Own,
    before: OwnStatus | undefined,
    after: Written,
    signal: AbortSignal,
  ): Promise<void> {
    const { api, observer, events } = this.#options;
    try {
      const path = pathOf(KINDS[kind], { namespace, name, subresource: 'status' });
      // The uid: what has the name by now may be another object.
      const body = { metadata: { uid }, status: after };
      await api.request('PATCH', path, { body, contentType: MERGE_PATCH, signal });
    } catch (error) {
      // It has gone, or was made anew: the cache will say so.
      if (hasStatus(error, 404, 409)) return;
      throw error;
    }
    this.#ahead.set(fullName, { resourceVersion, status: { ...before, ...after } });
    observer?.written(fullName);
    const { group, version } = KINDS[kind];
    const regarding = { apiVersion: `${group}/${version}`, kind, namespace, name, uid };
    for (const { type, reason, note } of newsOf(before, after)) events.tell(type, regarding, reason, note);
  }

  async #tellOwners(
    { fullName, key, owners, generation }: Verdict,
    after: Written,
    signal: AbortSignal,
  ): Promise<void> {
    const isProgrammed = after.conditions.some(({ type, status }) => type === 'Programmed' && status === 'True');
    if (isProgrammed || owners.length === 0)
      await this.#options.owners.tell(fullName, { namespace: key.namespace, owners, generation }, signal);
  }
}
