/**
 * What is one of its kind in a proxy of several workers (the process's standard streams, the room in which sessions meet)
 * has its owner in the main thread. Here is the owner's side: who dials it from a worker gets a channel over a port.
 */
import type { MessagePort } from 'node:worker_threads';
import { Connections } from '../core/connections.ts';
import { L7mpError } from '../core/errors.ts';
import type { GatheringLimit } from '../core/gathering.ts';
import { queueLimits } from '../core/limits.ts';
import type { Log } from '../core/log.ts';
import type { Attempt, ClusterHost, ClusterOptions, Dialer, Spec } from '../core/protocol.ts';
import type { Registry } from '../core/registry.ts';
import { type Facts, factsOf } from './port-channel.ts';
import { PortEnd } from './port-end.ts';

/** A cluster, as far as its owner has to know it. */
export interface OwnedCluster {
  readonly name: string;
  readonly spec: Spec;
  readonly options: ClusterOptions;
}

/** An attempt, as it crosses. */
export type PlainAttempt = Pick<Attempt, 'address' | 'port' | 'timeout' | 'session'>;

/** What a worker asks of the owner. */
export interface Owner {
  /** Resolves with a number for the cluster. */
  openOwned(cluster: OwnedCluster): Promise<number>;
  /** Joins a channel with the port. Rejects as the dialler does. */
  dialOwned(cluster: number, attempt: PlainAttempt, port: MessagePort): Promise<Facts>;
  /** The worker has it no more; live channels go on. */
  closeOwned(cluster: number): Promise<void>;
}

/** The worker closes what it does not want any more. */
const NEVER = new AbortController().signal;

interface Shared {
  readonly dialer: Promise<Dialer>;
  users: number;
}

export class OwnedClusters {
  readonly #registry: Registry;
  readonly #log: Log;
  readonly #gathering: GatheringLimit;
  readonly #connections: Connections;
  readonly #shared = new Map<string, Shared>();

  /** `connections`: those of the main thread. */
  constructor(registry: Registry, log: Log, gathering: GatheringLimit, connections = new Connections()) {
    this.#registry = registry;
    this.#log = log;
    this.#gathering = gathering;
    this.#connections = connections;
  }

  /** For one worker. `leave`: it has ended. */
  forWorker(): Owner & { leave(): void } {
    const open = new Map<number, string>();
    let next = 0;
    const close = async (cluster: number): Promise<void> => {
      const key = open.get(cluster);
      open.delete(cluster);
      if (key !== undefined) await this.#leave(key);
    };
    return {
      openOwned: async (cluster) => {
        const key = JSON.stringify(cluster);
        await this.#join(key, cluster).dialer;
        open.set(next, key);
        return next++;
      },
      dialOwned: async (cluster, attempt, port) => {
        const shared = this.#shared.get(open.get(cluster) ?? '');
        if (!shared) throw new L7mpError('E_NO_ENDPOINT', 'the cluster is gone');
        const channel = await (await shared.dialer).dial({ ...attempt, signal: NEVER });
        const facts = factsOf(channel);
        new PortEnd(port, channel);
        return facts;
      },
      closeOwned: close,
      leave: () => {
        for (const cluster of [...open.keys()]) void close(cluster);
      },
    };
  }

  #join(key: string, cluster: OwnedCluster): Shared {
    let shared = this.#shared.get(key);
    if (!shared) {
      shared = { dialer: this.#open(cluster), users: 0 };
      this.#shared.set(key, shared);
      // The next one who asks tries again.
      shared.dialer.catch(() => this.#shared.delete(key));
    }
    shared.users++;
    return shared;
  }

  async #leave(key: string): Promise<void> {
    const shared = this.#shared.get(key);
    if (!shared || --shared.users > 0) return;
    this.#shared.delete(key);
    await (await shared.dialer).close?.();
  }

  async #open({ name, spec, options }: OwnedCluster): Promise<Dialer> {
    const none = (): never => {
      throw new L7mpError('E_INTERNAL', `${spec.protocol} is owned by the main thread, which has no sockets`);
    };
    const host: ClusterHost = {
      name,
      options,
      limits: queueLimits(options),
      get io() {
        return none();
      },
      connections: this.#connections,
      log: this.#log,
      gathering: this.#gathering,
      get services() {
        return none();
      },
      dialerOn: none,
    };
    return this.#registry.cluster(spec.protocol).open(spec, host);
  }
}
