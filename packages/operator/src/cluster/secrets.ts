/**
 * Secrets that something names. Each is read by itself, since who may list or watch Secrets may read them all; so that another
 * content is noticed, it is read again and again.
 */
import type { ApiClient } from '../kubernetes/api.ts';
import { hasStatus } from '../kubernetes/errors.ts';
import type { RawObject } from '../kubernetes/list.ts';
import { pathOf } from '../kubernetes/resource.ts';
import { WorkQueue } from '../kubernetes/work-queue.ts';
import { NAMED_KINDS } from '../resources/kinds.ts';
import type { Secret } from '../resources/objects.ts';
import { trim } from './trim.ts';

export interface SecretName {
  readonly namespace: string;
  readonly name: string;
}

export interface SecretsOptions {
  readonly api: ApiClient;
  set(secret: Secret): void;
  /** It is not there, or of no interest any more. */
  remove(secret: Secret): void;
  /** One that nothing was known of is known, or known to be unreadable. */
  settled(): void;
  /** The first of failures in a row, and the milliseconds until the next attempt. */
  failed?(message: string, wait: number): void;
  /** Milliseconds between two looks at one. */
  readonly interval?: number;
}

const INTERVAL = 10_000;

/** Failures, other than a refusal, after which one of which nothing is known holds nobody up any more. */
const ATTEMPTS = 3;

const FORBIDDEN = 'may not be read by the operator';

interface Wanted extends SecretName {
  state: 'unknown' | 'unreadable' | 'known';
  failures: number;
}

export class Secrets {
  readonly #options: SecretsOptions;
  readonly #queue: WorkQueue;
  #wanted = new Map<string, Wanted>();

  constructor(options: SecretsOptions) {
    this.#options = options;
    const { interval = INTERVAL, failed } = options;
    this.#queue = new WorkQueue({
      work: (key, signal) => this.#look(key, signal),
      failed: (key, message, wait) => {
        if (this.#wanted.get(key)?.failures === 1) failed?.(message, wait);
      },
      concurrency: 8,
      perSecond: 50,
      burst: 100,
      firstWait: Math.min(500, interval),
      longestWait: interval,
    });
  }

  /** Something is known of each that is wanted. */
  get isSettled(): boolean {
    return [...this.#wanted.values()].every(({ state }) => state !== 'unknown');
  }

  /** These, and no others. */
  want(names: Iterable<SecretName>): void {
    const before = this.#wanted;
    this.#wanted = new Map();
    for (const { namespace, name } of names) {
      const key = `${namespace}/${name}`;
      const known = before.get(key) ?? this.#wanted.get(key);
      this.#wanted.set(key, known ?? { namespace, name, state: 'unknown', failures: 0 });
      if (!known) this.#queue.add(key);
    }
    for (const [key, wanted] of before) if (!this.#wanted.has(key)) this.#options.remove(empty(wanted));
  }

  close(): Promise<void> {
    return this.#queue.close();
  }

  async #look(key: string, signal: AbortSignal): Promise<number | undefined> {
    const { api, interval = INTERVAL } = this.#options;
    const wanted = this.#wanted.get(key);
    if (!wanted) return undefined;
    const { namespace, name } = wanted;
    try {
      const raw = await api.request<RawObject>('GET', pathOf(NAMED_KINDS.Secret, { namespace, name }), { signal });
      this.#take(key, wanted, trim('Secret', raw));
    } catch (error) {
      if (!hasStatus(error, 404)) {
        wanted.failures++;
        this.#missed(key, wanted, error);
        throw error;
      }
      this.#take(key, wanted, undefined);
    }
    return this.#wanted.get(key) === wanted ? interval : undefined;
  }

  #take(key: string, wanted: Wanted, secret: Secret | undefined): void {
    // It may have been of no interest meanwhile.
    if (this.#wanted.get(key) !== wanted) return;
    wanted.failures = 0;
    if (secret) this.#options.set(secret);
    else this.#options.remove(empty(wanted));
    this.#turn(wanted, 'known');
  }

  /** What is known stays so while it cannot be read. */
  #missed(key: string, wanted: Wanted, error: unknown): void {
    const isForbidden = hasStatus(error, 403);
    if (this.#wanted.get(key) !== wanted || wanted.state !== 'unknown') return;
    if (!isForbidden && wanted.failures < ATTEMPTS) return;
    this.#options.set({ ...empty(wanted), unreadable: isForbidden ? FORBIDDEN : 'cannot be read' });
    this.#turn(wanted, 'unreadable');
  }

  #turn(wanted: Wanted, state: 'unreadable' | 'known'): void {
    const isFirst = wanted.state === 'unknown';
    wanted.state = state;
    if (isFirst) this.#options.settled();
  }
}

function empty({ namespace, name }: SecretName): Secret {
  const metadata = { name, namespace, uid: '', resourceVersion: '', generation: 0, creationTimestamp: '' };
  return { kind: 'Secret', metadata: { ...metadata, labels: {}, annotations: {} }, type: '', data: {} };
}
