/** Keeps the cache in step with the API server, and tells what has changed, a batch for a turn of the event loop. */
import type { ApiClient } from '../kubernetes/api.ts';
import { Reflector, type ReflectorObserver, type Timings } from '../kubernetes/reflector.ts';
import { GATEWAY_KINDS, KINDS, type Kind, NAMED_KINDS } from '../resources/kinds.ts';
import type { AnyObject } from '../resources/objects.ts';
import { Cache } from './cache.ts';
import type { Key, Snapshot } from './contract.ts';
import { type SecretName, Secrets } from './secrets.ts';
import { trim } from './trim.ts';

export interface ClusterOptions {
  readonly api: ApiClient;
  /** All of them where there is none. */
  readonly namespaces: readonly string[];
  /** What changed since the last call. The first has all that there is, once there was a complete list of each kind. */
  changed(keys: readonly Key[]): void;
  /** Objects whose status somebody has written, us included; not before the first call of `changed`. */
  statusChanged(keys: readonly Key[]): void;
  /** The Secrets that are wanted, as of the snapshot. None is read without it. */
  secrets?(snapshot: Snapshot): Iterable<SecretName>;
  observer?(kind: Kind, namespace: string | undefined): ReflectorObserver;
  readonly timings?: Partial<Timings> & { readonly secrets?: number };
}

/** Where the Gateway API of a cluster is older. */
const OLDER_VERSIONS: Partial<Record<Kind, readonly string[]>> = {
  ReferenceGrant: ['v1beta1'],
  TCPRoute: ['v1alpha2'],
  UDPRoute: ['v1alpha2'],
};

/** Kinds without a namespace: with a list of namespaces, we need not be allowed to read them. */
const CLUSTER_SCOPED: ReadonlySet<Kind> = new Set<Kind>(['GatewayClass', 'Namespace']);

/** Of which it follows what Secrets are wanted. */
const NAMING: ReadonlySet<Kind> = new Set<Kind>(['Gateway', 'GatewayClass', 'ReferenceGrant']);

interface Reading {
  readonly kind: Kind;
  readonly isOptional: boolean;
  readonly reflector: Reflector<AnyObject>;
}

export class Cluster {
  readonly #options: ClusterOptions;
  readonly #cache: Cache;
  readonly #readings: readonly Reading[];
  readonly #secrets: Secrets;
  #changed = new Map<string, Key>();
  #statusChanged = new Map<string, Key>();
  #turn: NodeJS.Immediate | undefined;
  #isSynced = false;
  #isClosed = false;

  constructor(options: ClusterOptions) {
    this.#options = options;
    this.#cache = new Cache({
      changed: (key) => this.#note(this.#changed, key),
      statusChanged: (key) => this.#note(this.#statusChanged, key),
    });
    const told = options.observer?.('Secret', undefined);
    this.#secrets = new Secrets({
      api: options.api,
      set: (secret) => this.#cache.set(secret),
      remove: (secret) => this.#cache.remove(secret),
      settled: () => this.#schedule(),
      failed: (message, wait) => told?.failed?.(new Error(message), wait),
      ...(options.timings?.secrets !== undefined && { interval: options.timings.secrets }),
    });
    const watched = (Object.keys(KINDS) as Kind[]).filter((kind) => !(kind in NAMED_KINDS));
    this.#readings = watched.flatMap((kind) => {
      const isEverywhere = options.namespaces.length === 0 || CLUSTER_SCOPED.has(kind);
      return (isEverywhere ? [undefined] : options.namespaces).map((namespace) => this.#reading(kind, namespace));
    });
  }

  get snapshot(): Snapshot {
    return this.#cache;
  }

  /** There was a complete list of each kind; `changed` was called. */
  get isSynced(): boolean {
    return this.#isSynced;
  }

  /** Kinds of which not all was read yet. */
  get missing(): readonly Kind[] {
    return this.#secrets.isSettled ? this.#unlisted : [...this.#unlisted, 'Secret'];
  }

  /** Kinds of which there was no complete list yet. */
  get #unlisted(): Kind[] {
    const missing = this.#readings.filter(
      ({ isOptional, reflector: { state } }) => state !== 'listed' && !(isOptional && state === 'absent'),
    );
    return [...new Set(missing.map(({ kind }) => kind))];
  }

  count(kind: Kind): number {
    return this.#cache.count(kind);
  }

  start(): void {
    for (const { reflector } of this.#readings) reflector.start();
  }

  async close(): Promise<void> {
    this.#isClosed = true;
    clearImmediate(this.#turn);
    await Promise.all([this.#secrets.close(), ...this.#readings.map(({ reflector }) => reflector.stop())]);
  }

  #reading(kind: Kind, namespace: string | undefined): Reading {
    const cache = this.#cache;
    const { api, timings, observer } = this.#options;
    const told = observer?.(kind, namespace);
    const isOptional = kind in GATEWAY_KINDS || kind === 'Namespace';
    const reflector = new Reflector<AnyObject>({
      api,
      resource: KINDS[kind],
      otherVersions: OLDER_VERSIONS[kind] ?? [],
      namespace,
      optional: isOptional,
      decode: (raw) => trim(kind, raw),
      sink: {
        replace: (objects) => cache.replace(kind, namespace, objects as never),
        set: (object) => cache.set(object),
        remove: (object) => cache.remove(object),
      },
      observer: {
        ...told,
        turned: (state, why) => {
          told?.turned?.(state, why);
          this.#schedule();
        },
      },
      ...(timings && { timings }),
    });
    return { kind, isOptional, reflector };
  }

  #note(changed: Map<string, Key>, key: Key): void {
    changed.set(`${key.kind}/${key.namespace}/${key.name}`, key);
    this.#schedule();
  }

  #schedule(): void {
    this.#turn ??= setImmediate(() => this.#tell());
  }

  #wantSecrets(): void {
    const { secrets } = this.#options;
    if (!secrets || ![...this.#changed.values()].some(({ kind }) => NAMING.has(kind))) return;
    this.#secrets.want(secrets(this.#cache));
  }

  #tell(): void {
    this.#turn = undefined;
    if (this.#isClosed) return;
    if (!this.#isSynced && this.#unlisted.length > 0) return;
    this.#wantSecrets();
    // A listener without its certificate would be closed on the proxies that have it.
    if (!this.#secrets.isSettled) return;
    const isFirst = !this.#isSynced;
    this.#isSynced = true;
    const changed = [...this.#changed.values()];
    const statusChanged = [...this.#statusChanged.values()];
    this.#changed = new Map();
    this.#statusChanged = new Map();
    if (isFirst || changed.length > 0) this.#options.changed(changed);
    if (!isFirst && statusChanged.length > 0) this.#options.statusChanged(statusChanged);
  }
}
