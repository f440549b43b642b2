/** Ranges of ports that one listener has: how they are written, and what is said of them. */
import { hostPort } from './address.ts';
import { L7mpError } from './errors.ts';

/** Ports from `first` to `last`, both included. */
export interface PortRange {
  readonly first: number;
  readonly last: number;
}

/** Where something listens: at one port, or at all from there to `lastPort`. */
export interface ListenAddress {
  readonly host: string;
  readonly port: number;
  readonly lastPort?: number | undefined;
}

/** How a range is written. */
export const PORTS = '^[1-9][0-9]{0,4}-[1-9][0-9]{0,4}$';

const HIGHEST = 65_535;

/**
 * The range that a text means.
 *
 * Throws E_INVALID, whose message begins with `field`, where it is none.
 *
 * @example parsePorts('10000-10999'); // { first: 10000, last: 10999 }
 */
export function parsePorts(text: string, field = '/ports'): PortRange {
  if (!new RegExp(PORTS).test(text)) throw new L7mpError('E_INVALID', `${field}: must be as 10000-10999`);
  const [first, last] = text.split('-').map(Number) as [number, number];
  if (last > HIGHEST) throw new L7mpError('E_INVALID', `${field}: ${last} is no port: the highest is ${HIGHEST}`);
  if (first > last) throw new L7mpError('E_INVALID', `${field}: ends before it begins`);
  return { first, last };
}

/** The first and the last port of an address; one port is both. */
export function portsOf({ port, lastPort = port }: ListenAddress): PortRange {
  return { first: port, last: lastPort };
}

/** The lowest port that two ranges have in common, if any. */
export function commonPort(a: PortRange, b: PortRange): number | undefined {
  const port = Math.max(a.first, b.first);
  return port <= Math.min(a.last, b.last) ? port : undefined;
}

/** `<host>:<port>`, or `<host>:<port>-<port>` of several. */
export function hostPorts({ host, port, lastPort }: ListenAddress): string {
  return lastPort === undefined ? hostPort(host, port) : `${hostPort(host, port)}-${lastPort}`;
}
