import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import { refused } from '../support/config.ts';
import {
  ask,
  connectDatagram,
  connectStream,
  type Server,
  type ServerOptions,
  serveDatagram,
  serveStream,
  serveWebSocket,
} from '../support/peers.ts';
import { listener, startProxy, THREADS } from '../support/proxy.ts';

const HOST = '127.0.0.1';

/** A port on which nobody is meant to be asked. */
const NOBODY = 1;

const SERVERS: Record<string, (t: TestContext, options: ServerOptions) => Promise<Server>> = {
  TCP: serveStream,
  UDP: serveDatagram,
  WebSocket: serveWebSocket,
};

const at = (...ports: (number | undefined)[]) =>
  ports.map((port) => ({ spec: { address: HOST, ...(port && { port }) } }));

for (const io of ['native', 'node']) {
  for (const [protocol, serve] of Object.entries(SERVERS)) {
    test(`endpoints of a ${protocol} cluster may each have a port, with ${io} I/O`, async (t) => {
      const servers = [];
      for (const name of ['one', 'two', 'three']) servers.push(await serve(t, { reply: () => name }));
      const [one, two, three] = servers.map(({ port }) => port);
      const { proxy, ports } = await startProxy(t, ['l'], ({ l }) => ({
        // Each worker has turns of its own.
        admin: { io, threads: Math.min(1, THREADS.threads) },
        listeners: [listener('l', { protocol: protocol === 'UDP' ? 'UDP' : 'TCP', port: l }, { destination: 'c' })],
        clusters: [
          {
            name: 'c',
            spec: { protocol, port: three },
            loadbalancer: { policy: 'RoundRobin' },
            endpoints: at(one, two, undefined),
          },
        ],
      }));
      const connect = () => (protocol === 'UDP' ? connectDatagram(t, ports.l) : connectStream(t, { port: ports.l }));
      const answers = [];
      for (let n = 0; n < 3; n++) answers.push(await ask(await connect(), 'x'));
      assert.deepEqual(answers.sort(), ['one', 'three', 'two']);
      const sessions = await proxy.sessions('l');
      const specs = sessions.map(
        ({ destination }: { destination: { endpoint: { spec: object } } }) => destination.endpoint.spec,
      );
      assert.deepEqual(new Set(specs.map((spec: object) => JSON.stringify(spec))).size, 3);
      const read = await proxy.ok('GET', 'clusters/c?recursive=true');
      assert.deepEqual(
        read.endpoints.map(({ spec }: { spec: object }) => spec),
        at(one, two, undefined).map(({ spec }) => spec),
      );
    });
  }
}

test('a port of an endpoint is that of its cluster’s transport, where the cluster is a layer', async (t) => {
  const { ports } = await startProxy(t, ['l', 'a', 'b'], ({ l, a, b }) => ({
    listeners: [
      listener('l', { protocol: 'UDP', port: l }, { destination: 'c' }),
      ...[a, b].map((port, n) =>
        listener(
          `far${n}`,
          { protocol: 'JSONSocket', transport: { protocol: 'UDP', port, address: HOST } },
          { destination: { spec: { protocol: 'Echo' } } },
        ),
      ),
    ],
    clusters: [
      {
        name: 'c',
        spec: { protocol: 'JSONSocket', transport_spec: { protocol: 'UDP', port: NOBODY } },
        loadbalancer: { policy: 'RoundRobin' },
        endpoints: at(a, b),
      },
    ],
  }));
  for (const text of ['one', 'two']) assert.equal(await ask(await connectDatagram(t, ports.l), text), text);
});

test('an endpoint can be given a port by the API, but not where the cluster has none', async (t) => {
  const { proxy } = await startProxy(t, [], () => ({
    clusters: [
      { name: 'tcp', spec: { protocol: 'TCP', port: NOBODY } },
      { name: 'unix', spec: { protocol: 'UnixDomainSocket' } },
    ],
  }));
  await proxy.ok('POST', 'clusters/tcp/endpoints', { endpoint: { name: 'e', spec: { address: HOST, port: 7 } } });
  assert.deepEqual(await proxy.ok('GET', 'endpoints/e'), { name: 'e', spec: { address: HOST, port: 7 }, weight: 1 });
  const wrong = { endpoint: { spec: { address: '/x', port: 7 } } };
  assert.match(
    await refused(proxy, 422, 'POST', 'clusters/unix/endpoints', wrong),
    /^\/endpoint\/spec\/port: endpoints of Unix/,
  );
  const none = { endpoint: { spec: { address: HOST, port: 0 } } };
  assert.match(
    await refused(proxy, 422, 'POST', 'clusters/tcp/endpoints', none),
    /^\/endpoint\/spec\/port: must be >= 1/,
  );
});

test('a cluster without a network shows its one endpoint, which may be sent back and takes no other', async (t) => {
  const { proxy } = await startProxy(t, [], () => ({ clusters: [{ name: 'echo', spec: { protocol: 'Echo' } }] }));
  const endpoint = { name: 'echo', spec: { address: '<VIRTUAL>' }, weight: 1 };
  const read = await proxy.ok('GET', 'clusters/echo?recursive=true');
  assert.deepEqual(read.endpoints, [endpoint]);
  assert.deepEqual(await proxy.ok('GET', 'clusters/echo/endpoints'), [endpoint]);
  assert.equal((await proxy.ok('GET', 'clusters/echo')).endpoints, 0);
  await proxy.ok('DELETE', 'clusters/echo');
  await proxy.ok('POST', 'clusters', { cluster: read });
  assert.deepEqual(await proxy.ok('GET', 'clusters/echo?recursive=true'), read);
  for (const address of ['<VIRTUAL>', 'x']) {
    await refused(proxy, 422, 'POST', 'clusters/echo/endpoints', { endpoint: { spec: { address } } });
  }
});
