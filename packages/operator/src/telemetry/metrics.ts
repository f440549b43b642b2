/** What is counted. Names and units are those of Prometheus: seconds, and `_total` for what only grows. */
import { Counter, collectDefaultMetrics, Gauge, Histogram, Registry } from 'prom-client';

/** Seconds: from what a call takes beside the proxy, to what one takes that times out. */
const CALL_SECONDS = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5];
const PROGRAMMING_SECONDS = [0.005, 0.01, 0.025, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 30, 60];

/** What is asked for when somebody scrapes. */
export interface Gauges {
  isLeader(): boolean;
  isSynced(): boolean;
  /** When the first of the Gateways' certificates expires, in seconds of the epoch. */
  certificateExpiry(): number | undefined;
  /** By kind. */
  objects(): Iterable<readonly [kind: string, count: number]>;
  /** By state. */
  proxies(): Iterable<readonly [state: string, count: number]>;
  /** By the name of the queue: keys that wait. */
  queues(): Iterable<readonly [queue: string, depth: number]>;
}

export class Metrics {
  readonly #registry = new Registry();
  readonly lists = this.#counter('lists_total', 'Complete lists that the API server has given.', ['kind']);
  readonly failures = this.#counter('watch_failures_total', 'Lists and watches that failed, and were tried again.', [
    'kind',
  ]);
  readonly translations = this.#histogram(
    'translation_seconds',
    'Time for taking up a batch of changes.',
    [],
    CALL_SECONDS,
  );
  readonly calls = this.#histogram('proxy_call_seconds', 'Calls to proxies.', ['call', 'outcome'], CALL_SECONDS);
  readonly programming = this.#histogram(
    'programming_seconds',
    'Time from a change of what a proxy should have until it has it.',
    [],
    PROGRAMMING_SECONDS,
  );
  readonly repairs = this.#counter('repairs_total', 'Objects on proxies that were not as they should be.', ['cause']);
  readonly statuses = this.#counter('status_writes_total', 'Statuses that were written, or could not be.', ['outcome']);
  readonly defects = this.#counter('defects_total', 'Errors of the operator itself.', []);

  get contentType(): string {
    return this.#registry.contentType;
  }

  /** Takes figures of the process, and these, from now on. */
  observe(gauges: Gauges): void {
    collectDefaultMetrics({ register: this.#registry });
    this.#gauge('leader', 'Whether this replica programs the proxies.', [], () => [['', Number(gauges.isLeader())]]);
    this.#gauge('synced', 'Whether all kinds of objects were listed.', [], () => [['', Number(gauges.isSynced())]]);
    this.#gauge(
      'certificate_expiry_timestamp_seconds',
      'When the first certificate of a listener of a Gateway expires; 0 where there is none.',
      [],
      () => [['', gauges.certificateExpiry() ?? 0]],
    );
    this.#gauge('objects', 'Objects in the cache.', ['kind'], () => gauges.objects());
    this.#gauge('proxies', 'Proxies.', ['state'], () => gauges.proxies());
    this.#gauge('queue_depth', 'Keys that wait to be worked on.', ['queue'], () => gauges.queues());
  }

  text(): Promise<string> {
    return this.#registry.metrics();
  }

  #options<L extends string>(name: string, help: string, labelNames: readonly L[]) {
    return { name: `l7mp_operator_${name}`, help, labelNames: [...labelNames], registers: [this.#registry] };
  }

  #counter<L extends string>(name: string, help: string, labels: readonly L[]): Counter<L> {
    return new Counter(this.#options(name, help, labels));
  }

  #histogram<L extends string>(name: string, help: string, labels: readonly L[], buckets: number[]): Histogram<L> {
    return new Histogram({ ...this.#options(name, help, labels), buckets });
  }

  #gauge(
    name: string,
    help: string,
    labels: readonly string[],
    values: () => Iterable<readonly [label: string, value: number]>,
  ): void {
    const [label] = labels;
    new Gauge({
      ...this.#options(name, help, labels),
      collect() {
        this.reset();
        for (const [of, value] of values()) this.set(label === undefined ? {} : { [label]: of }, value);
      },
    });
  }
}
