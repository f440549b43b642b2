/**
 * Writes what the front wishes: the Deployment and the Service of each Gateway, and the statuses. It writes nothing that is there
 * already. Of several replicas, the leader's runs.
 */
import type { Key, Snapshot } from '../cluster/contract.ts';
import { WorkQueue } from '../kubernetes/work-queue.ts';
import type { FrontChanges, GatewayFront } from './front.ts';
import { isOurs } from './gateway.ts';
import { GATEWAY_NAME_LABEL, keyText, labelValue, parseKey, sourceOf } from './names.ts';
import type { Gateway, GatewayClass, Route, RouteKind } from './objects.ts';
import { Provisioner, type ProvisionerOptions } from './provisioner.ts';
import { classStatus, gatewayStatus, routeStatus } from './status.ts';
import { StatusWriter, type StatusWriterOptions } from './status-writer.ts';

export interface ControllerOptions extends ProvisionerOptions, StatusWriterOptions {
  readonly front: GatewayFront;
  failed?(key: string, message: string, wait: number): void;
}

/** Milliseconds for which a proxy may be on its way before that is told: most changes take less. */
const SETTLE = 500;

const KINDS = new Set<string>(['GatewayClass', 'Gateway', 'UDPRoute', 'TCPRoute']);

export class GatewayController {
  readonly #snapshot: Snapshot;
  readonly #front: GatewayFront;
  readonly #options: ControllerOptions;
  readonly #provisioner: Provisioner;
  readonly #writer: StatusWriter;
  readonly #queue: WorkQueue;

  /** Begins with all that there is. */
  constructor(options: ControllerOptions) {
    const { snapshot, front, failed } = options;
    this.#snapshot = snapshot;
    this.#front = front;
    this.#options = options;
    this.#provisioner = new Provisioner(options);
    this.#writer = new StatusWriter(options);
    this.#queue = new WorkQueue({
      work: (key, signal) => this.#work(key, signal),
      ...(failed && { failed }),
      concurrency: 4,
      perSecond: 20,
      burst: 100,
    });
    for (const kind of ['GatewayClass', 'Gateway', 'UDPRoute', 'TCPRoute'] as const) {
      for (const { metadata } of snapshot.list(kind)) this.#queue.add(keyText(kind, metadata.namespace, metadata.name));
    }
  }

  /** After the front has taken up `keys`, and the translation what the front has derived. */
  changed(keys: Iterable<Key>, { gateways, routes }: FrontChanges): void {
    for (const key of gateways) this.#queue.add(key);
    for (const key of routes) this.#queue.add(key);
    for (const { kind, namespace, name } of keys) {
      if (kind === 'GatewayClass') this.#queue.add(keyText(kind, namespace, name));
      const owner = kind === 'Service' ? this.#provisioner.gatewayOf(namespace, name) : undefined;
      if (owner !== undefined) this.#queue.add(owner);
    }
  }

  /** Objects of these full names are, or should be, on other proxies. */
  verdictsChanged(fullNames: Iterable<string>): void {
    for (const name of fullNames) {
      const key = sourceOf(name);
      if (key?.startsWith('Gateway/')) this.#queue.add(key, SETTLE);
    }
  }

  /** Somebody has written a status, perhaps over ours. */
  statusChanged(keys: Iterable<Key>): void {
    for (const { kind, namespace, name } of keys) if (KINDS.has(kind)) this.#queue.add(keyText(kind, namespace, name));
  }

  /** The proxy of this pod is in another state. */
  proxyChanged(namespace: string, pod: string): void {
    const label = this.#snapshot.get('Pod', namespace, pod)?.metadata.labels[GATEWAY_NAME_LABEL];
    if (label === undefined) return;
    for (const { metadata } of this.#snapshot.list('Gateway', namespace)) {
      if (labelValue(metadata.name) === label) this.#queue.add(keyText('Gateway', namespace, metadata.name), SETTLE);
    }
  }

  /** What is under way is broken off. */
  close(): Promise<void> {
    return this.#queue.close();
  }

  #work(key: string, signal: AbortSignal): Promise<number | undefined> {
    const { kind } = parseKey(key);
    if (kind === 'GatewayClass') return this.#workOnClass(key, signal);
    return kind === 'Gateway' ? this.#workOnGateway(key, signal) : this.#workOnRoute(key, signal);
  }

  async #workOnClass(key: string, signal: AbortSignal): Promise<number | undefined> {
    const gatewayClass = this.#snapshot.get('GatewayClass', '', parseKey(key).name) as GatewayClass | undefined;
    if (!isOurs(gatewayClass)) return undefined;
    const status = classStatus(gatewayClass, now());
    const before = gatewayClass.status?.conditions ?? [];
    return this.#writer.write(gatewayClass, status, [before, status?.conditions ?? []], signal);
  }

  async #workOnRoute(key: string, signal: AbortSignal): Promise<number | undefined> {
    const { kind, namespace, name } = parseKey(key);
    const route = this.#snapshot.get(kind as RouteKind, namespace, name) as Route | undefined;
    if (!route) return undefined;
    const status = routeStatus(route, this.#front.routes.get(key), this.#front.gateways, now());
    const conditions = (of: Route['status']) => (of?.parents ?? []).flatMap((parent) => parent.conditions);
    return this.#writer.write(route, status, [conditions(route.status), conditions(status)], signal);
  }

  async #workOnGateway(key: string, signal: AbortSignal): Promise<number | undefined> {
    const { namespace, name } = parseKey(key);
    const view = this.#front.gateways.get(key);
    if (!view) {
      const gateway = this.#snapshot.get('Gateway', namespace, name) as Gateway | undefined;
      await this.#provisioner.disown(key, gateway, signal);
      return undefined;
    }
    const again = await this.#provisioner.provide(key, view, signal);
    // Meanwhile it may be another one; its status certainly may.
    const gateway = this.#snapshot.get('Gateway', namespace, name) as Gateway | undefined;
    const latest = this.#front.gateways.get(key);
    if (!gateway || !latest) return 0;
    const { progress } = this.#options;
    const facts = { progress, ...this.#provisioner.facts(key, latest) };
    const status = gatewayStatus({ ...latest, gateway }, facts, now());
    const conflict = await this.#writer.write(
      gateway,
      status,
      [gateway.status?.conditions ?? [], status?.conditions ?? []],
      signal,
    );
    return conflict ?? again;
  }
}

/** RFC 3339, to the second, as the API server keeps it. */
function now(): string {
  return new Date().toISOString().replace(/\.\d+Z$/, 'Z');
}
