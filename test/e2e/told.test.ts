/** What the peers of a session are told when it fails, and what only the proxy's owner is. */
import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import { freePort } from '../../src/testing/ports.ts';
import { until } from '../../src/testing/until.ts';
import { testLog } from '../support/log.ts';
import { ask, connectDatagram, connectStream, received, serveStream } from '../support/peers.ts';
import { listener, request, startProxy } from '../support/proxy.ts';
import { connect, refusal, serve } from '../support/websocket.ts';

const HOST = '127.0.0.1';
const AT_HOST = [{ spec: { address: HOST } }];

/** What a client sees of a session that cannot be connected. */
type Look = (t: TestContext, port: number) => Promise<string>;

const WEBSOCKET: Look = async (t, port) => {
  const peer = connect(t, port);
  return (await until(() => peer.closed, 'the close')).text;
};

const CLIENTS: readonly [string, object, object, Look][] = [
  ['HTTP', {}, {}, async (_t, port) => (await request({ port })).body.content],
  ['WebSocket', {}, {}, WEBSOCKET],
  [
    'WebSocket',
    {},
    { accept: 'connected' },
    async (t, port) => ((await refusal(connect(t, port))).body as { content: string }).content,
  ],
  [
    'JSONSocket',
    { transport: { protocol: 'UDP' } },
    {},
    async (t, port) => {
      const client = await connectDatagram(t, port);
      return JSON.parse(await ask(client, '{"JSONSocketVersion":1}')).JSONSocketMessage;
    },
  ],
  [
    'JSONSocket',
    { transport: { protocol: 'TCP' } },
    {},
    async (t, port) => {
      const client = await connectStream(t, { port });
      client.send('{"JSONSocketVersion":1}\n');
      await until(() => client.closed !== undefined || client.ended, 'the end');
      return JSON.parse((await received(client, 1)).toString()).JSONSocketMessage;
    },
  ],
];

for (const [protocol, spec, own, look] of CLIENTS) {
  const place = (port: number) =>
    'transport' in spec ? { protocol, transport: { ...(spec.transport as object), port } } : { protocol, port };
  for (const verbose of [false, true]) {
    const title = `${protocol} ${JSON.stringify({ ...spec, ...own })}`;
    test(`a client of ${title} is told ${verbose ? 'all, where the listener says so' : 'the code and a general word'}`, async (t) => {
      const dead = await freePort();
      const log = await testLog(t, 'info');
      const { proxy, ports } = await startProxy(t, ['l'], ({ l }) => ({
        admin: log.admin,
        listeners: [
          listener(
            'l',
            place(l),
            { destination: { name: 'secret', spec: { protocol: 'TCP', port: dead }, endpoints: AT_HOST } },
            { options: { ...own, track: 60, ...(verbose && { verbose_errors: true }) } },
          ),
        ],
      }));
      const text = await look(t, ports.l);
      const details = new RegExp(`${HOST}:${dead}.*ECONNREFUSED`);
      if (verbose) assert.match(text, details);
      else assert.equal(text, 'E_CONNECT: the service cannot be reached');
      const { events } = await proxy.session('l', 'DESTROYED');
      assert.ok(events.some(({ message }: { message: string }) => details.test(message)));
      await until(async () => (await log.lines()).some((line) => details.test(line)), 'the line in the log');
    });
  }
}

test('a client is not told which objects are missing', async (t) => {
  const { ports } = await startProxy(t, ['l'], ({ l }) => ({
    listeners: [listener('l', { protocol: 'HTTP', port: l, address: HOST }, { destination: 'secret' })],
  }));
  assert.deepEqual((await request({ port: ports.l })).body, {
    status: 404,
    message: 'Not Found',
    content: 'E_NO_ROUTE: no rule leads to a service',
  });
});

test('an endpoint is not told what has become of another one', async (t) => {
  const first = await serve(t);
  const second = await serveStream(t);
  const { proxy, ports } = await startProxy(t, ['l'], ({ l }) => ({
    listeners: [
      listener(
        'l',
        { protocol: 'WebSocket', port: l },
        {
          ingress: [{ spec: { protocol: 'WebSocket', port: first.port }, endpoints: AT_HOST }],
          destination: { name: 'secret', spec: { protocol: 'TCP', port: second.port }, endpoints: AT_HOST },
        },
      ),
    ],
  }));
  const client = connect(t, ports.l);
  await proxy.session('l');
  second.peers[0]?.reset();
  for (const peer of [client, first.peers[0]]) {
    const { code, text } = await until(() => peer?.closed, 'the close');
    assert.deepEqual([code, text], [1011, 'E_DISCONNECT: the connection to the service broke']);
  }
});

test('answers of the REST API say all', async (t) => {
  const { proxy } = await startProxy(t, [], () => ({}));
  const { body } = await proxy.api('GET', 'clusters/no-such-cluster');
  assert.match(body.content, /no-such-cluster/);
});

test('what an endpoint says when it closes is passed on', async (t) => {
  const server = await serve(t);
  server.server.on('connection', (ws) => ws.close(4001, 'see you at 10.0.0.1'));
  const { ports } = await startProxy(t, ['l'], ({ l }) => ({
    listeners: [
      listener(
        'l',
        { protocol: 'WebSocket', port: l },
        { destination: { spec: { protocol: 'WebSocket', port: server.port }, endpoints: AT_HOST } },
      ),
    ],
  }));
  const client = connect(t, ports.l);
  const { code, text } = await until(() => client.closed, 'the close');
  assert.deepEqual([code, text], [4001, 'see you at 10.0.0.1']);
});
