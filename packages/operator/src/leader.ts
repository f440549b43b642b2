/** What one replica does for all: it programs the proxies, and writes statuses. It lives from the election to the loss of it. */
import type { Key, Snapshot } from './cluster/contract.ts';
import { GatewayController } from './gateway/controller.ts';
import type { ApiClient } from './kubernetes/api.ts';
import { Discovery } from './kubernetes/discovery.ts';
import { Events } from './kubernetes/events.ts';
import type { Changes, Model } from './model.ts';
import type { Proxies, ProxyState } from './proxies/contract.ts';
import type { ProxiesOptions } from './proxies/options.ts';
import { makeProxies } from './proxies/proxies.ts';
import { fullName } from './resources/names.ts';
import { Owners } from './status/owners.ts';
import { type Progress, progressOf, viewOf } from './status/progress.ts';
import { StatusWriter } from './status/status-writer.ts';
import type { Logger } from './telemetry/log.ts';
import type { Metrics } from './telemetry/metrics.ts';
import { tellState, toldByProxies, toldByStatus } from './telemetry/told.ts';
import type { ProxyOptions } from './workload/proxy.ts';
import type { TokenSecrets } from './workload/token-secrets.ts';

/** As it stands in events. */
const CONTROLLER = 'l7mp.io/operator';

export interface LeaderOptions {
  readonly api: ApiClient;
  readonly snapshot: Snapshot;
  readonly model: Model;
  readonly proxies: Omit<ProxiesOptions, 'observer'>;
  /** How proxies are run that we make; none are without it. */
  readonly workload: ProxyOptions | undefined;
  readonly tokens: TokenSecrets;
  readonly identity: string;
  readonly log: Logger;
  readonly metrics: Metrics;
}

export class Leader {
  readonly #options: LeaderOptions;
  readonly #proxies: Proxies;
  readonly #events: Events;
  readonly #status: StatusWriter;
  readonly #gateways: GatewayController;
  /** As it was told last. */
  readonly #states = new Map<string, ProxyState['state']>();

  /** Begins with all that there is. */
  constructor(options: LeaderOptions) {
    const { api, snapshot, model, log, metrics, identity: instance, workload: proxy, tokens } = options;
    this.#options = options;
    const failed = (message: string): void => log.warn(`an event could not be written: ${message}`);
    this.#events = new Events({ api, controller: CONTROLLER, instance, failed });
    this.#proxies = makeProxies({ ...options.proxies, observer: toldByProxies(log, metrics) });
    this.#proxies.onState((uid) => this.#stateChanged(uid));
    const discovery = new Discovery(api);
    const owners = new Owners(api, discovery, (owner, why) => log.warn({ owner }, `updateOwners: ${why}`));
    this.#status = new StatusWriter({
      api,
      snapshot,
      translation: model,
      proxies: this.#proxies,
      events: this.#events,
      owners,
      observer: toldByStatus(log, metrics),
    });
    this.#gateways = new GatewayController({
      api,
      snapshot,
      discovery,
      front: model.front,
      proxy,
      tokens,
      progress: (name) => this.#progress(name),
      tell: (type, regarding, reason, note) => this.#events.tell(type, regarding, reason, note),
      failed: (key, message, wait) => log.warn({ object: key, wait: Math.round(wait) }, message),
    });
    for (const uid of model.proxies.keys()) this.#program(uid);
    for (const name of model.verdicts.keys()) this.#status.touch(name);
  }

  changed({ keys, front, proxies, objects }: Changes): void {
    for (const uid of proxies) this.#program(uid);
    for (const name of objects) this.#status.touch(name);
    this.#gateways.changed(keys, front);
    this.#gateways.verdictsChanged(objects);
  }

  /** Somebody has written a status, perhaps over ours. */
  statusChanged(keys: readonly Key[]): void {
    for (const { kind, namespace, name } of keys) this.#status.touch(fullName(kind, namespace, name));
    this.#gateways.statusChanged(keys);
  }

  /** How many proxies are in which state. */
  states(): Map<string, number> {
    const counts = new Map<string, number>();
    for (const uid of this.#options.model.proxies.keys()) {
      const state = this.#proxies.state(uid)?.state ?? 'pending';
      counts.set(state, (counts.get(state) ?? 0) + 1);
    }
    return counts;
  }

  /** Statuses that wait to be written. */
  get depth(): number {
    return this.#status.depth;
  }

  /** Nothing is sent any more once this has been called, but for what is on the wire. */
  async close(): Promise<void> {
    await Promise.all([this.#proxies.close(), this.#status.close(), this.#gateways.close(), this.#events.close()]);
  }

  #progress(name: string): Progress | undefined {
    const verdict = this.#options.model.verdicts.get(name);
    return verdict && progressOf(verdict, viewOf(this.#options.model, this.#proxies));
  }

  #program(uid: string): void {
    const { model } = this.#options;
    const pod = model.proxies.get(uid);
    const wish = model.wish(uid);
    if (pod && wish) this.#proxies.program(pod, wish);
    else {
      this.#proxies.forget(uid);
      this.#states.delete(uid);
    }
  }

  #stateChanged(uid: string): void {
    const { model, log } = this.#options;
    const pod = model.proxies.get(uid);
    const state = this.#proxies.state(uid);
    if (!pod || !state) return;
    tellState(log, pod, state, this.#states.get(uid));
    if (state.state !== 'pending') this.#states.set(uid, state.state);
    this.#status.touchProxy(uid);
    this.#gateways.proxyChanged(pod.namespace, pod.name);
  }
}
