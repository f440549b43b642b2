/** The worker's side of what has its owner in the main thread. */
import { MessageChannel } from 'node:worker_threads';
import { L7mpError } from '../core/errors.ts';
import type { Attempt, ClusterSide, Dialer, Protocol, Spec } from '../core/protocol.ts';
import type { Calls } from './calls.ts';
import type { Owner } from './owner.ts';
import { PortChannel } from './port-channel.ts';

/** The protocol as a worker has it, one of so many: where there is one instance for all of them, its owner makes it. */
export function protocolInWorker(protocol: Protocol, owner: Calls<Owner>, workers: number): Protocol {
  const { cluster: side } = protocol;
  const isElsewhere = side?.scope === 'process' || (side?.scope === 'proxy' && workers > 1);
  return isElsewhere ? { ...protocol, cluster: { ...side, open: openAtOwner(owner) } } : protocol;
}

function openAtOwner(owner: Calls<Owner>): ClusterSide['open'] {
  return async (spec: Spec, { name, options, limits }): Promise<Dialer> => {
    const cluster = await owner.call('openOwned', [{ name, spec, options }]);
    return {
      dial: async (attempt) => {
        const { port1, port2 } = new MessageChannel();
        try {
          const facts = await owner.call('dialOwned', [cluster, plain(attempt), port2], { transfer: [port2] });
          if (attempt.signal.aborted) throw new L7mpError('E_TIMEOUT', 'the attempt was given up');
          return new PortChannel(port1, facts, limits);
        } catch (error) {
          // The owner's end closes with it.
          port1.close();
          throw error;
        }
      },
      close: async () => {
        await owner.call('closeOwned', [cluster]).catch(() => {});
      },
    };
  };
}

function plain({ address, port, timeout, session }: Attempt): Parameters<Owner['dialOwned']>[1] {
  const { name, metadata, listener } = session ?? {};
  if (name === undefined || metadata === undefined) return { address, port, timeout };
  const known = listener && { listener: { name: listener.name } };
  return { address, port, timeout, session: { name, metadata, ...known } };
}
