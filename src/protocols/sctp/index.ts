import { checkHost, checkIp } from '../../core/address.ts';
import type { InternetAddress, SctpAddress } from '../../core/engine.ts';
import { defineProtocol } from '../../core/protocol.ts';
import type { SchemaParts, StaticOf } from '../../core/schema.ts';
import {
  ANY,
  checkDial,
  checkListen,
  dialFields,
  endsName,
  listenAddress,
  listenFields,
  socketAcceptor,
} from '../addresses.ts';
import { dialPort } from '../dial-port.ts';
import { messagesOf } from '../messages.ts';
import { listenAt } from '../ports.ts';

/** Streams that are asked for in either direction, where the specification does not say. */
const STREAMS = 10;

/** What is looked at before there is a session does not depend on it. */
const ANY_PORT = 1;

const commonFields = ({ Type }: SchemaParts) => ({
  streams: Type.Optional(
    Type.Integer({
      minimum: 1,
      maximum: 65_535,
      description: `Streams that are asked for in each direction; the peer may grant fewer. Default ${STREAMS}.`,
    }),
  ),
  nodelay: Type.Optional(
    Type.Boolean({ description: 'Small messages leave at once, and are not gathered. Default true.' }),
  ),
});

const addressesField = ({ Type, Address }: SchemaParts, description: string) =>
  Type.Optional(Type.Array({ ...Address, description: 'An IP address.' }, { maxItems: 32, description }));

function listenerSpec(parts: SchemaParts) {
  return parts.strict({
    ...listenFields(parts),
    addresses: addressesField(parts, 'Further addresses of this machine (multi-homing). Default none.'),
    ...commonFields(parts),
  });
}

function clusterSpec(parts: SchemaParts) {
  const { strict, Type, Address } = parts;
  return strict({
    ...dialFields(parts),
    address: Type.Optional({ ...Address, description: 'The only endpoint, where none is given.' }),
    addresses: addressesField(parts, 'Further addresses of the only endpoint (multi-homing). Default none.'),
    ...commonFields(parts),
    stream: Type.Optional(
      Type.Integer({
        minimum: 0,
        maximum: 65_534,
        description: 'The stream of messages that have come by another protocol. Default 0.',
      }),
    ),
    ppid: Type.Optional(
      Type.Integer({
        minimum: 0,
        maximum: 4_294_967_295,
        description: 'The payload protocol identifier of such messages. Default 0.',
      }),
    ),
  });
}

type ListenerSpec = StaticOf<typeof listenerSpec>;
type ClusterSpec = StaticOf<typeof clusterSpec>;

export const sctp = defineProtocol({
  name: 'SCTP',
  title: 'SCTP associations over IPv4 and IPv6 (RFC 9260): messages in streams, in order and without loss.',
  listener: {
    schema: listenerSpec,
    kind: 'datagram',
    transport: true,
    sessionName: ({ metadata }) => `SCTP:${endsName('SCTP', metadata)}`,
    check: (spec) => {
      checkListen(spec);
      checkAddresses(spec);
    },
    address: listenAddress,
    live: ['/spec/ports'],
    listen: async (spec, host) => {
      const messages = messagesOf('SCTP', host.io);
      const acceptor = socketAcceptor('SCTP', host);
      return listenAt(listenAddress(spec), host, (at) => messages.listen(listenOn(spec, at), acceptor, host.gathering));
    },
  },
  cluster: {
    schema: clusterSpec,
    kind: 'datagram',
    transport: true,
    check: (spec) => {
      checkDial(spec);
      checkAddresses(spec);
    },
    checkAddress: (address) => checkHost(address),
    defaultAddress: ({ address }) => address,
    open: (spec, { io, limits, gathering }) => {
      const messages = messagesOf('SCTP', io);
      messages.check(connectTo(spec, ANY, ANY_PORT));
      const portOf = dialPort(spec.port);
      return {
        dial: (attempt) =>
          messages.connect(connectTo(spec, attempt.address, portOf(attempt)), attempt, {
            limits,
            gathering,
            bind: spec.bind,
          }),
      };
    },
  },
});

function listenOn(
  { addresses, streams = STREAMS, nodelay = true }: ListenerSpec,
  { host, port }: InternetAddress,
): SctpAddress {
  return { type: 'sctp', host, port, hosts: addresses, streams, noDelay: nodelay, stream: 0, ppid: 0 };
}

function connectTo(spec: ClusterSpec, host: string, port: number): SctpAddress {
  const { addresses: hosts, streams = STREAMS, nodelay: noDelay = true, stream = 0, ppid = 0 } = spec;
  return { type: 'sctp', host, port, hosts, streams, noDelay, stream, ppid };
}

/** Further addresses are told to the kernel as they are: names are for the first one only. */
function checkAddresses({ address, addresses = [] }: { address?: string; addresses?: readonly string[] }): void {
  if (address !== undefined) checkHost(address, '/address');
  for (const [n, one] of addresses.entries()) checkIp(one, `/addresses/${n}`);
}
