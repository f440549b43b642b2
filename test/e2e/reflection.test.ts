/** Answers that nobody asked for: what the proxy says by itself to an address that a datagram was forged with. */
import assert from 'node:assert/strict';
import * as dgram from 'node:dgram';
import { once } from 'node:events';
import { describe, type TestContext, test } from 'node:test';
import { engines } from '../../src/io/testing.ts';
import { until } from '../../src/testing/until.ts';
import { ask, connectDatagram, serveDatagram } from '../support/peers.ts';
import { listener, request, startProxy } from '../support/proxy.ts';

const HOST = '127.0.0.1';

const echo = { destination: { spec: { protocol: 'Echo' } } };
const json = (port: number, address?: string) => ({
  protocol: 'JSONSocket',
  transport: { protocol: 'UDP', port, ...(address && { address }) },
});

/** A socket at a certain port, with what it was answered. */
async function at(t: TestContext, port: number): Promise<{ socket: dgram.Socket; answers: string[] }> {
  const socket = dgram.createSocket('udp4');
  t.after(() => socket.close());
  const answers: string[] = [];
  socket.on('message', (bytes) => answers.push(bytes.toString()));
  socket.bind(port, HOST);
  await once(socket, 'listening');
  return { socket, answers };
}

/** One below 1024 that is free; undefined where this user may have none. */
async function servicePort(t: TestContext): Promise<Awaited<ReturnType<typeof at>> | undefined> {
  for (let port = 1023; port > 1000; port--) {
    try {
      return await at(t, port);
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === 'EACCES') return undefined;
    }
  }
  return undefined;
}

for (const { name, admin, skip } of engines()) {
  describe(`on the ${name} engine`, { skip, timeout: 60_000 }, () => {
    async function reflectors(t: TestContext) {
      const server = await serveDatagram(t);
      const { ports } = await startProxy(t, ['e', 'other', 'j', 'net', 'm'], ({ e, other, j, net, m }) => ({
        admin,
        listeners: [
          listener('m', { protocol: 'HTTP', port: m }, { destination: { spec: { protocol: 'Prometheus' } } }),
          listener('e', { protocol: 'UDP', port: e }, echo),
          // At another address, so that its port is free at the first one.
          listener('other', { protocol: 'UDP', port: other, address: '127.0.0.2' }, echo),
          listener('j', json(j), echo),
          listener(
            'net',
            { protocol: 'UDP', port: net },
            { destination: { spec: { protocol: 'UDP', port: server.port }, endpoints: [{ spec: { address: HOST } }] } },
          ),
        ],
      }));
      const refused = (listener: string, protocol: string, reason = 'reflection'): Promise<unknown> =>
        until(async () => {
          const { text } = await request({ port: ports.m, path: '/metrics' });
          return text.includes(
            `listener_rejects_total{listenerName="${listener}",protocol="${protocol}",reason="${reason}"} 1`,
          );
        }, `${listener} refuses it`);
      return { ports, refused };
    }

    test('Echo does not answer a listener of the proxy, whatever it stands behind', async (t) => {
      const { ports, refused } = await reflectors(t);
      const { socket, answers } = await at(t, ports.other);
      socket.send('round and round', ports.e, HOST);
      await refused('e', 'UDP');
      socket.send('{"JSONSocketVersion":1}', ports.j, HOST);
      await refused('j', 'JSONSocket');
      // An endpoint on the network answers for itself, and everybody else is answered.
      socket.send('hello', ports.net, HOST);
      await until(() => answers.length > 0, 'an answer');
      assert.deepEqual(answers, ['hello']);
      assert.equal(await ask(await connectDatagram(t, ports.e), 'hello'), 'hello');
    });

    test('nothing that the proxy says by itself goes to the port of a service', async (t) => {
      const service = await servicePort(t);
      if (!service) {
        t.skip('this user may have no port below 1024');
        return;
      }
      const { socket, answers } = service;
      const { ports, refused } = await reflectors(t);
      socket.send('round and round', ports.e, HOST);
      await refused('e', 'UDP');
      socket.send('no header', ports.j, HOST);
      await refused('j', 'JSONSocket', 'broken-handshake');
      socket.send('{"JSONSocketVersion":1}', ports.j, HOST);
      await refused('j', 'JSONSocket');
      socket.send('hello', ports.net, HOST);
      await until(() => answers.length > 0, 'an answer');
      assert.deepEqual(answers, ['hello']);
    });
  });
}
