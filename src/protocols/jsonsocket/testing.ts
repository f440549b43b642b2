/** For the tests of JSONSocket: the proxy's side of both contracts, over an engine. */
import type { TestContext } from 'node:test';
import { type Channel, DEFAULT_LIMITS } from '../../core/channel.ts';
import type { Engine } from '../../core/engine.ts';
import type { L7mpError } from '../../core/errors.ts';
import { GatheringLimit } from '../../core/gathering.ts';
import { SILENT } from '../../core/log.ts';
import type { Metadata } from '../../core/metadata.ts';
import type {
  Attempt,
  ClusterHost,
  ClusterSide,
  ListenerHost,
  ListenerSide,
  Listening,
  Protocol,
  Spec,
} from '../../core/protocol.ts';
import { SharedSecret } from '../../core/shared-secret.ts';
import { createNodeEngine } from '../../io/node/index.ts';
import { attempt, type FakeAttempt } from '../../testing/fake-cluster-host.ts';
import { tcp } from '../tcp/index.ts';
import { udp } from '../udp/index.ts';
import { unix } from '../unix/index.ts';
import { jsonsocket } from './index.ts';

const TRANSPORTS = new Map<string, Protocol>([udp, tcp, unix].map((protocol) => [protocol.name, protocol]));

function transport({ protocol }: Spec): { listener: ListenerSide; cluster: ClusterSide } {
  return TRANSPORTS.get(protocol) as { listener: ListenerSide; cluster: ClusterSide };
}

export const LISTENER = jsonsocket.listener as ListenerSide;
export const CLUSTER = jsonsocket.cluster as ClusterSide;

/** What arrives, to be taken in order by who waits for it. */
export class Inbox<T> {
  readonly #items: T[] = [];
  readonly #waiting: ((item: T) => void)[] = [];

  push(item: T): void {
    const taker = this.#waiting.shift();
    if (taker) taker(item);
    else this.#items.push(item);
  }

  next(): Promise<T> {
    const [item] = this.#items.splice(0, 1);
    return item === undefined ? new Promise((resolve) => this.#waiting.push(resolve)) : Promise.resolve(item);
  }

  get size(): number {
    return this.#items.length;
  }
}

/** An engine, and what a test opens beside it: closed after the test, the last opened first. */
export class Rig {
  readonly io: Engine = createNodeEngine();
  readonly #ends: (() => unknown)[] = [];

  constructor(t: TestContext) {
    t.after(async () => {
      for (const end of this.#ends.reverse()) await end();
      await this.io.close();
    });
  }

  onEnd(end: () => unknown): void {
    this.#ends.push(end);
  }

  /** The channel goes when the test does. */
  own(channel: Channel): void {
    this.onEnd(() => channel.close({ kind: 'end', message: 'the test is over' }));
  }
}

export interface TestListener {
  readonly accepted: Inbox<Channel>;
  readonly rejected: Inbox<string>;
  readonly listening: Listening;
}

export interface ListenOptions {
  readonly connect_timeout?: number;
  readonly most?: number;
  readonly [field: string]: unknown;
}

/** A JSONSocket listener that runs. At most `most` sessions are admitted. */
export async function listenOn(rig: Rig, under: Spec, options: ListenOptions = {}): Promise<TestListener> {
  const accepted = new Inbox<Channel>();
  const rejected = new Inbox<string>();
  let sessions = 0;
  const host: ListenerHost = {
    name: 'l',
    options,
    limits: DEFAULT_LIMITS,
    io: rig.io,
    log: SILENT,
    denies: () => false,
    overloaded: () => false,
    mayUseReserve: () => false,
    refused: () => {},
    gathering: new GatheringLimit(),
    secret: new SharedSecret(),
    admit: () => {
      if (sessions < (options.most ?? Number.POSITIVE_INFINITY)) return true;
      rejected.push('max-sessions');
      return false;
    },
    accept: (channel) => {
      sessions++;
      rig.own(channel);
      accepted.push(channel);
    },
    reject: (why) => rejected.push(why),
    listenOn: (spec, accept) => transport(spec).listener.listen(spec, { ...host, accept }),
  };
  return { accepted, rejected, listening: await LISTENER.listen({ protocol: 'JSONSocket', transport: under }, host) };
}

/** Dials as a JSONSocket cluster does. */
export async function dialerOf(
  rig: Rig,
  spec: { transport: Spec; header?: unknown },
): Promise<{ dial(attempt: Attempt): Promise<Channel> }> {
  const host = {
    name: 'c',
    options: {},
    limits: DEFAULT_LIMITS,
    io: rig.io,
    log: SILENT,
    dialerOn: async (under: Spec) => transport(under).cluster.open(under, host),
  } as unknown as ClusterHost;
  const dialer = await CLUSTER.open(spec, host);
  return {
    dial: async (attempt) => {
      const channel = await dialer.dial(attempt);
      rig.own(channel);
      return channel;
    },
  };
}

export function attemptTo(address: string, metadata: Metadata = {}): FakeAttempt {
  return { ...attempt(metadata, 's', address), timeout: 2000 };
}

/** What a channel brings from now on, as text. Writes every message back where `echo`. */
export function reading(channel: Channel, { echo = false } = {}): Inbox<string> {
  const inbox = new Inbox<string>();
  channel.owner = { closed: (_channel, { kind }) => inbox.push(`(${kind})`) };
  channel.read({
    message: (bytes) => {
      inbox.push(Buffer.from(bytes).toString());
      if (echo) channel.write(bytes);
    },
    end: () => inbox.push('(end of data)'),
  });
  return inbox;
}

/** Expects an L7mpError of this code. */
export function failure(code: string, message: RegExp): (error: L7mpError) => boolean {
  return (error) => error.code === code && message.test(error.message);
}

/** What a session over an Echo does. */
export async function echoNext({ accepted }: TestListener): Promise<Channel> {
  const channel = await accepted.next();
  channel.accept();
  reading(channel, { echo: true });
  return channel;
}
