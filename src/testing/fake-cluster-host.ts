/** What dialers get from the proxy, in tests. */
import { type Channel, DEFAULT_LIMITS } from '../core/channel.ts';
import { GatheringLimit } from '../core/gathering.ts';
import type { Log } from '../core/log.ts';
import type { Metadata } from '../core/metadata.ts';
import type { Attempt, ClusterHost, Dialer, LabelledCounter, Protocol, Services } from '../core/protocol.ts';
import { Registry } from '../core/registry.ts';
import { createNodeEngine } from '../io/node/index.ts';
import { PROTOCOLS } from '../protocols.ts';

/**
 * A log that is kept: `<level> <object>: <message>`.
 *
 * @example assert.deepEqual(host.log.lines, ['warn c: the file is gone']);
 */
export class FakeLog implements Log {
  readonly lines: string[] = [];

  enabled(): boolean {
    return true;
  }

  write(level: string, object: string, message: string): void {
    this.lines.push(`${level} ${object}: ${message}`);
  }
}

/**
 * A counter whose samples can be read.
 *
 * @example assert.equal(counter.samples()[0]?.value, 7);
 */
export class FakeCounter implements LabelledCounter {
  readonly help: string;
  readonly labels: readonly string[];
  readonly live = new Map<Record<string, string>, () => number>();

  constructor(help: string, labels: readonly string[]) {
    this.help = help;
    this.labels = labels;
  }

  watch(labels: Record<string, string>, value: () => number): () => void {
    const own = { ...labels };
    this.live.set(own, value);
    return () => this.live.delete(own);
  }

  /** The live samples. */
  samples(): { labels: Record<string, string>; value: number }[] {
    return [...this.live].map(([labels, value]) => ({ labels, value: value() }));
  }
}

/**
 * The proxy's services, of which a test fills in what it needs; counters are kept.
 *
 * @example const host = fakeClusterHost({ services: Object.assign(new FakeServices(), { metrics }) });
 */
export class FakeServices implements Services {
  readonly counters = new Map<string, FakeCounter>();
  limit = 1 << 20;
  api: Services['api'] = () => Promise.reject(new Error('there is no API here'));
  metrics: Services['metrics'] = () => Promise.reject(new Error('there are no metrics here'));

  counter(name: string, help: string, labels: readonly string[]): FakeCounter {
    const counter = this.counters.get(name) ?? new FakeCounter(help, labels);
    this.counters.set(name, counter);
    return counter;
  }

  bodyLimit(): number {
    return this.limit;
  }
}

/** The surroundings of a dialler, whose log and services can be looked at. */
export interface FakeClusterHost extends ClusterHost {
  readonly log: FakeLog;
  readonly services: FakeServices;
}

/**
 * Stands for the proxy behind a cluster side, which may stand on the protocols that are built in. `overrides` takes the place of what is faked.
 *
 * @example const host = fakeClusterHost({ dialerOn: async () => ({ dial: () => lower }) });
 */
export function fakeClusterHost(overrides: Partial<FakeClusterHost> = {}): FakeClusterHost {
  const registry = new Registry(PROTOCOLS);
  const io = createNodeEngine();
  const host: FakeClusterHost = {
    name: 'c',
    options: {},
    limits: DEFAULT_LIMITS,
    io,
    connections: io.connections,
    log: new FakeLog(),
    gathering: new GatheringLimit(),
    services: new FakeServices(),
    dialerOn: async (spec) => registry.cluster(spec.protocol).open(spec, host),
    ...overrides,
  };
  return host;
}

/**
 * Opens the cluster side of a protocol; `fields` are those of its specification.
 *
 * Rejects as `check` and `open` do; with a TypeError where there is no cluster side.
 *
 * @example const dialer = await openCluster(upperCase);
 */
export async function openCluster(
  protocol: Protocol,
  fields: Record<string, unknown> = {},
  host: ClusterHost = fakeClusterHost(),
): Promise<Dialer> {
  if (!protocol.cluster) throw new TypeError(`${protocol.name} has no cluster side`);
  const spec = { protocol: protocol.name, ...fields };
  protocol.cluster.check?.(spec);
  return protocol.cluster.open(spec, host);
}

/** An attempt that a test can cancel. */
export interface FakeAttempt extends Attempt {
  cancel(): void;
}

/**
 * An attempt to connect for a session of its own.
 *
 * The attempt has 1,000 ms, which nobody keeps.
 *
 * @example const channel = await dialer.dial(attempt({ user: 'x' }, 's', '127.0.0.1'));
 */
export function attempt(metadata: Metadata = {}, name = 's', address = '<VIRTUAL>'): FakeAttempt {
  const aborter = new AbortController();
  const { signal } = aborter;
  const session = { name, metadata };
  return { address, port: undefined, timeout: 1000, session, signal, cancel: () => aborter.abort() };
}

/**
 * Dials a local dialler, which answers at once.
 *
 * Throws a TypeError where the answer is a promise.
 *
 * @example const channel = dialLocal(await openCluster(upperCase));
 */
export function dialLocal(dialer: Dialer, metadata?: Metadata, name?: string): Channel {
  const channel = dialer.dial(attempt(metadata, name));
  if (channel instanceof Promise) throw new TypeError('a local dialler answers at once');
  return channel;
}
