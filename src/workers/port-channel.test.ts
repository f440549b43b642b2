import { MessageChannel } from 'node:worker_threads';
import Type from 'typebox';
import { type Dialer, defineProtocol } from '../core/protocol.ts';
import { strict } from '../core/schema.ts';
import { runCompliance } from '../testing/compliance.ts';
import { createMemoryNetwork } from '../testing/memory/index.ts';
import { freePort } from '../testing/ports.ts';
import { factsOf, PortChannel } from './port-channel.ts';
import { PortEnd } from './port-end.ts';

let networks = 0;

/** Each connection of the transport is reached over a port, as if it were in another thread. */
const ported = defineProtocol({
  name: 'Ported',
  title: 'Over a port.',
  cluster: {
    schema: strict({ transport: Type.Object({ protocol: Type.String() }, { additionalProperties: true }) }),
    kind: ({ transport }, kindOf) => kindOf(transport),
    standsOn: { field: 'transport' },
    open: async ({ transport }, host): Promise<Dialer> => {
      const dialer = await host.dialerOn(transport);
      return {
        dial: async (attempt) => {
          const { port1, port2 } = new MessageChannel();
          const lower = await dialer.dial(attempt);
          const channel = new PortChannel(port1, factsOf(lower), host.limits);
          new PortEnd(port2, lower);
          return channel;
        },
      };
    },
  },
});

runCompliance({
  name: 'A channel over a port to TCP',
  protocols: [ported],
  specs: async () => {
    const transport = { protocol: 'TCP', port: await freePort() };
    return {
      listener: { ...transport, address: '127.0.0.1' },
      cluster: { protocol: 'Ported', transport },
      address: '127.0.0.1',
    };
  },
});

runCompliance({
  name: 'A channel over a port to messages',
  protocols: [createMemoryNetwork(), ported],
  specs: async () => {
    const name = `port-${++networks}`;
    return {
      listener: { protocol: 'Memory', name, scribble: true },
      cluster: { protocol: 'Ported', transport: { protocol: 'Memory' } },
      address: name,
    };
  },
});
