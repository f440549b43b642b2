import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, describe, type TestContext, test } from 'node:test';
import { freePort } from '../../src/testing/ports.ts';
import { until } from '../../src/testing/until.ts';
import { answering, encode, greet, takeHeader } from '../matrix/jsonsocket.ts';
import { type Place, type Source, TRANSPORTS } from '../matrix/sources.ts';
import { request } from '../support/http.ts';
import {
  ask,
  bytes,
  connectDatagram,
  type Peer,
  type Server,
  type ServerOptions,
  serveDatagram,
  serveStream,
} from '../support/peers.ts';
import { listener, startProxy } from '../support/proxy.ts';

const HOST = '127.0.0.1';

const folder = mkdtempSync(join(tmpdir(), 'l7mp-jsonsocket-'));
after(() => rmSync(folder, { recursive: true }));
let files = 0;

const to = (protocol: string, port: number) => ({
  spec: { protocol, port },
  endpoints: [{ spec: { address: HOST } }],
});

const toJsonSocket = (port: number, { header = [] as object[], protocol = 'UDP', time = 5000 } = {}) => ({
  spec: { protocol: 'JSONSocket', transport: { protocol, port }, header },
  endpoints: [{ spec: { address: HOST } }],
  options: { connect_timeout: time },
});

const answerOf = (peer: Peer, { kind }: Source) => until(() => takeHeader(peer, kind), 'an answer');

const gone = (peer: Peer) => until(() => peer.ended || peer.closed !== undefined, 'the end of the connection');

// -------------------------------------------------------------------- the listener

/** A proxy with a JSONSocket listener on that transport, whose rules are given. */
async function listenOn(t: TestContext, source: Source, rules: object[], config: object = {}) {
  const path = join(folder, `${++files}`);
  const place = (port: number): Place => ({ listener: 'l', port, from: 0, path });
  const { proxy, ports } = await startProxy(t, ['l'], ({ l }) => ({
    ...config,
    listeners: [{ name: 'l', spec: { protocol: 'JSONSocket', transport: source.spec(place(l)) }, rules }],
  }));
  return { proxy, connect: () => source.connect(t, place(ports.l)) };
}

const routed = (destination: object | string, retry: object = {}) => ({ action: { route: { destination, retry } } });

for (const source of TRANSPORTS) {
  describe(`a JSONSocket client over ${source.name}`, () => {
    test('is routed by its header, which is metadata and goes no further', async (t) => {
      const one = await serveStream(t, { reply: (data) => `one ${data}` });
      const two = await serveStream(t, { reply: (data) => `two ${data}` });
      const user = (id: number, server: Server) => ({
        match: { op: 'test', path: '/JSONSocket/user/id', value: id },
        ...routed(to('TCP', server.port)),
      });
      const { proxy, connect } = await listenOn(t, source, [user(1, one), user(2, two)]);
      const client = await greet(await connect(), source.kind, { user: { id: 2 } });
      assert.equal(await ask(client, 'hello'), 'two hello');
      assert.equal(bytes(two.peers[0] as Peer).toString(), 'hello');
      assert.equal(one.peers.length, 0);
      const { metadata } = await proxy.session('l');
      assert.deepEqual(metadata.JSONSocket, { JSONSocketVersion: 1, user: { id: 2 } });
    });

    const refusals: [string, string, number][] = [
      ['is no JSON', 'hello', 400],
      ['is no object', '[1]', 400],
      ['has no version', '{"a":1}', 400],
      ['has a version that is text', '{"JSONSocketVersion":"1"}', 400],
      ['has a version that is not whole', '{"JSONSocketVersion":0.5}', 400],
      ['has a later version', '{"JSONSocketVersion":2}', 505],
      ['matches no rule', '{"JSONSocketVersion":1,"pass":"no"}', 404],
      ['leads to an endpoint that is not there', '{"JSONSocketVersion":1,"pass":"down"}', 502],
      ['leads to a cluster that is not there', '{"JSONSocketVersion":1,"pass":"nowhere"}', 404],
    ];
    test('is refused with a status of its own, and nothing of it passes', async (t) => {
      const server = await serveStream(t);
      const pass = (value: string, destination: object | string) => ({
        match: { op: 'test', path: '/JSONSocket/pass', value },
        ...routed(destination),
      });
      const { proxy, connect } = await listenOn(t, source, [
        pass('yes', to('TCP', server.port)),
        pass('down', to('TCP', await freePort())),
        pass('nowhere', 'nowhere'),
      ]);
      for (const [what, header, status] of refusals) {
        const client = await connect();
        client.send(source.kind === 'stream' ? `${header}\n` : header);
        const answer = await answerOf(client, source);
        assert.deepEqual([answer.JSONSocketVersion, answer.JSONSocketStatus], [1, status], `a header that ${what}`);
        assert.equal(typeof answer.JSONSocketMessage, 'string');
        if (source.connected) await gone(client);
      }
      await proxy.noSession('l');
      assert.equal(server.peers.length, 0);
    });

    test('is answered when the endpoint is there, and not before', async (t) => {
      const port = await freePort();
      const retry = { retry_on: 'connect-failure', num_retries: 1000, timeout: 20 };
      const { proxy, connect } = await listenOn(t, source, [routed(to('TCP', port), retry)]);
      const client = await connect();
      client.send(encode({ JSONSocketVersion: 1 }, source.kind));
      await until(async () => {
        const [session] = await proxy.sessions('l');
        return session?.events.some(({ event }: { event: string }) => event === 'ERROR');
      }, 'an attempt fails');
      assert.equal(client.messages.length, 0);
      await serveStream(t, { port, allowHalfOpen: false });
      assert.equal((await answerOf(client, source)).JSONSocketStatus, 200);
      assert.equal(await ask(client, 'hello'), 'hello');
    });

    test('loses its session with its endpoint', async (t) => {
      const server = await serveStream(t);
      const { proxy, connect } = await listenOn(t, source, [routed(to('TCP', server.port))]);
      const client = await greet(await connect(), source.kind, {});
      assert.equal(await ask(client, 'hello'), 'hello');
      server.peers[0]?.reset();
      await proxy.noSession('l');
      if (source.connected || source.told) {
        await gone(client);
        return;
      }
      // UDP has no way to say so. A header begins anew.
      await greet(client, source.kind, { again: true });
      assert.equal(await ask(client, 'hello'), 'hello');
    });
  });
}

