import type { Channel } from '../core/channel.ts';
import type { Shortage } from '../core/connections.ts';
import type { Engine, First } from '../core/engine.ts';
import { asL7mpError } from '../core/errors.ts';
import type { GatheringLimit } from '../core/gathering.ts';
import { queueLimits } from '../core/limits.ts';
import type { Log } from '../core/log.ts';
import type { Enclosure, ListenerHost, Listening, NewPeer, Spec } from '../core/protocol.ts';
import type { Registry } from '../core/registry.ts';
import type { SharedSecret } from '../core/shared-secret.ts';
import { PRIVATE_MODE } from '../output/enclosure.ts';
import type { Listener } from './listener.ts';

/** Whether what comes to a listener is taken; what is refused is counted. */
export interface Admitting {
  /** One more session. */
  admit(listener: Listener, peer?: NewPeer): boolean;
  /** Anything of this peer, whose address the listener may deny. */
  screen(listener: Listener, peer?: NewPeer): boolean;
  /** Whether a full proxy is seen and mended through it. */
  mayUseReserve(listener: Listener): boolean;
  /** Nothing is taken, whichever listener it comes to. */
  readonly overloaded: boolean;
  /** Counts what an engine has refused by itself. */
  refusedBy(listener: Listener, why: Shortage | 'peers', count?: number): void;
}

export interface OpenContext {
  readonly registry: Registry;
  readonly io: Engine;
  readonly log: Log;
  readonly admission: Admitting;
  readonly gathering: GatheringLimit;
  /** An address may be waited for: the process before has it, and is about to end. */
  waits?(): boolean;
  readonly secret: SharedSecret;
  /** Below which the API may name files. */
  enclosure(): Enclosure;
  /** Begins a session of the listener with what it has accepted. */
  begin(listener: Listener, channel: Channel): void;
}

/** Makes a listener listen. Rejects with E_BIND, and leaves nothing behind, where it cannot. */
export async function open(listener: Listener, context: OpenContext): Promise<void> {
  const { name, spec, options: opened, confined } = listener.definition;
  const { admission, log, io, registry, gathering, secret } = context;
  const host: ListenerHost = {
    name,
    get options() {
      return listener.definition.options;
    },
    limits: queueLimits(opened),
    enclosure: confined ? context.enclosure() : undefined,
    secret,
    fileMode: confined ? PRIVATE_MODE : undefined,
    io,
    log,
    gathering,
    admit: (peer) => admission.admit(listener, peer),
    waits: context.waits?.() ?? false,
    mayUseReserve: () => admission.mayUseReserve(listener),
    denies: (address) => !listener.access.has(address),
    overloaded: () => admission.overloaded,
    refused: (why, count) => admission.refusedBy(listener, why, count),
    accept: (channel) => context.begin(listener, channel),
    reject: (why) => {
      if (listener.reject(why)) log.write('info', name, `rejected: ${why} (said once; the metrics count the rest)`);
    },
    // Behind it, since a copy would keep the options of now.
    listenOn: (under, accept, first, everybody = false) => {
      const own = {
        accept: { value: accept },
        admit: { value: (peer?: NewPeer) => everybody || admission.screen(listener, peer) },
        first: { value: first && guarded(first, host) },
      };
      const below: ListenerHost = Object.create(host, own);
      return listenWith(under, below, registry);
    },
  };
  listener.listening = await listenWith(spec, host, registry);
}

/** A datagram that it cannot look at is not taken: it is somebody else's code, and anybody's bytes. */
function guarded(first: First, { log, name, reject }: ListenerHost): First {
  return (peer, bytes, reply) => {
    try {
      return first(peer, bytes, reply);
    } catch (error) {
      reject('bad-datagram');
      if (log.enabled('verbose')) log.write('verbose', name, `a first datagram: ${asL7mpError(error).message}`);
      return false;
    }
  };
}

function listenWith(spec: Spec, host: ListenerHost, registry: Registry): Promise<Listening> {
  return registry.listener(spec.protocol).listen(spec, host);
}
