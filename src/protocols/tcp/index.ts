import { checkHost } from '../../core/address.ts';
import { defineProtocol } from '../../core/protocol.ts';
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

export const tcp = defineProtocol({
  name: 'TCP',
  title: 'TCP byte streams over IPv4 and IPv6 (RFC 9293).',
  listener: {
    schema: (parts) => parts.strict(listenFields(parts)),
    kind: 'stream',
    transport: true,
    sessionName: ({ metadata }) => `TCP:${endsName('TCP', metadata)}`,
    check: checkListen,
    address: listenAddress,
    live: ['/spec/ports'],
    listen: (spec, host) => {
      const acceptor = socketAcceptor('TCP', host);
      return listenAt(listenAddress(spec), host, (at) => host.io.listenStream(at, acceptor));
    },
  },
  cluster: {
    schema: (parts) => parts.strict(dialFields(parts)),
    kind: 'stream',
    transport: true,
    check: checkDial,
    checkAddress: (address) => checkHost(address),
    open: ({ port, bind }, { io, limits }) => {
      const portOf = dialPort(port);
      return {
        dial: (attempt) => io.connectStream({ host: attempt.address, port: portOf(attempt) }, attempt, limits, bind),
      };
    },
  },
});
