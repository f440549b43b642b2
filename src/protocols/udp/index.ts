import { checkHost, matchesAddress } from '../../core/address.ts';
import { L7mpError } from '../../core/errors.ts';
import { defineProtocol, type ListenerHost } from '../../core/protocol.ts';
import type { SchemaParts, StaticOf } from '../../core/schema.ts';
import { resolve } from '../../io/resolve.ts';
import {
  checkDial,
  checkListen,
  dialFields,
  endsName,
  listenAddress,
  listenFields,
  socketAcceptor,
} from '../addresses.ts';
import { dialPort } from '../dial-port.ts';
import { listenAt } from '../ports.ts';

/** Milliseconds of silence after which a client is taken to be gone: UDP never says so. */
export const UDP_IDLE_TIMEOUT = 60_000;

function listenerSpec(parts: SchemaParts) {
  const { strict, Type, Port, Address } = parts;
  return strict({
    ...listenFields(parts),
    connect: Type.Optional(
      strict(
        {
          address: Type.Optional({ ...Address, description: 'Its IP address, or its name.' }),
          port: Type.Optional({ ...Port, description: 'Its port.' }),
        },
        { description: 'Only this peer is taken; what others send is dropped and counted.' },
      ),
    ),
    options: Type.Optional(
      strict(
        {
          mode: Type.Optional(
            Type.Enum(['server', 'singleton'], {
              description:
                'server: a session for each new peer. singleton: one session to the peer `connect`, made at once; the default where `port` and `connect` are complete.',
            }),
          ),
        },
        { description: 'How peers are told apart.' },
      ),
    ),
  });
}

type ListenerSpec = StaticOf<typeof listenerSpec>;

function isSingleton({ connect, options, ports }: ListenerSpec): boolean {
  const complete = connect?.address !== undefined && connect.port !== undefined && ports === undefined;
  return options?.mode ? options.mode === 'singleton' : complete;
}

export const udp = defineProtocol({
  name: 'UDP',
  title: 'UDP datagrams over IPv4 and IPv6 (RFC 768).',
  listener: {
    schema: listenerSpec,
    kind: 'datagram',
    lossy: true,
    transport: true,
    idleTimeout: (spec) => (isSingleton(spec) ? 0 : UDP_IDLE_TIMEOUT),
    modes: ['singleton', 'server'],
    sessionName: ({ n, metadata }) => `UDP:${endsName('UDP', metadata)}-${n}`,
    check: (spec) => {
      checkListen(spec);
      if (spec.connect?.address !== undefined) checkHost(spec.connect.address, '/connect/address');
      const complete = spec.connect?.address !== undefined && spec.connect.port !== undefined;
      if (isSingleton(spec) && !complete) {
        throw new L7mpError('E_INVALID', '/connect: singleton mode needs an address and a port');
      }
      if (isSingleton(spec) && spec.ports !== undefined) {
        throw new L7mpError('E_INVALID', '/options/mode: singleton mode needs one port');
      }
    },
    address: listenAddress,
    live: ['/spec/ports'],
    listen,
  },
  cluster: {
    schema: (parts) => parts.strict(dialFields(parts)),
    kind: 'datagram',
    lossy: true,
    transport: true,
    idleTimeout: UDP_IDLE_TIMEOUT,
    check: checkDial,
    checkAddress: (address) => checkHost(address),
    open: ({ port, bind }, { io, limits }) => {
      const portOf = dialPort(port);
      return {
        dial: (attempt) => io.connectDatagram({ host: attempt.address, port: portOf(attempt) }, attempt, limits, bind),
      };
    },
  },
});

/** The address of a host, in its plain form. */
async function addressOf(host: string): Promise<string> {
  try {
    const [first] = await resolve(host);
    return first as string;
  } catch (error) {
    throw new L7mpError('E_BIND', `connect address ${host}: ${(error as Error).message}`, { cause: error });
  }
}

async function listen(spec: ListenerSpec, host: ListenerHost) {
  const connect = { ...spec.connect, ...(spec.connect?.address && { address: await addressOf(spec.connect.address) }) };
  const acceptor = socketAcceptor('UDP', host, {
    lossy: true,
    wants: (peer) =>
      (connect.address === undefined || matchesAddress(connect.address, peer.address)) &&
      (connect.port === undefined || connect.port === peer.port),
  });
  const listening = await listenAt(listenAddress(spec), host, (at) => host.io.listenDatagram(at, acceptor));
  if (listening.each.some(({ hitUnknown }) => hitUnknown)) {
    const text = 'answers may leave from another address of this machine than the one that was hit: listen on that one';
    host.log.write('warn', host.name, text);
  }
  const peer = { address: connect.address as string, port: connect.port as number };
  if (isSingleton(spec)) for (const one of listening.each) one.emit(peer);
  return listening;
}
