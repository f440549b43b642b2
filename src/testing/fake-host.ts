/** A listener's surroundings for tests of one protocol, without sessions: what it emits is kept for the test. */
import assert from 'node:assert/strict';
import { type Channel, DEFAULT_LIMITS, type QueueLimits } from '../core/channel.ts';
import { L7mpError } from '../core/errors.ts';
import { GatheringLimit } from '../core/gathering.ts';
import { SILENT } from '../core/log.ts';
import type { ListenerHost, ListenerOptions, Listening, Protocol } from '../core/protocol.ts';
import { Registry } from '../core/registry.ts';
import { SharedSecret } from '../core/shared-secret.ts';
import { createNodeEngine } from '../io/node/index.ts';
import type { OpenContext } from '../listener/open.ts';
import { PROTOCOLS } from '../protocols.ts';
import { freePort } from './ports.ts';
import { until } from './until.ts';

/** The surroundings of a listener, which keep what it accepts and rejects. */
export interface FakeHost extends ListenerHost {
  /** Every channel that was accepted. */
  readonly channels: Channel[];
  /** What was rejected, in order. */
  readonly rejects: string[];
  /** The oldest channel that no earlier call has returned. */
  next(): Promise<Channel>;
}

/** Takes everything. */
export const UNLIMITED: OpenContext['admission'] = {
  admit: () => true,
  screen: () => true,
  mayUseReserve: () => false,
  overloaded: false,
  refusedBy: () => {},
};

/** What is not as usual. */
export interface FakeHostOptions {
  readonly admit?: () => boolean;
  readonly options?: ListenerOptions;
  readonly limits?: QueueLimits;
  readonly gathering?: GatheringLimit;
  /** Called with each channel at once, as a session would be begun. */
  readonly begin?: (channel: Channel) => void;
}

/**
 * Stands for the proxy behind a listener side: every peer is admitted, what is accepted is kept. It may stand on the
 * protocols that are built in.
 *
 * @example
 * const host = fakeHost();
 * await myProtocol.listener.listen({ protocol: 'MyProtocol', port }, host);
 * const channel = await host.next();
 */
export function fakeHost({
  admit,
  options = {},
  limits = DEFAULT_LIMITS,
  gathering = new GatheringLimit(),
  begin,
}: FakeHostOptions = {}): FakeHost {
  const channels: Channel[] = [];
  const rejects: string[] = [];
  let taken = 0;
  const registry = new Registry(PROTOCOLS);
  const host: FakeHost = {
    name: 'listener',
    options,
    limits,
    io: createNodeEngine(),
    log: SILENT,
    gathering,
    secret: new SharedSecret(),
    channels,
    rejects,
    admit: admit ?? (() => true),
    denies: () => false,
    overloaded: () => false,
    mayUseReserve: () => false,
    refused: () => {},
    accept: (channel) => {
      channels.push(channel);
      begin?.(channel);
    },
    reject: (why) => {
      rejects.push(why);
    },
    listenOn: (spec, accept, first) =>
      registry.listener(spec.protocol).listen(spec, { ...host, accept, admit: () => true, first }),
    next: async () => {
      const n = taken++;
      return until(() => channels[n], 'a channel');
    },
  };
  return host;
}

/**
 * Listens on some port of this machine: specifications take 1-65535, so one is tried until it is free.
 *
 * Rejects as `listen` does, but for E_BIND.
 *
 * @example const { port, listening } = await listenSomewhere(myProtocol, fakeHost());
 */
export async function listenSomewhere(
  protocol: Protocol,
  host: ListenerHost,
  fields: Readonly<Record<string, unknown>> = {},
): Promise<{ port: number; listening: Listening }> {
  for (;;) {
    const port = await freePort();
    const spec = { protocol: protocol.name, address: '127.0.0.1', ...fields, port };
    try {
      const listening = await protocol.listener?.listen(spec, host);
      assert.ok(listening);
      return { port, listening };
    } catch (error) {
      if (!(error instanceof L7mpError) || error.code !== 'E_BIND') throw error;
    }
  }
}
