/** What listeners listen on, and which of them cannot do so beside one another. */
import { isIPv4 } from 'node:net';
import { lowest, type Spec } from './protocols.ts';

/** The socket that a listener opens; two protocols may want the same. */
export interface Claim {
  readonly socket: 'udp' | 'tcp' | 'unix';
  /** An address, or a path. */
  readonly host: string;
  /** All up to and including the last one; 0 for a path. */
  readonly port: number;
  readonly last: number;
}

const ANY = '0.0.0.0';

/** Undefined for a protocol of which nothing is known. */
export function claimOf(listener: Spec): Claim | undefined {
  const { protocol, port, ports, address, filename } = lowest(listener);
  if (typeof filename === 'string') return { socket: 'unix', host: filename, port: 0, last: 0 };
  const [first, last = first] = typeof ports === 'string' ? ports.split('-').map(Number) : [port];
  if (typeof first !== 'number' || typeof last !== 'number') return undefined;
  const host = typeof address === 'string' ? plain(address) : ANY;
  return { socket: protocol === 'UDP' ? 'udp' : 'tcp', host, port: first, last };
}

export function collide(a: Claim, b: Claim): boolean {
  if (a.socket !== b.socket || a.port > b.last || b.port > a.last) return false;
  return a.host === b.host || covers(a, b) || covers(b, a);
}

/** The API may listen on any of the addresses, and clients must reach it: its port is taken on all of them. */
export function wantsApiPort({ socket, port, last }: Claim, apiPort: number): boolean {
  return socket === 'tcp' && port <= apiPort && apiPort <= last;
}

export function describe({ socket, host, port, last }: Claim): string {
  if (socket === 'unix') return host;
  const which = last > port ? `ports ${port}-${last}` : `port ${port}`;
  return `${socket.toUpperCase()} ${which}${host === ANY ? '' : ` of ${host}`}`;
}

function covers({ socket, host }: Claim, other: Claim): boolean {
  return socket !== 'unix' && (host === '::' || (host === ANY && isIPv4(other.host)));
}

/** As the proxy takes it: IPv6 with or without brackets. */
function plain(address: string): string {
  return address.startsWith('[') && address.endsWith(']') ? address.slice(1, -1) : address;
}
