/** One proxy: what it should have, how far it is, and when something is done about it. Its queue has one place: the latest wish. */
import { type Agent, Client } from '@l7mp/client';
import type { ProxyPod, Wish } from '../translation/contract.ts';
import type { ProxyState } from './contract.ts';
import { Link, type LinkContext, Unreachable } from './link.ts';
import { jittered, MAX_CONFIGURATION, type ProxiesOptions, type Timing, waitOf } from './options.ts';
import { Programmer, type ProgrammerContext } from './programmer.ts';
import { Refusals } from './refusals.ts';

export interface ReconcilerContext extends LinkContext, ProgrammerContext {
  readonly options: Pick<ProxiesOptions, 'port' | 'token' | 'tls'>;
  readonly timing: Timing;
  readonly agents: { readonly http: Agent; readonly https: Agent };
  readonly changed: (uid: string) => void;
}

/** Where a proxy is, and since when: in another place it is another one. */
const PLACE = ['address', 'incarnation', 'port', 'tls'] as const;

const PENDING = { state: 'pending' } as const;
const PROGRAMMED: ProxyState = { state: 'programmed' };

export class Reconciler {
  readonly #context: ReconcilerContext;
  readonly #programmer: Programmer;
  readonly #refusals: Refusals;
  #pod: ProxyPod;
  #want: Wish;
  /** When that was wished, as `performance.now()` has it; undefined when the proxy has it. */
  #since: number | undefined = performance.now();
  /** When changes were last begun, likewise. */
  #begun = -Infinity;
  #state: ProxyState = PENDING;
  /** As it was last told. */
  #refused: ReadonlyMap<string, string> = new Map();
  #failures = 0;
  #timer: NodeJS.Timeout | undefined;
  #running: Promise<void> | undefined;
  /** Ends what is under way when the proxy is another one, or nobody's any more. */
  #end = new AbortController();
  #link: Link | undefined;

  constructor(pod: ProxyPod, want: Wish, context: ReconcilerContext) {
    const { refused } = context.timing;
    this.#context = context;
    this.#pod = pod;
    this.#want = want;
    this.#refusals = new Refusals((times) => waitOf(refused, times));
    this.#programmer = new Programmer(context, this.#refusals);
    this.#connect();
  }

  get state(): ProxyState {
    return this.#state;
  }

  update(pod: ProxyPod, want: Wish): void {
    const isAnother = PLACE.some((field) => pod[field] !== this.#pod[field]);
    const isNew = want !== this.#want;
    const before = this.#want;
    this.#pod = pod;
    this.#want = want;
    if (isNew) this.#since ??= performance.now();
    if (isAnother) this.#startOver();
    else if (isNew && this.#failures === 0) {
      if (this.#state.state !== 'pending')
        this.#tell(this.#state === PROGRAMMED ? { ...PENDING, has: before } : PENDING);
      this.#change();
    }
  }

  /** Ends what is under way; nothing is sent any more. */
  async close(): Promise<void> {
    clearTimeout(this.#timer);
    this.#link = undefined;
    this.#end.abort(new Error('closed'));
    await this.#running;
  }

  // ------------------------------------------------------------------ own

  #startOver(): void {
    clearTimeout(this.#timer);
    this.#end.abort(new Error('the proxy is another one now'));
    this.#programmer.forget();
    this.#begun = -Infinity;
    this.#failures = 0;
    this.#since ??= performance.now();
    this.#connect();
  }

  #connect(): void {
    const { address } = this.#pod;
    this.#end = new AbortController();
    this.#link = address === undefined ? undefined : new Link(this.#client(address), this.#context, this.#end.signal);
    this.#tell(PENDING);
    this.#soon();
  }

  #client(address: string): Client {
    const { options, timing, agents } = this.#context;
    const host = address.includes(':') ? `[${address}]` : address;
    const scheme = this.#pod.tls ? 'https' : 'http';
    return new Client({
      base: `${scheme}://${host}:${this.#pod.port ?? options.port}`,
      tls: this.#pod.tls ? options.tls : undefined,
      token: options.token,
      timeout: timing.timeout,
      // Who waits for its turn again lets others go first.
      retries: 0,
      maxAnswer: MAX_CONFIGURATION,
      agent: agents[scheme],
    });
  }

  /** As soon as what is under way is over. */
  #soon(): void {
    clearTimeout(this.#timer);
    if (this.#link) this.#running ??= this.#run(this.#link, this.#want);
  }

  /** Makes changes: at once, if none were made just now. */
  #change(): void {
    if (!this.#link) return;
    const wait = this.#begun + this.#context.timing.spacing - performance.now();
    if (wait > 0) this.#after(wait);
    else this.#soon();
  }

  #after(milliseconds: number): void {
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => this.#soon(), milliseconds);
  }

  async #run(link: Link, want: Wish): Promise<void> {
    let isOver = false;
    try {
      isOver = await this.#turn(link, want);
    } finally {
      // Not a moment later: what is wished from now on wants a turn of its own.
      this.#running = undefined;
    }
    if (!isOver) this.#change();
  }

  /** Whether there is nothing to do before some time has passed. */
  async #turn(link: Link, want: Wish): Promise<boolean> {
    try {
      await this.#once(link, want);
    } catch (error) {
      if (link === this.#link) this.#failed(error);
      return link === this.#link;
    }
    if (link === this.#link && want === this.#want) this.#done();
    return link === this.#link && want === this.#want;
  }

  async #once(link: Link, want: Wish): Promise<void> {
    if (!this.#programmer.has(want)) {
      this.#begun = performance.now();
      return this.#programmer.program(link, want);
    }
    const repair = await this.#programmer.check(link, want);
    if (repair) this.#context.observer.repaired(this.#pod, repair.names, repair.restarted ? 'restarted' : 'changed');
  }

  #done(): void {
    const { timing, observer } = this.#context;
    this.#failures = 0;
    const objects = this.#refusals.messages();
    for (const [name, message] of objects) {
      if (this.#refused.get(name) !== message) observer.refused(this.#pod, name, message);
    }
    this.#refused = objects;
    if (this.#since !== undefined && objects.size === 0) {
      observer.programmed(this.#pod, performance.now() - this.#since);
    }
    this.#since = undefined;
    this.#tell(objects.size > 0 ? { state: 'refused', objects } : PROGRAMMED);
    this.#after(Math.min(jittered(timing.interval), Math.max(0, this.#refusals.due - performance.now())));
  }

  #failed(error: unknown): void {
    const { timing, observer } = this.#context;
    this.#failures++;
    // What is no failure of the proxy's is one of ours: it must not stand still for that.
    const message =
      error instanceof Unreachable ? error.message : `internal error: ${(error as Error)?.stack ?? error}`;
    const wait = waitOf(timing.retry, this.#failures);
    observer.unreachable(this.#pod, message, wait);
    this.#tell({ state: 'unreachable', message });
    this.#after(wait);
  }

  #tell(state: ProxyState): void {
    const before = this.#state;
    this.#state = state;
    if (!isSameState(before, state)) this.#context.changed(this.#pod.uid);
  }
}

function isSameState(a: ProxyState, b: ProxyState): boolean {
  if (a.state !== b.state) return false;
  if (a.state === 'unreachable' && b.state === 'unreachable') return a.message === b.message;
  if (a.state !== 'refused' || b.state !== 'refused') return true;
  return (
    a.objects.size === b.objects.size && [...a.objects].every(([name, message]) => b.objects.get(name) === message)
  );
}
