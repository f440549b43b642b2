/** A transport without a network, for tests: two ends in one process that keep to the whole contract of a channel. */
import Type, { type Static } from 'typebox';
import type { ChannelKind, QueueLimits } from '../../core/channel.ts';
import { L7mpError } from '../../core/errors.ts';
import { type Attempt, defineProtocol, type ListenerHost, type Protocol } from '../../core/protocol.ts';
import { Name, strict } from '../../core/schema.ts';
import { connect } from './channel.ts';

const Kind = Type.Optional(Type.Enum(['datagram', 'stream'], { description: 'Default datagram.' }));

const ListenerSpec = strict({
  name: Name,
  kind: Kind,
  scribble: Type.Optional(
    Type.Boolean({
      description:
        'Messages, in both directions, are delivered in a buffer that is overwritten right after: who keeps one without copying it keeps rubbish.',
    }),
  ),
});

interface Listener {
  readonly spec: Static<typeof ListenerSpec>;
  readonly host: ListenerHost;
}

/**
 * A protocol whose listeners and clusters meet by name in this network, and nowhere else.
 *
 * @example runCompliance({ name: 'MyLayer', protocols: [createMemoryNetwork(), myLayer], specs });
 */
export function createMemoryNetwork(): Protocol {
  const listeners = new Map<string, Listener>();
  return defineProtocol({
    name: 'Memory',
    title: 'Connections inside of one process, for tests.',
    listener: {
      schema: ListenerSpec,
      kind: ({ kind = 'datagram' }) => kind,
      transport: true,
      sessionName: ({ listener, n }) => `Memory:${listener}-${n}`,
      listen: async (spec, host) => {
        const { name } = spec;
        if (listeners.has(name)) throw new L7mpError('E_BIND', `cannot listen on ${name}: the name is in use`);
        const listener: Listener = { spec, host };
        listeners.set(name, listener);
        return {
          close: async () => {
            if (listeners.get(name) === listener) listeners.delete(name);
          },
        };
      },
    },
    cluster: {
      schema: strict({ kind: Kind }),
      kind: ({ kind = 'datagram' }) => kind,
      transport: true,
      open: ({ kind = 'datagram' }, { limits }) => ({
        dial: async (attempt) => {
          await nextTurn();
          return dial(listeners, attempt, kind, limits);
        },
      }),
    },
  });
}

function nextTurn(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}

function dial(
  listeners: ReadonlyMap<string, Listener>,
  { address, signal }: Attempt,
  kind: ChannelKind,
  limits: QueueLimits,
) {
  if (signal.aborted) throw new L7mpError('E_TIMEOUT', `${address}: not connected in time`);
  const listener = listeners.get(address);
  if (!listener) throw new L7mpError('E_CONNECT', `${address}: nobody listens there`);
  const { spec, host } = listener;
  const { kind: theirs = 'datagram', scribble = false } = spec;
  if (theirs !== kind) throw new L7mpError('E_CONNECT', `${address}: is of kind ${theirs}, not ${kind}`);
  if (!host.admit()) throw new L7mpError('E_CONNECT', `${address}: refused`);
  const { dialled, accepted } = connect(
    { kind, scribble, metadata: { Memory: { name: address } } },
    limits,
    host.limits,
  );
  host.accept(accepted);
  return dialled;
}
