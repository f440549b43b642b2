import { lookup } from 'node:dns/promises';
import { isIP, SocketAddress } from 'node:net';
import Type, { type Static } from 'typebox';
import { L7mpError } from '../../core/errors.ts';
import { defineProtocol, type ListenerHost } from '../../core/protocol.ts';
import { Address, BindSchema, Port, strict } from '../../core/schema.ts';
import { ANY, endsName, socketAcceptor } from '../addresses.ts';

/** Milliseconds of silence after which a client is taken to be gone: UDP never says so. */
export const UDP_IDLE_TIMEOUT = 60_000;

const ListenerSpec = strict({
  port: Port,
  address: Type.Optional(Address),
  connect: Type.Optional(
    strict(
      { address: Type.Optional(Address), port: Type.Optional(Port) },
      { description: 'Only this peer is taken; what others send is dropped and counted.' },
    ),
  ),
  options: Type.Optional(
    strict({
      mode: Type.Optional(
        Type.Enum(['server', 'singleton'], {
          description:
            'server: a session for each new peer. singleton: one session to the peer `connect`, made at once; the default where `connect` is complete.',
        }),
      ),
    }),
  ),
});

type ListenerSpec = Static<typeof ListenerSpec>;

function isSingleton({ connect, options }: ListenerSpec): boolean {
  const complete = connect?.address !== undefined && connect.port !== undefined;
  return options?.mode ? options.mode === 'singleton' : complete;
}

export const udp = defineProtocol({
  name: 'UDP',
  title: 'UDP datagrams over IPv4 and IPv6 (RFC 768).',
  listener: {
    schema: ListenerSpec,
    kind: 'datagram',
    lossy: true,
    transport: true,
    idleTimeout: (spec) => (isSingleton(spec) ? 0 : UDP_IDLE_TIMEOUT),
    sessionName: ({ n, metadata }) => `UDP:${endsName('UDP', metadata)}-${n}`,
    check: (spec) => {
      const complete = spec.connect?.address !== undefined && spec.connect.port !== undefined;
      if (isSingleton(spec) && !complete) {
        throw new L7mpError('E_INVALID', '/connect: singleton mode needs an address and a port');
      }
    },
    listen,
  },
  cluster: {
    schema: strict({ port: Port, bind: Type.Optional(BindSchema) }),
    kind: 'datagram',
    lossy: true,
    transport: true,
    idleTimeout: UDP_IDLE_TIMEOUT,
    open: ({ port, bind }, { io, limits }) => ({
      dial: (attempt) => io.connectDatagram({ host: attempt.address, port }, attempt, limits, bind),
    }),
  },
});

/** A name's address, or an address in the form in which the kernel's are written (RFC 5952). */
async function plainForm(address: string): Promise<string> {
  const family = isIP(address);
  if (family === 4) return address;
  if (family === 6) return new SocketAddress({ address, family: 'ipv6' }).address;
  try {
    return (await lookup(address)).address;
  } catch (error) {
    throw new L7mpError('E_BIND', `connect address ${address}: ${(error as Error).message}`, { cause: error });
  }
}

async function listen(spec: ListenerSpec, host: ListenerHost) {
  const { port, address = ANY } = spec;
  const connect = { ...spec.connect, ...(spec.connect?.address && { address: await plainForm(spec.connect.address) }) };
  const acceptor = socketAcceptor(
    'UDP',
    host,
    (peer) =>
      (connect.address === undefined || connect.address === peer.address) &&
      (connect.port === undefined || connect.port === peer.port),
  );
  const listening = await host.io.listenDatagram({ host: address, port }, acceptor);
  if (listening.hitUnknown) {
    const text = 'answers may leave from another address of this machine than the one that was hit: listen on that one';
    host.log.write('warn', host.name, text);
  }
  if (isSingleton(spec)) listening.emit({ address: connect.address as string, port: connect.port as number });
  return listening;
}
