import type { Acceptor, Link, PacketAddress } from '../../core/engine.ts';
import { L7mpError } from '../../core/errors.ts';
import type { Metadata } from '../../core/metadata.ts';
import { defineProtocol, type ListenerHost } from '../../core/protocol.ts';
import type { SchemaParts, StaticOf } from '../../core/schema.ts';
import { messagesOf } from '../messages.ts';

/** Frames of any EtherType (ETH_P_ALL, linux/if_ether.h). */
const ALL = 0x0003;

/** Characters of an interface's name (IFNAMSIZ, without the final NUL). */
const LONGEST_NAME = 15;

/** Milliseconds of silence after which a link address is taken to be gone: it never says so. */
const IDLE_TIMEOUT = 60_000;

const MAC = /^[0-9a-f]{2}(?:[:-][0-9a-f]{2}){5}$/i;

function spec({ strict, Type }: SchemaParts) {
  return strict({
    interface: Type.String({
      minLength: 1,
      maxLength: LONGEST_NAME,
      pattern: '^[^/\\s]+$',
      description: 'The name of the interface, in the network namespace of the proxy.',
    }),
    mode: Type.Optional(
      Type.Enum(['raw', 'dgram'], {
        description:
          'raw: whole frames. dgram: without their link header, one session for a link address. Default raw.',
      }),
    ),
    ethertype: Type.Optional(
      Type.Integer({ minimum: 1, maximum: 65_535, description: 'Frames of this EtherType only. Default 0x0003: all.' }),
    ),
    promiscuous: Type.Optional(Type.Boolean({ description: 'Also frames that are for other hosts. Default false.' })),
  });
}

type PacketSpec = StaticOf<typeof spec>;

export const afPacket = defineProtocol({
  name: 'AF_PACKET',
  title: 'Frames on the link of an interface (packet(7)).',
  listener: {
    schema: spec,
    kind: 'datagram',
    lossy: true,
    layers: false,
    idleTimeout: idleTimeoutOf,
    modes: ['singleton', 'server'],
    sessionName: ({ n, metadata }) => `AF_PACKET:${(metadata.PACKET as { interface: string }).interface}-${n}`,
    listen: async (given, host) =>
      messagesOf('AF_PACKET', host.io).listen(addressOf(given), acceptorOf(host), host.gathering),
  },
  cluster: {
    schema: spec,
    kind: 'datagram',
    lossy: true,
    layers: false,
    idleTimeout: idleTimeoutOf,
    checkAddress,
    defaultAddress: ({ interface: name, mode }) => (mode === 'dgram' ? undefined : name),
    open: (given, { io, limits, gathering }) => {
      const messages = messagesOf('AF_PACKET', io);
      messages.check(addressOf(given));
      return {
        dial: (attempt) => messages.connect(endpointOf(given, attempt.address), attempt, { limits, gathering }),
      };
    },
  },
});

function addressOf({ interface: name, mode = 'raw', ethertype = ALL, promiscuous = false }: PacketSpec): PacketAddress {
  return { type: 'packet', interface: name, mode, etherType: ethertype, promiscuous };
}

/** Throws E_INVALID where an endpoint's address is of no use in that mode. */
function checkAddress(address: string, { mode, interface: name }: PacketSpec): void {
  if (mode === 'dgram' ? MAC.test(address) : address === name) return;
  const is = mode === 'dgram' ? 'is a link address, as 02:00:00:00:00:01' : `can only be the interface, ${name}`;
  throw new L7mpError('E_INVALID', `${JSON.stringify(address)}: in this mode an endpoint ${is}`);
}

/** An endpoint may have come to the cluster in another mode. */
function endpointOf(given: PacketSpec, address: string): PacketAddress {
  checkAddress(address, given);
  const own = addressOf(given);
  return own.mode === 'raw' ? own : { ...own, peer: address };
}

// What is on a link is one session; a link address may be gone for good.
function idleTimeoutOf({ mode }: PacketSpec): number {
  return mode === 'dgram' ? IDLE_TIMEOUT : 0;
}

function acceptorOf(host: ListenerHost): Acceptor {
  return {
    limits: host.limits,
    // Correspondents have no address of the Internet.
    admit: () => host.admit({ lossy: true }),
    accept: (channel) => host.accept(channel),
    describe: ({ link }) => (link ? linkMetadata(link) : {}),
  };
}

/** `src_addr`: the correspondent's link address, where it is one. */
function linkMetadata({ interface: name, index, mode, peer }: Link): Metadata {
  return { PACKET: { interface: name, ifindex: index, mode, ...(peer !== undefined && { src_addr: peer }) } };
}
