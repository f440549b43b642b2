import { keepAlive } from '@l7mp/client';
import type { ProxyPod, Wish } from '../translation/contract.ts';
import { Bodies } from './bodies.ts';
import type { Proxies, ProxyState } from './contract.ts';
import { Lanes } from './lanes.ts';
import { NormalForms } from './normal-form.ts';
import { SILENT } from './observer.ts';
import { CONCURRENCY, type ProxiesOptions, TIMING } from './options.ts';
import { Reconciler, type ReconcilerContext } from './reconciler.ts';

/** All proxies. They share what bounds requests, connections, and the texts of what they should have. */
export function makeProxies(options: ProxiesOptions): Proxies {
  return new AllProxies(options);
}

class AllProxies implements Proxies {
  readonly #proxies = new Map<string, Reconciler>();
  /** Those that are nobody's any more, until what was under way has ended. */
  readonly #ending = new Set<Promise<void>>();
  readonly #listeners: ((uid: string) => void)[] = [];
  readonly #context: ReconcilerContext;

  constructor(options: ProxiesOptions) {
    const timing = { ...TIMING, ...options.timing };
    this.#context = {
      options,
      timing,
      observer: options.observer ?? SILENT,
      agents: { http: keepAlive(), https: keepAlive('https:') },
      lanes: new Lanes(CONCURRENCY, timing.slow),
      bodies: new Bodies(),
      forms: new NormalForms(),
      changed: (uid) => {
        for (const listener of this.#listeners) listener(uid);
      },
    };
  }

  program(pod: ProxyPod, wish: Wish): void {
    const proxy = this.#proxies.get(pod.uid);
    if (proxy) proxy.update(pod, wish);
    else this.#proxies.set(pod.uid, new Reconciler(pod, wish, this.#context));
  }

  forget(uid: string): void {
    const proxy = this.#proxies.get(uid);
    if (!proxy) return;
    this.#proxies.delete(uid);
    const ending = proxy.close().finally(() => this.#ending.delete(ending));
    this.#ending.add(ending);
  }

  state(uid: string): ProxyState | undefined {
    return this.#proxies.get(uid)?.state;
  }

  onState(listener: (uid: string) => void): void {
    this.#listeners.push(listener);
  }

  async close(): Promise<void> {
    for (const uid of [...this.#proxies.keys()]) this.forget(uid);
    await Promise.all(this.#ending);
    for (const agent of Object.values(this.#context.agents)) agent.destroy();
  }
}
