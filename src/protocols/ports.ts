/**
 * Listening on many ports: what TCP, UDP and any protocol on Internet sockets do for `ports`. Each port is listened to like
 * one alone, by one acceptor, so that its sessions are as ever and have the port that was hit; all of them are one thing to
 * close. A protocol takes the fields from `listenFields`, checks them by `checkListen`, says `address: listenAddress`, and
 * gives `listenAt` what opens one port.
 */
import { setImmediate as turn } from 'node:timers/promises';
import type { Connections } from '../core/connections.ts';
import type { InternetAddress, SocketListening } from '../core/engine.ts';
import { L7mpError } from '../core/errors.ts';
import { hostPorts, type ListenAddress, portsOf } from '../core/ports.ts';
import type { ListenerHost } from '../core/protocol.ts';
import { isInUse } from '../io/node/stream.ts';
import { addressToBind } from '../io/resolve.ts';
import { LatePorts } from './late-ports.ts';

/** Ports that are opened, or closed, before others have their turn: some milliseconds. */
const SLICE = 256;

/** Opens one port. Rejects with E_BIND, and leaves nothing behind, where it cannot. */
export type Opener<T extends SocketListening> = (at: InternetAddress) => Promise<T>;

/** All that was opened, port by port. */
export interface PortsListening<T extends SocketListening> extends SocketListening {
  readonly each: readonly T[];
}

/** What is needed of a listener's host. */
export type PortsHost = Pick<ListenerHost, 'io' | 'log' | 'name' | 'waits'>;

/**
 * Listens at an address, or at each port of a range. Rejects with E_BIND, which names the port, and leaves nothing behind.
 * What is opened in a range is `ranged`: see `InternetAddress`. Ports that the process before still has come later, each
 * as soon as it is free, where the host `waits`.
 *
 * @example listen: (spec, host) => listenAt(listenAddress(spec), host, (at) => host.io.listenStream(at, acceptor)),
 */
export async function listenAt<T extends SocketListening>(
  address: ListenAddress,
  host: PortsHost,
  open: Opener<T>,
): Promise<PortsListening<T>> {
  const { first, last } = portsOf(address);
  if (first === last) {
    const one = await open({ host: address.host, port: first });
    return { each: [one], close: () => one.close() };
  }
  const resolved = await addressToBind(address);
  return openAll(address, host, (port) => open({ host: resolved, port, ranged: true }));
}

async function openAll<T extends SocketListening>(
  address: ListenAddress,
  { io, log, name, waits = false }: PortsHost,
  open: (port: number) => Promise<T>,
): Promise<PortsListening<T>> {
  const { first, last } = portsOf(address);
  // Before any is opened: else there would be none left for traffic, for a while.
  needRoom(io.connections, io.connections.ceiling, address);
  const each: T[] = [];
  const late = new LatePorts({ open, opened: (one) => each.push(one), log, name });
  const close = async (): Promise<void> => {
    await late.close();
    await closeAll(each);
  };
  try {
    for (let port = first; port <= last; port += SLICE) {
      const slice = { ...address, port, lastPort: Math.min(last, port + SLICE - 1) };
      needRoom(io.connections, io.connections.left, slice);
      const taken = await openSlice(slice, open, each, ({ error }) => waits && isInUse(error));
      late.add(taken);
      await turn();
    }
  } catch (error) {
    await close();
    throw error;
  }
  late.begin();
  return { each, close };
}

async function closeAll(each: readonly SocketListening[]): Promise<void> {
  for (let n = 0; n < each.length; n += SLICE) {
    await Promise.all(each.slice(n, n + SLICE).map((one) => one.close()));
    await turn();
  }
}

/** Throws E_BIND where ports are more than there is room for. */
function needRoom({ ceiling }: Connections, room: number, address: ListenAddress): void {
  const { first, last } = portsOf(address);
  const wanted = last - first + 1;
  if (wanted <= room) return;
  const why = `${wanted} more descriptors are needed; of those up to ${ceiling} (ulimit -n, less what is reserved) too few are left`;
  throw new L7mpError('E_BIND', `cannot listen on ${hostPorts(address)}: ${why}`);
}

interface Failure {
  readonly port: number;
  readonly error: unknown;
}

/** Adds what it opens to `opened`. Returns the ports that it could not open for a reason that `passes`; throws any other one. */
async function openSlice<T>(
  address: ListenAddress,
  open: (port: number) => Promise<T>,
  opened: T[],
  passes: (failure: Failure) => boolean,
): Promise<number[]> {
  const { first, last } = portsOf(address);
  const ports = Array.from({ length: last - first + 1 }, (_, n) => first + n);
  const results = await Promise.allSettled(ports.map(open));
  const failures: Failure[] = [];
  for (const [n, result] of results.entries()) {
    if (result.status === 'fulfilled') opened.push(result.value);
    else failures.push({ port: first + n, error: result.reason });
  }
  const fatal = failures.find((failure) => !passes(failure));
  if (fatal) throw fatal.error;
  return failures.map(({ port }) => port);
}