describe('a JSONSocket listener', () => {
  const [udp, tcp] = TRANSPORTS as [Source, Source];

  test('answers a header that is repeated, and does not forward it', async (t) => {
    const server = await serveDatagram(t);
    const { proxy, connect } = await listenOn(t, udp, [routed(to('UDP', server.port))]);
    const client = await greet(await connect(), 'datagram', { user: 7 });
    await greet(client, 'datagram', { user: 7 });
    assert.equal(await ask(client, 'hello'), 'hello');
    assert.equal((await proxy.sessions('l')).length, 1);
    assert.deepEqual(server.peers[0]?.messages.map(String), ['hello']);
  });

  test('takes a UDP client that was refused when it asks better', async (t) => {
    const { connect } = await listenOn(t, udp, [routed({ spec: { protocol: 'Echo' } })]);
    const client = await connect();
    client.send('nonsense');
    assert.equal((await answerOf(client, udp)).JSONSocketStatus, 400);
    await greet(client, 'datagram', {});
    assert.equal(await ask(client, 'hello'), 'hello');
  });

  test('takes a header that comes in pieces, and what follows it in the last one', async (t) => {
    const server = await serveStream(t);
    const { proxy, connect } = await listenOn(t, tcp, [routed(to('TCP', server.port))]);
    const client = await connect();
    client.send('{"JSONSocketVersion":');
    // A question in between, so that the pieces do not become one on their way.
    assert.equal((await proxy.sessions('l')).length, 0);
    client.send('1,"user":7}\nhello');
    assert.equal((await answerOf(client, tcp)).JSONSocketStatus, 200);
    await until(() => bytes(client).toString() === 'hello', 'the echo');
    assert.equal(bytes(server.peers[0] as Peer).toString(), 'hello');
  });

  test('takes the field’s old name', async (t) => {
    const { ports } = await startProxy(t, ['l'], ({ l }) => ({
      listeners: [
        listener(
          'l',
          { protocol: 'JSONSocket', transport_spec: { protocol: 'UDP', port: l } },
          { destination: { spec: { protocol: 'Echo' } } },
        ),
      ],
    }));
    const client = await greet(await connectDatagram(t, ports.l), 'datagram', {});
    assert.equal(await ask(client, 'hello'), 'hello');
  });
});

// -------------------------------------------------------------------- the cluster

