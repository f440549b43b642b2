/** Events about objects, as `kubectl describe` shows them: events.k8s.io/v1. */
import type { ApiClient } from './api.ts';
import { messageOf } from './errors.ts';
import { RateLimiter } from './rate.ts';
import { pathOf } from './resource.ts';

const EVENTS = { group: 'events.k8s.io', version: 'v1', plural: 'events' } as const;

/** What an event is about. */
export interface Regarding {
  readonly apiVersion: string;
  readonly kind: string;
  readonly namespace: string;
  readonly name: string;
  readonly uid: string;
}

export interface EventOptions {
  readonly api: ApiClient;
  /** The controller's name, as `l7mp.io/operator`, and this replica's. */
  readonly controller: string;
  readonly instance: string;
  failed?(message: string): void;
}

/** Longest note that the API server takes, in bytes: https://kubernetes.io/docs/reference/kubernetes-api/cluster-resources/event-v1/ */
const MAX_NOTE = 1024;

/** Events that wait to be sent; more are not made. */
const MAX_WAITING = 100;

/** Objects whose rate is remembered. */
const MAX_OBJECTS = 4096;

/** As client-go: 25 about one object at once, then one in 5 minutes. */
const PER_OBJECT = { perSecond: 1 / 300, burst: 25 };

export class Events {
  readonly #options: EventOptions;
  readonly #rates = new Map<string, RateLimiter>();
  readonly #stop = new AbortController();
  #waiting = 0;
  #sent = Promise.resolve();
  #count = 0;

  constructor(options: EventOptions) {
    this.#options = options;
  }

  /** Sends it some time, one after the other. An event is news, not state: one that fails, or is too much, is left out. */
  tell(type: 'Normal' | 'Warning', regarding: Regarding, reason: string, note: string): void {
    if (this.#stop.signal.aborted || this.#waiting >= MAX_WAITING || !this.#rate(regarding.uid).take()) return;
    this.#waiting++;
    const body = this.#event(type, regarding, reason, note);
    this.#sent = this.#sent.then(() => this.#send(regarding.namespace, body));
  }

  async close(): Promise<void> {
    this.#stop.abort();
    await this.#sent;
  }

  async #send(namespace: string, body: unknown): Promise<void> {
    this.#waiting--;
    const { signal } = this.#stop;
    if (signal.aborted) return;
    try {
      await this.#options.api.request('POST', pathOf(EVENTS, { namespace }), { body, signal, timeout: 5000 });
    } catch (error) {
      if (!signal.aborted) this.#options.failed?.(messageOf(error));
    }
  }

  #event(type: string, regarding: Regarding, reason: string, note: string) {
    const time = new Date();
    const suffix = `${time.getTime().toString(16)}${(this.#count++ & 0xfff).toString(16).padStart(3, '0')}`;
    return {
      apiVersion: 'events.k8s.io/v1',
      kind: 'Event',
      // A name has 253 characters at most, as the object's.
      metadata: { name: `${regarding.name.slice(0, 200)}.${suffix}`, namespace: regarding.namespace },
      eventTime: time.toISOString().replace('Z', '000Z'),
      type,
      reason,
      note: cut(note),
      action: 'Reconcile',
      regarding,
      reportingController: this.#options.controller,
      reportingInstance: this.#options.instance.slice(0, 128),
    };
  }

  #rate(uid: string): RateLimiter {
    const known = this.#rates.get(uid);
    if (known) return known;
    if (this.#rates.size >= MAX_OBJECTS) this.#rates.clear();
    const rate = new RateLimiter(PER_OBJECT);
    this.#rates.set(uid, rate);
    return rate;
  }
}

function cut(note: string): string {
  const bytes = Buffer.from(note);
  if (bytes.length <= MAX_NOTE) return note;
  // What is left of a character at the end is replaced by one that is three bytes long.
  return `${bytes.subarray(0, MAX_NOTE - 6).toString()}…`;
}
