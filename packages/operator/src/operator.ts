/** Puts the parts together: the cluster's cache, what follows from it, the election, and what the leader does. */
import type { TlsOptions } from '@l7mp/client';
import { Cluster, type ClusterOptions } from './cluster/cluster.ts';
import type { Key } from './cluster/contract.ts';
import { secretsNamed } from './gateway/gateway.ts';
import { Webhook } from './injection/webhook.ts';
import type { Access } from './kubernetes/access.ts';
import { ApiClient } from './kubernetes/api.ts';
import { Backoff, pause } from './kubernetes/backoff.ts';
import { Election, type ElectionTimings } from './kubernetes/election.ts';
import { messageOf } from './kubernetes/errors.ts';
import { Leader } from './leader.ts';
import { type Changes, Model } from './model.ts';
import { KINDS, type Kind } from './resources/kinds.ts';
import type { Logger } from './telemetry/log.ts';
import type { Metrics } from './telemetry/metrics.ts';
import { toldByReflector } from './telemetry/told.ts';
import type { TranslationOptions } from './translation/contract.ts';
import type { ProxyOptions } from './workload/proxy.ts';
import { TokenSecrets } from './workload/token-secrets.ts';

export interface OperatorOptions extends TranslationOptions {
  readonly access: Access;
  readonly version: string;
  /** All of them where there is none. */
  readonly namespaces: readonly string[];
  /** The bearer token for the proxies, asked for at each request. */
  readonly token?: () => string | undefined;
  /** For proxies that serve their API by https; asked for at each request. */
  readonly tls?: (() => TlsOptions) | undefined;
  /** How the proxies of Gateways are run; without it, Gateways get none. */
  readonly workload?: ProxyOptions | undefined;
  /** Puts proxies into annotated pods; it needs `workload`. */
  readonly webhook?: WebhookPlace | undefined;
  /** Of the operator itself: that of its Lease, and of the webhook's Secret and Service. */
  readonly ownNamespace: string;
  /** Of several replicas one leads; without it, this one does. */
  readonly elects: boolean;
  readonly timings?: { readonly lease?: ElectionTimings; readonly watch?: ClusterOptions['timings'] };
  /** Another one for each replica. */
  readonly identity: string;
  readonly log: Logger;
  readonly metrics: Metrics;
}

export interface WebhookPlace {
  /** Where it listens: all interfaces without a host. */
  readonly address: { readonly host: string | undefined; readonly port: number };
  /** Where the API server finds it, outside of its cluster. */
  readonly url?: string | undefined;
}

/** The Lease, and the Service of the webhook. */
const NAME = 'l7mp-operator';

/** From which minor version of Kubernetes 1 init containers may go on beside the others (KEP-753). */
const NATIVE_SIDECARS = 29;

export class Operator {
  readonly #options: OperatorOptions;
  readonly #api: ApiClient;
  readonly #tokens: TokenSecrets;
  readonly #cluster: Cluster;
  readonly #election: Election | undefined;
  /** Undefined until the cluster is known, and after a defect until something changes. */
  #model: Model | undefined;
  #isElected: boolean;
  #leader: Leader | undefined;
  /** Leaders that have been, until what they had under way has ended. */
  readonly #ending = new Set<Promise<void>>();
  #webhook: Webhook | undefined;
  #opening: Promise<void> | undefined;
  readonly #stop = new AbortController();