/** A JSONSocket server over UDP that notes the headers, and answers them as it is told. */
async function serveJsonSocket(t: TestContext, answer: (header: Record<string, unknown>, n: number) => string) {
  const headers: Record<string, unknown>[] = [];
  const greeted = new Map<Peer, string>();
  const server = await serveDatagram(t, {
    reply: (data, peer) => {
      const text = data.toString();
      const known = greeted.get(peer);
      if (known !== undefined && known !== text) return data;
      peer.messages.length = 0;
      // Where the answer takes its time, the header comes again.
      if (known !== undefined) return status(200);
      headers.push(JSON.parse(text));
      const answered = answer(headers.at(-1) ?? {}, headers.length);
      if (/"JSONSocketStatus":200/.test(answered)) greeted.set(peer, text);
      return answered === '' ? undefined : answered;
    },
  });
  return { ...server, headers };
}

const status = (code: number, message = 'as told') =>
  JSON.stringify({ JSONSocketVersion: 1, JSONSocketStatus: code, JSONSocketMessage: message });

/** A proxy with an HTTP listener in front of it: what a client is told is in the answer. */
async function startInFront(t: TestContext, destination: object, route: object = {}) {
  const { proxy, ports } = await startProxy(t, ['l'], ({ l }) => ({
    listeners: [
      listener(
        'l',
        { protocol: 'HTTP', port: l, address: HOST },
        { destination, ...route },
        { options: { verbose_errors: true } },
      ),
    ],
  }));
  const post = async (headers: Record<string, string> = {}) => {
    const { req, answer } = request(t, ports.l, { method: 'POST', headers });
    req.end('hello');
    return answer;
  };
  return { proxy, port: ports.l, post };
}

describe('a JSONSocket server behind the proxy', () => {
  test('gets a header with the version, and with what is copied and set in the configuration’s order', async (t) => {
    const server = await serveJsonSocket(t, () => status(200));
    const header = [
      { path: { from: '/HTTP/headers/x-user', to: '/user/name' } },
      { path: '/labels' },
      { path: { from: '/not/there', to: '/missing' } },
      { set: { key: '/user/kind', value: { deep: [1] } } },
      { set: { key: 'k', value: 1 } },
    ];
    const rewrite = [{ path: '/labels', value: { room: 7 } }];
    const { ports } = await startProxy(t, ['l'], ({ l }) => ({
      listeners: [
        {
          name: 'l',
          spec: { protocol: 'HTTP', port: l, address: HOST },
          rules: [{ action: { rewrite, route: { destination: toJsonSocket(server.port, { header }) } } }],
        },
      ],
    }));
    const { req } = request(t, ports.l, { method: 'POST', headers: { 'x-user': 'me' } });
    req.write('hello');
    await until(() => server.peers[0]?.messages.length, 'the body');
    assert.deepEqual(server.headers, [
      { JSONSocketVersion: 1, user: { name: 'me', kind: { deep: [1] } }, room: 7, k: 1 },
    ]);
    assert.deepEqual(server.peers[0]?.messages.map(String), ['hello']);
  });

  for (const [what, answer, expected] of [
    ['refuses with 403', status(403, 'not you'), /403: not you/],
    ['answers 302', status(302), /302/],
    ['answers without a status', '{"JSONSocketVersion":1}', /JSONSocketStatus/],
    ['answers nonsense', 'nonsense', /no answer/],
  ] as const) {
    test(`that ${what} fails the connection, and gets no data`, async (t) => {
      const server = await serveJsonSocket(t, () => answer);
      const { post } = await startInFront(t, toJsonSocket(server.port));
      const { status: code, text } = await post();
      assert.equal(code, 502);
      assert.match(JSON.parse(text).content, expected);
      assert.equal(server.peers[0]?.messages.length, 0);
    });
  }

  test('that does not answer is a timeout', async (t) => {
    const server = await serveJsonSocket(t, () => '');
    const { post } = await startInFront(t, toJsonSocket(server.port, { time: 100 }));
    assert.equal((await post()).status, 504);
  });

  test('whose first header was lost gets it again', async (t) => {
    const server = await serveJsonSocket(t, (_header, n) => (n === 1 ? '' : status(200)));
    const { port } = await startInFront(t, toJsonSocket(server.port));
    const { req } = request(t, port, { method: 'POST' });
    req.write('hello');
    await until(() => server.peers[0]?.messages.length, 'the body');
    assert.equal(server.headers.length, 2);
    assert.deepEqual(server.headers[0], server.headers[1]);
    assert.equal(server.peers.length, 1);
  });

  test('that refuses at first is asked again, as the route’s retry says', async (t) => {
    const server = await serveJsonSocket(t, () => status(server.peers.length < 3 ? 503 : 200));
    const retry = { retry_on: 'connect-failure', num_retries: 2, timeout: 20 };
    const { ports } = await startProxy(t, ['l'], ({ l }) => ({
      listeners: [listener('l', { protocol: 'UDP', port: l }, { destination: toJsonSocket(server.port), retry })],
    }));
    const client = await connectDatagram(t, ports.l);
    assert.equal(await ask(client, 'hello'), 'hello');
    assert.equal(server.peers.length, 3);
  });

  test('that is lost is greeted anew, and what comes meanwhile waits', async (t) => {
    const port = await freePort();
    const options: ServerOptions & { allowHalfOpen: boolean } = { ...answering('stream', {}), allowHalfOpen: false };
    const first = await serveStream(t, { ...options, port });
    const retry = { retry_on: 'always', num_retries: 1000, timeout: 20 };
    const { proxy, ports } = await startProxy(t, ['l'], ({ l }) => ({
      listeners: [
        listener('l', { protocol: 'UDP', port: l }, { destination: toJsonSocket(port, { protocol: 'TCP' }), retry }),
      ],
    }));
    const client = await connectDatagram(t, ports.l);
    assert.equal(await ask(client, 'one'), 'one');
    await first.stop();
    await proxy.session('l', 'DISCONNECTED');
    client.send('two');
    await serveStream(t, { ...options, port });
    await until(() => client.messages.length > 0, 'the echo');
    assert.deepEqual(client.messages.map(String), ['two']);
  });
});

