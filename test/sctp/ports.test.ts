/** One SCTP listener on many ports. A machine whose kernel has none runs it in one that has. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { freePorts } from '../../src/testing/ports.ts';
import { connectStream, next } from '../support/peers.ts';
import { listener, startProxy } from '../support/proxy.ts';
import { isInside, testInUserModeLinux } from '../support/user-mode-linux/index.ts';

const HOST = '127.0.0.1';
const COUNT = 4;

const at = (protocol: string, first: number) => ({ protocol, ports: `${first}-${first + COUNT - 1}`, address: HOST });

if (isInside()) {
  for (const threads of [0, 2]) {
    test(`SCTP is served on many ports, each association has the port that was hit, and one rule maps them (${threads} workers)`, async (t) => {
      const first = await freePorts(COUNT);
      const own = await freePorts(COUNT);
      const { proxy } = await startProxy(t, [], () => ({
        admin: { io: 'native', threads },
        listeners: [
          listener('many', at('SCTP', first), { destination: { spec: { protocol: 'Echo' } } }),
          listener('to', at('TCP', own), {
            destination: {
              spec: { protocol: 'SCTP', port: { path: '/TCP/dst_port', offset: first - own } },
              endpoints: [{ spec: { address: HOST } }],
            },
          }),
        ],
      }));
      for (let n = 0; n < COUNT; n++) {
        const client = await connectStream(t, { port: own + n });
        client.send('hello');
        assert.equal(await next(client), 'hello');
      }
      const sessions = await proxy.sessions('many');
      assert.deepEqual(
        sessions.map(({ metadata }) => metadata.SCTP.dst_port).sort((a, b) => a - b),
        Array.from({ length: COUNT }, (_, n) => first + n),
      );
    });
  }
} else testInUserModeLinux(import.meta.filename);
