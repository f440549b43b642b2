/** One SCTP listener on many ports. A machine whose kernel has none runs it in one that has. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { freePorts } from '../../src/testing/ports.ts';
import { connectStream, next } from '../support/peers.ts';
import { listener, startProxy } from '../support/proxy.ts';
import { isInside, testInUserModeLinux } from '../support/user-mode-linux/index.ts';

const HOST = '127.0.0.1';
const COUNT = 4;

if (isInside()) {
  for (const threads of [0, 2]) {
    test(`SCTP is served on many ports, and each association has the port that was hit (${threads} workers)`, async (t) => {
      const first = await freePorts(COUNT);
      const { proxy, ports } = await startProxy(
        t,
        Array.from({ length: COUNT }, (_, n) => `${n}`),
        (ports) => ({
          admin: { io: 'native', threads },
          listeners: [
            listener(
              'many',
              { protocol: 'SCTP', ports: `${first}-${first + COUNT - 1}`, address: HOST },
              { destination: { spec: { protocol: 'Echo' } } },
            ),
            ...Object.entries(ports).map(([n, port]) =>
              listener(
                `to-${n}`,
                { protocol: 'TCP', port, address: HOST },
                {
                  destination: {
                    spec: { protocol: 'SCTP', port: first + Number(n) },
                    endpoints: [{ spec: { address: HOST } }],
                  },
                },
              ),
            ),
          ],
        }),
      );
      for (const port of Object.values(ports)) {
        const client = await connectStream(t, { port });
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
