/** Changes that a protocol takes up in place: nothing is opened anew, and whoever is connected stays. */
import assert from 'node:assert/strict';
import * as http from 'node:http';
import { type TestContext, test } from 'node:test';
import Type from 'typebox';
import { L7mpError } from '../../src/core/errors.ts';
import { defineProtocol, type Reconfigurable } from '../../src/core/protocol.ts';
import { strict } from '../../src/core/schema.ts';
import { ask, connectWebSocket, serveWebSocket } from '../support/peers.ts';
import { listener, request, startProxy, type TestProxy } from '../support/proxy.ts';

const HOST = '127.0.0.1';
const ECHO = { destination: { spec: { protocol: 'Echo' } } };

/** Applies the configuration with one listener or cluster changed, and says what becomes of what. */
async function change(
  proxy: TestProxy,
  kind: 'listeners' | 'clusters',
  name: string,
  parts: object,
): Promise<string[]> {
  const config = await proxy.ok('GET', 'config?form=apply');
  const one = config[kind].find((found: { name: string }) => found.name === name);
  for (const [part, fields] of Object.entries(parts)) one[part] = { ...one[part], ...fields };
  const answer = await proxy.api('PUT', 'config', config);
  assert.equal(answer.status, 200, answer.text);
  return answer.body.changes.map(
    ({ kind, name, action, fields }: Record<string, string[]>) => `${kind} ${name}: ${action} ${fields}`,
  );
}

test('another path of an HTTP listener is served on the connections that there are', async (t) => {
  const { proxy, ports } = await startProxy(t, ['in'], ({ in: port }) => ({
    listeners: [listener('l', { protocol: 'HTTP', port, address: HOST, path: '/a' }, ECHO)],
  }));
  const agent = new http.Agent({ keepAlive: true, maxSockets: 1 });
  t.after(() => agent.destroy());
  let sockets = 0;
  agent.on('free', (socket: { seen?: true }) => {
    if (!socket.seen) sockets++;
    socket.seen = true;
  });
  const status = async (path: string): Promise<number> => (await request({ port: ports.in, agent, path })).status;
  assert.deepEqual([await status('/a'), await status('/b')], [200, 404]);
  assert.deepEqual(await change(proxy, 'listeners', 'l', { spec: { path: '/b' } }), ['listener l: update /spec/path']);
  assert.deepEqual([await status('/a'), await status('/b')], [404, 200]);
  assert.equal(sockets, 1);
});

test('another path and size of a WebSocket listener are for new sessions, and live ones stay', async (t) => {
  const { proxy, ports } = await startProxy(t, ['in'], ({ in: port }) => ({
    listeners: [listener('l', { protocol: 'WebSocket', port, address: HOST, max_message_size: 100 }, ECHO)],
  }));
  const old = await connectWebSocket(t, ports.in);
  assert.deepEqual(await change(proxy, 'listeners', 'l', { spec: { path: '/new', max_message_size: 10 } }), [
    'listener l: update /spec/max_message_size,/spec/path',
  ]);
  const long = 'x'.repeat(50);
  assert.equal(await ask(old, long), long);
  await assert.rejects(connectWebSocket(t, ports.in), /404/);
  const fresh = await connectWebSocket(t, ports.in, { path: '/new' });
  assert.equal(await ask(fresh, long), '<closed: 1009>');
});

test('another size of a WebSocket cluster, and another header of a JSONSocket one, are for new sessions', async (t) => {
  const server = await serveWebSocket(t);
  const cluster = (spec: object, name: string): object => ({ name, spec, endpoints: [{ spec: { address: HOST } }] });
  const { proxy, ports } = await startProxy(t, ['in'], ({ in: port }) => ({
    listeners: [listener('l', { protocol: 'TCP', port, address: HOST }, ECHO)],
    clusters: [
      cluster({ protocol: 'WebSocket', port: server.port, max_message_size: 100 }, 'w'),
      cluster({ protocol: 'JSONSocket', transport: { protocol: 'TCP', port: server.port } }, 'j'),
    ],
  }));
  assert.ok(ports.in);
  assert.deepEqual(
    await change(proxy, 'clusters', 'w', { spec: { max_message_size: 10 }, options: { ping_interval: 1000 } }),
    ['cluster w: update /spec/max_message_size,/options/ping_interval'],
  );
  assert.deepEqual(await change(proxy, 'clusters', 'j', { spec: { header: [{ path: '/IP' }] } }), [
    'cluster j: update /spec/header',
  ]);
});

/** Says what it was asked, and takes up what it is told to. */
function moody(opened: string[]) {
  const fields = { taken: Type.Boolean(), bad: Type.Optional(Type.Boolean()) };
  const reconfigurable = (what: string): Reconfigurable & { close(): Promise<void> } => {
    opened.push(`${what} opened`);
    return {
      reconfigure: async (spec) => {
        opened.push(`${what} asked`);
        if (spec.bad) throw new L7mpError('E_INVALID', '/bad: it is of no use');
        return spec.taken === true;
      },
      close: async () => void opened.push(`${what} closed`),
    };
  };
  return defineProtocol({
    name: 'Moody',
    title: 'Moody',
    listener: {
      schema: strict(fields),
      kind: 'stream',
      live: ['/spec/taken', '/spec/bad'],
      sessionName: () => 'm',
      listen: async () => reconfigurable('listener'),
    },
    cluster: {
      schema: strict(fields),
      kind: 'stream',
      live: ['/spec/taken', '/spec/bad'],
      virtual: true,
      open: () => ({ ...reconfigurable('cluster'), dial: () => Promise.reject(new Error('not in this test')) }),
    },
  });
}

const withMoody = async (t: TestContext): Promise<{ proxy: TestProxy; opened: string[] }> => {
  const opened: string[] = [];
  const spec = { protocol: 'Moody', taken: true };
  const { proxy } = await startProxy(
    t,
    [],
    () => {
      opened.length = 0;
      return { listeners: [listener('l', spec, ECHO)], clusters: [{ name: 'c', spec }] };
    },
    { plugins: [moody(opened)] },
  );
  opened.length = 0;
  return { proxy, opened };
};

test('what is not taken up in place after all is opened anew', async (t) => {
  const { proxy, opened } = await withMoody(t);
  await change(proxy, 'listeners', 'l', { spec: { taken: false } });
  await change(proxy, 'clusters', 'c', { spec: { taken: false } });
  assert.deepEqual(opened.splice(0), [
    ...['listener asked', 'listener closed', 'listener opened'],
    ...['cluster asked', 'cluster opened', 'cluster closed'],
  ]);
  await change(proxy, 'listeners', 'l', { spec: { taken: true } });
  assert.deepEqual(opened, ['listener asked']);
});

test('what is of no use is refused, with the field, and all is as before', async (t) => {
  const { proxy, opened } = await withMoody(t);
  const config = await proxy.ok('GET', 'config?form=apply');
  const [, l] = config.listeners;
  l.spec.taken = false;
  config.clusters.find(({ name }: { name: string }) => name === 'c').spec.bad = true;
  const answer = await proxy.api('PUT', 'config', config);
  assert.equal(answer.status, 422);
  assert.match(answer.text, /cluster c: \/spec\/bad: it is of no use/);
  assert.equal((await proxy.ok('GET', 'listeners/l')).spec.taken, true);
  assert.equal(opened.filter((line) => line === 'cluster closed').length, 0);
});
