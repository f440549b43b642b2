/** What the protocols on Internet sockets have in common: fields, and what they say of a connection. */
import { ANY, checkHost, checkIp } from '../core/address.ts';
import type { Acceptor, Ends } from '../core/engine.ts';
import { L7mpError } from '../core/errors.ts';
import type { Metadata } from '../core/metadata.ts';
import { type ListenAddress, PORTS, parsePorts } from '../core/ports.ts';
import type { ListenerHost } from '../core/protocol.ts';
import type { SchemaParts } from '../core/schema.ts';
import { checkDialPort, dialPortField, type PortSpec } from './dial-port.ts';

export { ANY } from '../core/address.ts';

export const listenFields = ({ Type, Port, Address }: SchemaParts) => ({
  port: Type.Optional({ ...Port, description: 'The port on which it listens; or `ports`.' }),
  ports: Type.Optional(
    Type.String({ pattern: PORTS, maxLength: 11, description: 'Many ports in place of `port`, as `10000-10999`.' }),
  ),
  address: Type.Optional({ ...Address, description: 'An address of this machine, or a name of one. Default 0.0.0.0.' }),
});

export const dialFields = (parts: SchemaParts) => ({
  port: dialPortField(parts),
  bind: parts.Type.Optional(parts.BindSchema),
});

/** What `listenFields` describes. */
export interface ListenFields {
  readonly port?: number;
  readonly ports?: string;
  readonly address?: string;
}

/** Where a listener listens whose specification was checked. */
export function listenAddress({ address: host = ANY, port, ports }: ListenFields): ListenAddress {
  if (port !== undefined) return { host, port };
  const { first, last } = parsePorts(ports ?? '');
  return { host, port: first, lastPort: last };
}

/**
 * The metadata of a connection's ends as a listener sees them: the source is the peer.
 *
 * @example describe: ({ ends }) => (ends ? endsMetadata('SCTP', ends) : {}),
 */
export function endsMetadata(transport: string, ends: Ends): Metadata {
  return {
    IP: { src_addr: ends.remoteAddress, dst_addr: ends.localAddress },
    [transport]: { src_port: ends.remotePort, dst_port: ends.localPort },
  };
}

/**
 * `<address>:<port>-<address>:<port>` out of such metadata, for session names.
 *
 * Throws a TypeError where the metadata have not the form of `endsMetadata`.
 *
 * @example sessionName: ({ n, metadata }) => `SCTP:${endsName('SCTP', metadata)}-${n}`,
 */
export function endsName(transport: string, metadata: Metadata): string {
  const ip = metadata.IP as { src_addr: string; dst_addr: string };
  const ports = metadata[transport] as { src_port: number; dst_port: number };
  return `${ip.src_addr}:${ports.src_port}-${ip.dst_addr}:${ports.dst_port}`;
}

/** What is special about the peers of a transport. */
export interface Peers {
  /** They may be forged, and cannot be told anything. */
  readonly lossy?: boolean;
  /** Sorts them out; what is not wanted is counted. */
  readonly wants?: (peer: { address: string; port: number }) => boolean;
}

/**
 * Takes what an engine accepts into sessions, with such metadata.
 *
 * @example listen: ({ port, address }, host) => host.io.listenStream({ host: address, port }, socketAcceptor('TCP', host)),
 */
export function socketAcceptor(transport: string, host: ListenerHost, { lossy = false, wants }: Peers = {}): Acceptor {
  return {
    limits: host.limits,
    first: host.first,
    admit: (peer, scarce) => {
      if (!wants || wants(peer)) return host.admit({ address: peer.address, lossy, scarce });
      host.reject('wrong-peer');
      return false;
    },
    mayUseReserve: () => host.mayUseReserve(),
    refused: (why, count) => host.refused(why, count),
    accept: (channel) => host.accept(channel),
    describe: ({ ends }) => (ends ? endsMetadata(transport, ends) : {}),
  };
}

// -------------------------------------------------------------------- what schemas cannot say

/** Of where a listener listens. */
export function checkListen({ address, port, ports }: ListenFields): void {
  if (address !== undefined) checkHost(address, '/address');
  if (port === undefined && ports === undefined) throw new L7mpError('E_INVALID', '/port: missing');
  if (port !== undefined && ports !== undefined) throw new L7mpError('E_INVALID', '/ports: has no place beside port');
  if (ports !== undefined) parsePorts(ports);
}

/** Of where a cluster's connections go, and come from. */
export function checkDial({ bind, port }: { bind?: { address?: string }; port?: PortSpec }): void {
  checkDialPort(port);
  if (bind?.address !== undefined) checkIp(bind.address, '/bind/address');
}
