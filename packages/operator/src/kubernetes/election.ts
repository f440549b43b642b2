/**
 * One of several replicas is the leader: who holds a Lease (coordination.k8s.io/v1). The algorithm is that of client-go's
 * leaderelection: whether a Lease has run out is judged by our own clock, from the moment at which we saw it change.
 */
import type { ApiClient } from './api.ts';
import { pause } from './backoff.ts';
import { hasStatus, messageOf } from './errors.ts';
import { pathOf } from './resource.ts';

const LEASES = { group: 'coordination.k8s.io', version: 'v1', plural: 'leases' } as const;

interface LeaseSpec {
  readonly holderIdentity?: string;
  readonly leaseDurationSeconds?: number;
  readonly acquireTime?: string;
  readonly renewTime?: string;
  readonly leaseTransitions?: number;
}

interface Lease {
  readonly apiVersion: 'coordination.k8s.io/v1';
  readonly kind: 'Lease';
  readonly metadata: { readonly name: string; readonly namespace: string; readonly resourceVersion?: string };
  readonly spec?: LeaseSpec;
}

export interface ElectionOptions {
  readonly api: ApiClient;
  readonly namespace: string;
  readonly name: string;
  /** Another one for each replica. */
  readonly identity: string;
  /** We lead from now on. */
  won(): void;
  /** We lead no more; another one may before this has resolved, if it takes too long. */
  lost(why: string): Promise<void>;
  /** Somebody else leads, as we have learned. */
  leader?(identity: string): void;
  failed?(message: string): void;
  readonly timings?: ElectionTimings;
}

/** In milliseconds. */
export interface ElectionTimings {
  /** For which others leave a Lease to its holder, after it was renewed. */
  readonly duration: number;
  /** After which a holder that could not renew it leads no more: well before others take over. */
  readonly deadline: number;
  readonly retry: number;
}

const TIMINGS: ElectionTimings = { duration: 15_000, deadline: 10_000, retry: 2000 };

/** Milliseconds for giving a Lease back. */
const RELEASE_TIME = 2000;

export class Election {
  readonly #options: ElectionOptions;
  readonly #timings: ElectionTimings;
  readonly #stop = new AbortController();
  #running: Promise<void> | undefined;
  #leads = false;
  /** What we saw last, and when it had changed. */
  #seen: Lease | undefined;
  #seenAt = 0;
  /** When the last request began that got us the Lease, in milliseconds of `performance.now()`: nobody takes it sooner after. */
  #renewed = 0;
  #leader: string | undefined;

  constructor(options: ElectionOptions) {
    this.#options = options;
    this.#timings = options.timings ?? TIMINGS;
  }

  get leads(): boolean {
    return this.#leads;
  }

  start(): void {
    this.#running ??= this.#run();
  }

  /** Gives the Lease back if it is ours. `lost` is not called: who stops has stopped its work. */
  async stop(): Promise<void> {
    this.#stop.abort();
    await this.#running;
    this.#leads = false;
    const signal = AbortSignal.timeout(RELEASE_TIME);
    try {
      // Asked for once more: what was under way may have arrived.
      const lease = await this.#read(signal);
      if (lease?.spec?.holderIdentity !== this.#options.identity) return;
      await this.#write({ ...lease.spec, holderIdentity: '', leaseDurationSeconds: 1, renewTime: now() }, signal);
    } catch (error) {
      this.#options.failed?.(`the Lease was not given back: ${messageOf(error)}`);
    }
  }

  async #run(): Promise<void> {
    const { signal } = this.#stop;
    while (!signal.aborted) {
      await this.#round();
      // Holders renew evenly; the others try at random, so that they do not meet.
      await pause(this.#timings.retry * (this.#leads ? 1 : 1 + Math.random() * 0.2), signal);
    }
  }

  async #round(): Promise<void> {
    const { deadline } = this.#timings;
    const begun = performance.now();
    const held = await this.#attempt(
      this.#leads ? Math.max(0, Math.floor(this.#renewed + deadline - begun)) : deadline,
    );
    if (held === this.#leads || this.#stop.signal.aborted) return;
    if (held) {
      this.#leads = true;
      this.#options.won();
    } else if (this.#leader !== undefined || performance.now() - this.#renewed >= deadline) {
      this.#leads = false;
      await this.#options.lost(this.#leader ? `${this.#leader} leads` : 'the Lease could not be renewed in time');
    }
  }