for (const mended of [true, false]) {
  test(`a listener that is made anew ${mended ? 'is greeted anew, where the policy says so' : 'ends the session'}`, async (t) => {
    const place = { protocol: 'UDP', port: await freePort(), address: '127.0.0.1' };
    const far = listener(
      'far',
      { protocol: 'JSONSocket', transport: place },
      { destination: { spec: { protocol: 'Echo' } } },
    );
    const destination = toJsonSocket(place.port);
    const retry = { retry_on: mended ? 'disconnect' : 'never', num_retries: 1000, timeout: 20 };
    const { proxy, ports } = await startProxy(t, ['near'], ({ near }) => ({
      listeners: [
        far,
        listener(
          'near',
          { protocol: 'UDP', port: near },
          { destination, retry },
          { options: { track: 60, connect_timeout: 5000 } },
        ),
      ],
    }));
    const client = await connectDatagram(t, ports.near);
    assert.equal(await ask(client, 'one'), 'one');
    await proxy.ok('DELETE', 'listeners/far?recursive=true');
    await proxy.ok('POST', 'listeners', { listener: far });
    // To the new one this is no header.
    client.send('lost');
    const forgotten = ({ message }: { message: string }) => message.includes('has forgotten the connection: 400');
    await until(async () => (await proxy.sessions('near'))[0].events.some(forgotten), 'the disconnect');
    await proxy.session('near', mended ? 'CONNECTED' : 'DESTROYED');
    if (mended) assert.equal(await ask(client, 'two'), 'two');
    assert.deepEqual(client.messages, []);
  });
}

test('one proxy’s JSONSocket cluster and another one’s listener agree', async (t) => {
  const [udp] = TRANSPORTS as [Source];
  const place = (port: number): Place => ({ listener: 'inner', port, from: 0, path: '' });
  const { proxy: inner, ports } = await startProxy(t, ['inner'], ({ inner: port }) => ({
    listeners: [
      {
        name: 'inner',
        spec: { protocol: 'JSONSocket', transport: udp.spec(place(port)) },
        rules: [
          {
            match: { op: 'test', path: '/JSONSocket/user', value: 'me' },
            action: { route: { destination: { spec: { protocol: 'Echo' } } } },
          },
        ],
      },
    ],
  }));
  const header = [{ path: { from: '/HTTP/headers/x-user', to: '/user' } }];
  const { port, post } = await startInFront(t, toJsonSocket(ports.inner, { header }));
  const refused = await post({ 'x-user': 'you' });
  assert.equal(refused.status, 502);
  assert.match(JSON.parse(refused.text).content, /404: E_NO_ROUTE: no rule/);
  const { req } = request(t, port, { method: 'POST', headers: { 'x-user': 'me' } });
  const first = new Promise((resolve) => {
    req.on('response', (res) => res.once('data', (data: Buffer) => resolve(data.toString())));
  });
  req.write('hello');
  assert.equal(await first, 'hello');
  const { metadata } = await inner.session('inner');
  assert.deepEqual(metadata.JSONSocket, { JSONSocketVersion: 1, user: 'me' });
});