  constructor(options: OperatorOptions) {
    const { access, version, namespaces, elects, metrics } = options;
    this.#options = options;
    this.#api = new ApiClient(access, `l7mp-operator/${version}`);
    this.#tokens = new TokenSecrets(this.#api, async () => options.token?.());
    this.#isElected = !elects;
    this.#election = elects ? this.#candidate() : undefined;
    this.#cluster = new Cluster({
      api: this.#api,
      namespaces,
      changed: (keys) => this.#changed(keys),
      statusChanged: (keys) => this.#leader?.statusChanged(keys),
      secrets: secretsNamed,
      observer: (kind, namespace) => toldByReflector(options.log, metrics, kind, namespace),
      ...(options.timings?.watch && { timings: options.timings.watch }),
    });
    metrics.observe({
      isLeader: () => this.#leader !== undefined,
      isSynced: () => this.#cluster.isSynced,
      certificateExpiry: () => this.#model?.front.certificateExpiry,
      objects: () => (Object.keys(KINDS) as Kind[]).map((kind) => [kind, this.#cluster.count(kind)] as const),
      proxies: () => this.#leader?.states() ?? [],
      queues: () => [['status', this.#leader?.depth ?? 0] as const],
    });
  }

  start(): void {
    this.#cluster.start();
    this.#election?.start();
    if (this.#options.webhook) this.#opening = this.#openWebhook(this.#options.webhook);
  }

  /** Why it is not ready to lead, and to be asked, or undefined. */
  get unready(): string | undefined {
    if (!this.#cluster.isSynced) return `no complete list yet of ${this.#cluster.missing.join(', ')}`;
    if (!this.#model) return 'an error of its own keeps it from working: see the log';
    const { webhook, workload } = this.#options;
    // The API server would ask this replica in vain, and refuse pods for that.
    return webhook && workload && !this.#webhook?.port ? 'the webhook does not listen' : undefined;
  }

  /** Stops programming, then lets another replica lead, then everything else. */
  async close(): Promise<void> {
    this.#stop.abort();
    await this.#stepDown();
    await this.#election?.stop();
    await this.#opening;
    await this.#webhook?.close();
    await this.#cluster.close();
    this.#api.close();
  }

  #candidate(): Election {
    const { identity, log, ownNamespace: namespace, timings } = this.#options;
    return new Election({
      api: this.#api,
      namespace,
      name: NAME,
      identity,
      ...(timings?.lease && { timings: timings.lease }),
      won: () => {
        log.info({ identity }, 'this replica leads');
        this.#isElected = true;
        this.#webhook?.lead(true);
        this.#lead();
      },
      lost: (why) => {
        log.warn({ identity }, `this replica leads no more: ${why}`);
        this.#isElected = false;
        this.#webhook?.lead(false);
        return this.#stepDown();
      },
      leader: (leader) => log.info({ leader }, 'another replica leads'),
      failed: (message) => log.warn(`the Lease ${namespace}/${NAME}: ${message}`),
    });
  }

  #changed(keys: readonly Key[]): void {
    const changes = this.#update(keys);
    if (changes) this.#leader?.changed(changes);
    this.#lead();
  }

  /** Gives what an update concerned, and nothing where all is new. */
  #update(keys: readonly Key[]): Changes | undefined {
    const { metrics, log } = this.#options;
    const end = metrics.translations.startTimer();
    try {
      if (this.#model) return this.#model.update(keys);
      this.#model = new Model(this.#cluster.snapshot, this.#options);
    } catch (error) {
      // The proxies keep what they have, and the next change is a new beginning.
      metrics.defects.inc();
      log.error(error, 'what each proxy should have could not be found out');
      this.#model = undefined;
      void this.#stepDown();
    } finally {
      end();
    }
    return undefined;
  }

  /** Begins, once there is something to work on and nobody else does. */
  #lead(): void {
    if (this.#stop.signal.aborted || this.#leader || !this.#isElected || !this.#model) return;
    const { token, tls, workload, proxyPort: port, identity, log, metrics } = this.#options;
    this.#leader = new Leader({
      api: this.#api,
      snapshot: this.#cluster.snapshot,
      model: this.#model,
      proxies: { port, tls, ...(token && { token }) },
      workload,
      tokens: this.#tokens,
      identity,
      log,
      metrics,
    });
    log.info({ proxies: this.#model.proxies.size, objects: this.#model.verdicts.size }, 'programming begins');
  }

  /** As soon as the API server says what it is. */
  async #openWebhook({ address, url }: WebhookPlace): Promise<void> {
    const { signal } = this.#stop;
    const { workload, ownNamespace: namespace, namespaces, log } = this.#options;
    const backoff = new Backoff(500, 30_000);
    while (!signal.aborted && workload) {
      try {
        const { minor } = await this.#api.request<{ minor: string }>('GET', '/version', { signal });
        this.#webhook = new Webhook({
          api: this.#api,
          host: address.host ?? '',
          port: address.port,
          url,
          service: NAME,
          namespace,
          namespaces,
          proxy: { ...workload, nativeSidecars: Number.parseInt(minor, 10) >= NATIVE_SIDECARS },
          tokens: this.#tokens,
          log: (level, message) => log[level](message),
        });
        this.#webhook.start();
        this.#webhook.lead(this.#isElected);
        return;
      } catch (error) {
        if (!signal.aborted) log.warn(`webhook: ${messageOf(error)}`);
        await pause(backoff.next(), signal);
      }
    }
  }

  async #stepDown(): Promise<void> {
    const leader = this.#leader;
    this.#leader = undefined;
    if (leader) {
      const ending = leader.close().finally(() => this.#ending.delete(ending));
      this.#ending.add(ending);
    }
    await Promise.all(this.#ending);
  }
}