  /** Whether we hold it, after so many milliseconds at most. */
  async #attempt(patience: number): Promise<boolean> {
    const signal = AbortSignal.any([this.#stop.signal, AbortSignal.timeout(patience)]);
    try {
      const lease = await this.#read(signal);
      return await (lease ? this.#take(lease, signal) : this.#create(signal));
    } catch (error) {
      // Another one was quicker.
      if (!hasStatus(error, 409) && !this.#stop.signal.aborted)
        this.#options.failed?.(signal.aborted ? `no answer in ${patience} ms` : messageOf(error));
      return false;
    }
  }

  /** Renews it, or takes it if nobody has it any more. */
  async #take({ spec = {} }: Lease, signal: AbortSignal): Promise<boolean> {
    const { holderIdentity = '', leaseDurationSeconds = 0, acquireTime = now(), leaseTransitions = 0 } = spec;
    const isOurs = holderIdentity === this.#options.identity;
    const leftAt = this.#seenAt + leaseDurationSeconds * 1000;
    this.#hear(isOurs || holderIdentity === '' ? undefined : holderIdentity);
    if (!isOurs && holderIdentity !== '' && performance.now() < leftAt) return false;
    const since = isOurs
      ? { acquireTime, leaseTransitions }
      : { acquireTime: now(), leaseTransitions: leaseTransitions + 1 };
    const begun = performance.now();
    await this.#write({ ...this.#term(), ...since }, signal);
    this.#renewed = begun;
    this.#hear(undefined);
    return true;
  }

  #hear(leader: string | undefined): void {
    if (leader !== undefined && leader !== this.#leader) this.#options.leader?.(leader);
    this.#leader = leader;
  }

  #term(): LeaseSpec {
    return {
      holderIdentity: this.#options.identity,
      leaseDurationSeconds: Math.ceil(this.#timings.duration / 1000),
      renewTime: now(),
    };
  }

  async #read(signal: AbortSignal): Promise<Lease | undefined> {
    try {
      return this.#saw(await this.#options.api.request<Lease>('GET', this.#path(true), { signal }));
    } catch (error) {
      if (hasStatus(error, 404)) return undefined;
      throw error;
    }
  }

  async #create(signal: AbortSignal): Promise<boolean> {
    const spec = { ...this.#term(), acquireTime: now(), leaseTransitions: 0 };
    const { name, namespace } = this.#options;
    const begun = performance.now();
    const body: Lease = { apiVersion: 'coordination.k8s.io/v1', kind: 'Lease', metadata: { name, namespace }, spec };
    this.#saw(await this.#options.api.request<Lease>('POST', this.#path(false), { body, signal }));
    this.#renewed = begun;
    return true;
  }

  /** Fails with 409 if it is another one than we saw. */
  async #write(spec: LeaseSpec, signal: AbortSignal): Promise<void> {
    if (!this.#seen) throw new Error('no Lease was read');
    const body = { ...this.#seen, spec };
    this.#saw(await this.#options.api.request<Lease>('PUT', this.#path(true), { body, signal }));
  }

  #saw(lease: Lease): Lease {
    if (lease.metadata.resourceVersion !== this.#seen?.metadata.resourceVersion) this.#seenAt = performance.now();
    this.#seen = lease;
    return lease;
  }

  #path(named: boolean): string {
    const { namespace, name } = this.#options;
    return pathOf(LEASES, { namespace, ...(named && { name }) });
  }
}

/** MicroTime of Kubernetes. */
function now(): string {
  return new Date().toISOString().replace('Z', '000Z');
}
