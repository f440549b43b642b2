/** Makes both ends of a connection of a protocol: one dialled, one accepted, by the protocol's own two sides. */
import { tmpdir } from 'node:os';
import type { TestContext } from 'node:test';
import { Validator } from '../config/validate.ts';
import type { Channel } from '../core/channel.ts';
import type { Engine } from '../core/engine.ts';
import { L7mpError } from '../core/errors.ts';
import { GatheringLimit } from '../core/gathering.ts';
import { queueLimits } from '../core/limits.ts';
import { SILENT } from '../core/log.ts';
import type { ClusterHost, Dialer, Spec, Transport } from '../core/protocol.ts';
import { Registry } from '../core/registry.ts';
import { SharedSecret } from '../core/shared-secret.ts';
import { SharedCounts } from '../counts/shared-counts.ts';
import { Listener } from '../listener/listener.ts';
import { open } from '../listener/open.ts';
import { DirectoryEnclosure } from '../output/enclosure.ts';
import { PROTOCOLS } from '../protocols.ts';
import { Collector } from './collector.ts';
import { attempt, FakeServices } from './fake-cluster-host.ts';
import { UNLIMITED } from './fake-host.ts';
import type { Subject } from './subject.ts';
import { until } from './until.ts';

/** What the first message of a connection says, which lets the listener of a transport like UDP know of the peer. */
export const GREETING = 'hello';

/** Ports are free when they are chosen, and may be taken when they are used. */
const ATTEMPTS = 5;

/** How the accepted channels are answered, as a session would. */
export type Answer = (channel: Channel) => void;

const takeIt: Answer = (channel) => channel.accept();

/** Both ends of a connection. */
export interface Ends {
  readonly client: Collector;
  readonly server: Collector;
}

export interface Opening {
  readonly answer?: Answer;
  /** Of the listener and the cluster. */
  readonly options?: Record<string, unknown>;
  /** Tries what the sides stand on in place of them, where they stand on anything. */
  readonly below?: 'listener' | 'cluster';
}

/** One case, tried on one protocol. What it opens is closed after the test. */
export class Trial {
  readonly t: TestContext;
  readonly #subject: Subject;
  readonly #io: Engine;

  /** `io`: the caller's, who closes it. */
  constructor(t: TestContext, subject: Subject, io: Engine) {
    this.t = t;
    this.#subject = subject;
    this.#io = io;
  }

