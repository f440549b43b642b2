import Type from 'typebox';
import { checkHost } from '../../core/address.ts';
import { defineProtocol } from '../../core/protocol.ts';
import { Address, BindSchema, Port, strict } from '../../core/schema.ts';
import { ANY, checkBind, checkListen, endsName, socketAcceptor } from '../addresses.ts';

export const tcp = defineProtocol({
  name: 'TCP',
  title: 'TCP byte streams over IPv4 and IPv6 (RFC 9293).',
  listener: {
    schema: strict({ port: Port, address: Type.Optional(Address) }),
    kind: 'stream',
    transport: true,
    sessionName: ({ metadata }) => `TCP:${endsName('TCP', metadata)}`,
    check: checkListen,
    address: ({ port, address = ANY }) => ({ host: address, port }),
    listen: ({ port, address = ANY }, host) =>
      host.io.listenStream({ host: address, port }, socketAcceptor('TCP', host)),
  },
  cluster: {
    schema: strict({ port: Port, bind: Type.Optional(BindSchema) }),
    kind: 'stream',
    transport: true,
    check: checkBind,
    checkAddress: (address) => checkHost(address),
    open: ({ port, bind }, { io, limits }) => ({
      dial: (attempt) => io.connectStream({ host: attempt.address, port: attempt.port ?? port }, attempt, limits, bind),
    }),
  },
});
