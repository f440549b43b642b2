/** Keeps a copy of all objects of one resource in step with the API server. */
import type { ApiClient } from './api.ts';
import { Backoff, pause } from './backoff.ts';
import { ApiError, hasStatus } from './errors.ts';
import { list, type RawObject } from './list.ts';
import { pathOf, type Resource } from './resource.ts';
import { type WatchEvent, watch } from './watch.ts';

/** Who keeps the copy. It is told nothing but what is certain. */
export interface Sink<T> {
  /** All that there is; what it lacks has gone. */
  replace(objects: readonly T[]): void;
  set(object: T): void;
  remove(object: T): void;
}

/** In milliseconds. */
export interface Timings {
  readonly firstWait: number;
  readonly longestWait: number;
  /** Until an optional resource that is not served is looked for again. */
  readonly lookAgain: number;
  /** Of a watch: so long it takes at most, and `slack` more, to notice a connection that hangs. */
  readonly duration: number;
  readonly slack: number;
  readonly patience: number;
  /** Age of a list at which the end of a watch is followed by a new one: it mends what no watch tells, such as a restored etcd. */
  readonly relist: number;
}

const TIMINGS: Timings = {
  firstWait: 200,
  longestWait: 5000,
  lookAgain: 30_000,
  duration: 120_000,
  slack: 15_000,
  patience: 30_000,
  relist: 3_600_000,
};

/** Attempts after which an optional resource that we may not read counts as absent: roles take a moment to be known. */
const FORBIDDEN_ATTEMPTS = 5;

export type ReflectorState =
  | 'starting'
  /** There was a complete list; it is in step, or on its way back. */
  | 'listed'
  /** The API server does not serve it, or, where it is optional, does not let us read it. */
  | 'absent';

export interface ReflectorObserver {
  listed?(count: number): void;
  /** The state has changed. */
  turned?(state: ReflectorState, why: string): void;
  /** A watch is under way. */
  watching?(): void;
  /** Something went wrong, and is tried again in so many milliseconds. */
  failed?(error: unknown, wait: number): void;
}

export interface ReflectorOptions<T> {
  readonly api: ApiClient;
  readonly resource: Resource;
  /** Versions to try in turn where the server does not have the resource's. */
  readonly otherVersions?: readonly string[];
  /** All of them without one. */
  readonly namespace?: string | undefined;
  /** A cluster may lack it, and we need not be allowed to read it. */
  readonly optional?: boolean;
  decode(raw: RawObject): T;
  readonly sink: Sink<T>;
  readonly observer?: ReflectorObserver;
  readonly timings?: Partial<Timings>;
}

export class Reflector<T> {
  readonly #options: ReflectorOptions<T>;
  readonly #timings: Timings;
  readonly #backoff: Backoff;
  readonly #stop = new AbortController();
  readonly #versions: readonly string[];
  #path = '';
  #state: ReflectorState = 'starting';
  /** That of the last object or bookmark; undefined where a list is needed. */
  #resourceVersion: string | undefined;
  #forbidden = 0;
  #listedAt = 0;
  /** The last failure was an answer. */
  #hasAnswered = false;
  #running: Promise<void> | undefined;

  constructor(options: ReflectorOptions<T>) {
    this.#options = options;
    this.#timings = { ...TIMINGS, ...options.timings };
    this.#backoff = new Backoff(this.#timings.firstWait, this.#timings.longestWait);
    this.#versions = [options.resource.version, ...(options.otherVersions ?? [])];
  }

  get state(): ReflectorState {
    return this.#state;
  }

  start(): void {
    this.#running ??= this.#run();
  }

  async stop(): Promise<void> {
    this.#stop.abort();
    await this.#running;
  }

  async #run(): Promise<void> {
    const { signal } = this.#stop;
    while (!signal.aborted) {
      try {
        if (this.#resourceVersion === undefined) await this.#list();
        if (this.#resourceVersion === undefined) await pause(this.#lookAgain(), signal);
        else await this.#watch(this.#resourceVersion);
      } catch (error) {
        if (signal.aborted) return;
        // Gone: what has changed since; or the resource itself.
        if (hasStatus(error, 410, 404)) this.#resourceVersion = undefined;
        const wait = this.#waitAfter(error);
        this.#options.observer?.failed?.(error, wait);
        await pause(wait, signal);
      }
    }
  }

  #waitAfter(error: unknown): number {
    const isAnswer = error instanceof ApiError;
    // A server that was away, and answers again, is not left alone for as long as one that is away.
    if (isAnswer !== this.#hasAnswered) this.#backoff.reset();
    this.#hasAnswered = isAnswer;
    const asked = isAnswer ? (error.retryAfter ?? 0) : 0;
    return Math.max(this.#backoff.next(), Math.min(asked, this.#timings.longestWait));
  }

  /** Without a resource version afterwards it is absent, and may be so. */
  async #list(): Promise<void> {
    const { api, decode, sink, observer, resource, namespace } = this.#options;
    let absent: unknown;
    for (const version of this.#versions) {
      const path = pathOf({ ...resource, version }, { namespace });
      try {
        const { items, resourceVersion } = await list(api, path, decode, this.#stop.signal);
        this.#path = path;
        this.#resourceVersion = resourceVersion;
        this.#forbidden = 0;
        this.#listedAt = performance.now();
        sink.replace(items);
        observer?.listed?.(items.length);
        this.#turn('listed', path);
        return;
      } catch (error) {
        if (!this.#isAbsent(error)) throw error;
        absent = error;
      }
    }
    // What was there is kept: if the kind was deleted, its objects were, one by one, in the sight of the watch.
    if (this.#state === 'starting') this.#turn('absent', `${pathOf(resource)} is not served, or not readable`);
    // One that is needed will come soon, or come back.
    if (!this.#options.optional || this.#state === 'listed') throw absent;
  }

  #isAbsent(error: unknown): boolean {
    if (hasStatus(error, 404)) return true;
    return this.#options.optional === true && hasStatus(error, 403) && ++this.#forbidden >= FORBIDDEN_ATTEMPTS;
  }

  #lookAgain(): number {
    return this.#timings.lookAgain * (0.75 + Math.random() / 2);
  }

  async #watch(resourceVersion: string): Promise<void> {
    const { duration, slack, patience, relist } = this.#timings;
    const begun = performance.now();
    let events = 0;
    const options = {
      resourceVersion,
      duration: duration * (0.75 + Math.random() / 2),
      slack,
      patience,
      signal: this.#stop.signal,
      opened: () => this.#options.observer?.watching?.(),
    };
    await watch(this.#options.api, this.#path, options, (event) => {
      if (events++ === 0) this.#backoff.reset();
      this.#take(event);
    });
    // A server that ends each watch at once is not asked as fast as it can answer.
    if (events === 0 && performance.now() - begun < 1000) throw new Error(`the watch of ${this.#path} ended at once`);
    if (performance.now() - this.#listedAt > relist) this.#resourceVersion = undefined;
  }

  #take({ type, object }: WatchEvent): void {
    const { decode, sink } = this.#options;
    if (type === 'ADDED' || type === 'MODIFIED') sink.set(decode(object));
    else if (type === 'DELETED') sink.remove(decode(object));
    this.#resourceVersion = object.metadata.resourceVersion;
  }

  #turn(state: ReflectorState, why: string): void {
    if (state === this.#state) return;
    this.#state = state;
    this.#options.observer?.turned?.(state, why);
  }
}