  until<T>(condition: () => T | Promise<T>, what: string): Promise<Exclude<Awaited<T>, false | undefined | null>> {
    return until(condition, what, this.#subject.patience);
  }

  /** The smallest message that it has, in bytes. */
  get smallest(): number {
    return this.#subject.smallest ?? 0;
  }

  /** Whether the protocol stands on another one. */
  async isLayer(): Promise<boolean> {
    const { listener } = await this.#subject.specs();
    return this.#registry().under('listener', listener) !== undefined;
  }

  /** Listens, and gets ready to dial. */
  async open(opening: Opening = {}): Promise<Opened> {
    for (let n = 1; ; n++) {
      try {
        return await this.#openOnce(opening);
      } catch (error) {
        if (n === ATTEMPTS || !(error instanceof L7mpError) || error.code !== 'E_BIND') throw error;
      }
    }
  }

  /** Both ends of a new connection, reading, after a first message. */
  async connect(opening: Opening = {}): Promise<Ends> {
    return this.connectTo(await this.open(opening));
  }

  /**
   * The same of what is open. A connection that goes all the way also lets pass the time in which what was sent before
   * on another one comes, without anybody saying so.
   */
  async connectTo(opened: Opened): Promise<Ends> {
    const n = opened.accepted.length;
    const client = new Collector(await opened.dial());
    client.read().write(GREETING);
    const server = new Collector(await this.until(() => opened.accepted[n], 'a channel'));
    server.read();
    await this.until(() => server.size === GREETING.length, 'the greeting');
    server.messages.length = 0;
    server.attributes.length = 0;
    return { client, server };
  }

  #registry(): Registry {
    return new Registry([...PROTOCOLS, ...(this.#subject.protocols ?? [])]);
  }

  async #openOnce(opening: Opening): Promise<Opened> {
    const { listener, cluster, address } = await this.#subject.specs();
    const registry = this.#registry();
    const validator = new Validator(registry);
    const specs = {
      listener: validator.listener({ name: 'l', spec: listener, rules: 'r' }, '/listener').spec as Spec,
      cluster: validator.cluster({ name: 'c', spec: cluster }, '/cluster').spec as Spec,
    };
    const { below } = opening;
    if (below) specs[below] = registry.under(below, specs[below]) ?? specs[below];
    const opened = new Opened(registry, specs, address, this.#io, opening);
    this.t.after(() => opened.close());
    await opened.start();
    return opened;
  }
}

/** What a session has of a listener: its channels, as they come; and a dialler that leads there. */
export class Opened {
  readonly accepted: Channel[] = [];
  /** What the definition says of the channels. */
  readonly declared: { readonly listener: Transport; readonly cluster: Transport };
  readonly #registry: Registry;
  readonly #specs: { readonly listener: Spec; readonly cluster: Spec };
  readonly #address: string;
  readonly #io: Engine;
  readonly #opening: Opening;
  readonly #dialled: Channel[] = [];
  #listener: Listener | undefined;
  #dialer: Dialer | undefined;

  constructor(registry: Registry, specs: Opened['specs'], address: string, io: Engine, opening: Opening) {
    this.#registry = registry;
    this.#specs = specs;
    this.#address = address;
    this.#io = io;
    this.#opening = opening;
    this.declared = {
      listener: registry.transport('listener', specs.listener),
      cluster: registry.transport('cluster', specs.cluster),
    };
  }

  get specs(): { readonly listener: Spec; readonly cluster: Spec } {
    return this.#specs;
  }

  async start(): Promise<void> {
    const registry = this.#registry;
    const { listener: spec, cluster } = this.#specs;
    const { answer = takeIt, options = {} } = this.#opening;
    const definition = { kind: 'listener', name: 'l', inline: false, spec, rules: 'r', options } as const;
    this.#listener = new Listener(definition, registry.listener(spec.protocol), SharedCounts.alone());
    const begin = (_listener: Listener, channel: Channel): void => {
      this.accepted.push(channel);
      channel.routed();
      answer(channel);
    };
    const io = this.#io;
    const gathering = new GatheringLimit();
    const secret = new SharedSecret();
    const enclosure = () => new DirectoryEnclosure(tmpdir());
    await open(this.#listener, {
      registry,
      io,
      log: SILENT,
      admission: UNLIMITED,
      gathering,
      secret,
      enclosure,
      begin,
    });
    const limits = queueLimits(options);
    const dialerOn = async (under: Spec): Promise<Dialer> => registry.cluster(under.protocol).open(under, host);
    const host: ClusterHost = {
      name: 'c',
      options: {},
      limits,
      io,
      connections: io.connections,
      log: SILENT,
      gathering,
      services: new FakeServices(),
      dialerOn,
    };
    this.#dialer = await dialerOn(cluster);
  }

  async dial(): Promise<Channel> {
    const given = { ...attempt({}, 'compliance', this.#address), timeout: 10_000 };
    const channel = await (this.#dialer as Dialer).dial(given);
    this.#dialled.push(channel);
    return channel;
  }

  /** Not every protocol's sockets are the engine's: those of libraries end with their channels only. */
  async close(): Promise<void> {
    for (const channel of [...this.#dialled, ...this.accepted]) {
      channel.close({ kind: 'end', message: 'the test is over' });
    }
    await this.#dialer?.close?.();
    await this.#listener?.listening?.close();
  }
}
