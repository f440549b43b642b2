/** Makes both ends of a connection of a protocol: one dialled, one accepted, by the protocol's own two sides. */
import type { TestContext } from 'node:test';
import type { Channel } from '../../src/core/channel.ts';
import { L7mpError } from '../../src/core/errors.ts';
import { queueLimits } from '../../src/core/limits.ts';
import { SILENT } from '../../src/core/log.ts';
import type { Attempt, ClusterHost, Dialer, Protocol, Services, Spec } from '../../src/core/protocol.ts';
import { Registry } from '../../src/core/registry.ts';
import type { Engine } from '../../src/io/engine.ts';
import { Listener } from '../../src/listener/listener.ts';
import { open } from '../../src/listener/open.ts';

/** What the suite needs to know of a protocol. */
export interface Subject {
  readonly name: string;
  readonly protocols: readonly Protocol[];
  /** The specifications of a listener and of a cluster that leads to it, and the endpoint's address; new ones each time. */
  specs(): Promise<{ listener: Spec; cluster: Spec; address: string }>;
  readonly engine: () => Engine;
  /** Why nothing can be tried on this machine. */
  readonly skip?: string | false;
  /** Cases that this protocol cannot pass, each with the reason. */
  readonly skips?: Readonly<Partial<Record<CaseName, string>>>;
}

export type CaseName =
  | 'open'
  | 'echo'
  | 'boundaries'
  | 'sizes'
  | 'ownership'
  | 'half-close'
  | 'back-pressure'
  | 'bounded queue'
  | 'peer death'
  | 'close reason'
  | 'refusal'
  | 'early data';

/** What a session has of a listener: its channels, as they come. */
export interface Opened {
  readonly accepted: Channel[];
  dial(): Promise<Channel>;
}

const SESSION = { name: 'compliance', metadata: {} };

function attempt(address: string): Attempt {
  return { address, timeout: 10_000, session: SESSION, cancelled: false, onCancel: undefined };
}

/** Ports are free when they are chosen, and may be taken when they are used. */
const ATTEMPTS = 5;

/** How the accepted channels are answered, as a session would. */
export type Answer = (channel: Channel) => void;

const takeIt: Answer = (channel) => channel.accept();

export async function openSubject(
  t: TestContext,
  subject: Subject,
  answer: Answer = takeIt,
  options: Record<string, unknown> = {},
): Promise<Opened> {
  for (let n = 1; ; n++) {
    try {
      return await openOnce(t, subject, answer, options);
    } catch (error) {
      if (n === ATTEMPTS || !(error instanceof L7mpError) || error.code !== 'E_BIND') throw error;
    }
  }
}

async function openOnce(
  t: TestContext,
  subject: Subject,
  answer: Answer,
  options: Record<string, unknown>,
): Promise<Opened> {
  const { listener: spec, cluster, address } = await subject.specs();
  const registry = new Registry(subject.protocols);
  const io = subject.engine();
  const accepted: Channel[] = [];
  const dialled: Channel[] = [];
  // Not every protocol's sockets are the engine's: those of libraries end with their channels only.
  t.after(() => {
    for (const channel of [...dialled, ...accepted]) channel.close({ kind: 'end', message: 'the test is over' });
  });
  t.after(() => io.close());
  const definition = { kind: 'listener', name: 'l', inline: false, spec, rules: 'r', options } as const;
  const listener = new Listener(definition, registry.listener(spec.protocol));
  const begin = (_listener: Listener, channel: Channel): void => {
    accepted.push(channel);
    channel.routed();
    answer(channel);
  };
  await open(listener, { registry, io, log: SILENT, begin });
  t.after(() => listener.listening?.close());
  const limits = queueLimits(options);
  const dialerOn = async (under: Spec): Promise<Dialer> => registry.cluster(under.protocol).open(under, host);
  const host: ClusterHost = { name: 'c', options: {}, limits, io, log: SILENT, services: {} as Services, dialerOn };
  const dialer = await dialerOn(cluster);
  t.after(() => dialer.close?.());
  const dial = async (): Promise<Channel> => {
    const channel = await dialer.dial(attempt(address));
    dialled.push(channel);
    return channel;
  };
  return { accepted, dial };
}
