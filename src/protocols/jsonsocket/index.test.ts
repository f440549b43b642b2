import assert from 'node:assert/strict';
import { describe, type TestContext, test } from 'node:test';
import type { Channel } from '../../core/channel.ts';
import { L7mpError } from '../../core/errors.ts';
import type { Spec } from '../../core/protocol.ts';
import {
  attemptTo,
  CLUSTER,
  connectStream,
  dialerOf,
  engine,
  failure,
  freePort,
  LISTENER,
  listenOn,
  reading,
  socketPath,
  streamServer,
  type TestListener,
  udpPeer,
} from './testing.ts';

const HOST = '127.0.0.1';
const HEADER = '{"JSONSocketVersion":1,"user":{"id":7}}';
const OK = '{"JSONSocketVersion":1,"JSONSocketStatus":200,"JSONSocketMessage":"OK"}';

const LIMIT = { timeout: 10_000 };

/** Where a listener of each transport listens, and the cluster that leads there. */
const TRANSPORTS: Record<string, (t: TestContext) => Promise<{ listener: Spec; cluster: Spec; address: string }>> = {
  UDP: async () => {
    const port = await freePort();
    return { listener: { protocol: 'UDP', address: HOST, port }, cluster: { protocol: 'UDP', port }, address: HOST };
  },
  TCP: async () => {
    const port = await freePort();
    return { listener: { protocol: 'TCP', address: HOST, port }, cluster: { protocol: 'TCP', port }, address: HOST };
  },
  UnixDomainSocket: async (t) => {
    const filename = socketPath(t);
    const protocol = 'UnixDomainSocket';
    return { listener: { protocol, filename }, cluster: { protocol }, address: filename };
  },
};

/** What a session over an Echo does. */
async function echoNext({ accepted }: TestListener): Promise<Channel> {
  const channel = await accepted.next();
  channel.accept();
  reading(channel, { echo: true });
  return channel;
}

describe('JSONSocket', () => {
  test('has an alias for its transport, a name for its sessions, a minute of patience', () => {
    assert.deepEqual([LISTENER.aliases, CLUSTER.standsOn], [{ transport_spec: 'transport' }, 'transport']);
    assert.equal(LISTENER.sessionName({ listener: 'l', n: 3, metadata: {} }), 'JSONSocket:l-3');
    assert.deepEqual([LISTENER.idleTimeout, CLUSTER.idleTimeout], [60_000, 60_000]);
  });

  test('has the kind of its transport', () => {
    const kind = CLUSTER.kind as (spec: unknown, kindOf: (spec: Spec) => string) => string;
    assert.equal(kind({ transport: { protocol: 'X' } }, ({ protocol }) => `kind of ${protocol}`), 'kind of X');
  });
});

for (const [name, place] of Object.entries(TRANSPORTS)) {
  describe(`JSONSocket over ${name}`, LIMIT, () => {
    test('carries header and data from a cluster to a listener and back', async (t) => {
      const io = engine(t);
      const { listener, cluster, address } = await place(t);
      const server = await listenOn(io, listener);
      const session = echoNext(server);
      const dialer = await dialerOf(io, { transport: cluster, header: [{ path: '/labels' }] });
      const channel = await dialer.dial(attemptTo(address, { labels: { call: 'c1' } }));
      const answers = reading(channel);
      channel.write(Buffer.from('ping'));
      assert.equal(await answers.next(), 'ping');
      const { JSONSocket: header, ...transport } = (await session).describe();
      assert.deepEqual(header, { JSONSocketVersion: 1, call: 'c1' });
      assert.deepEqual(Object.keys(transport), name === 'UnixDomainSocket' ? ['UNIX'] : ['IP', name]);
      const kind = name === 'UDP' ? 'datagram' : 'stream';
      assert.deepEqual([channel.kind, (await session).kind, (await session).bytesIn], [kind, kind, 4]);
    });

    test('tells a refused client the status, and the dialler fails with it', async (t) => {
      const io = engine(t);
      const { listener, cluster, address } = await place(t);
      const server = await listenOn(io, listener);
      const dialer = await dialerOf(io, { transport: cluster });
      const dialled = dialer.dial(attemptTo(address)) as Promise<Channel>;
      const failed = assert.rejects(dialled, failure('E_HANDSHAKE', /answered 404: no rule matches$/));
      (await server.accepted.next()).refuse(new L7mpError('E_NO_ROUTE', 'no rule matches'));
      await failed;
    });

    test('admits so many sessions and no more', async (t) => {
      const io = engine(t);
      const { listener, cluster, address } = await place(t);
      const server = await listenOn(io, listener, { most: 1 });
      const dialer = await dialerOf(io, { transport: cluster });
      const first = dialer.dial(attemptTo(address)) as Promise<Channel>;
      await echoNext(server);
      await first;
      const attempt = attemptTo(address);
      const second = dialer.dial(attempt) as Promise<Channel>;
      const failed = assert.rejects(second);
      assert.equal(await server.rejected.next(), 'max-sessions');
      attempt.onCancel?.();
      await failed;
      assert.deepEqual([server.accepted.size, server.rejected.size], [0, 0]);
    });
  });
}

for (const name of ['TCP', 'UnixDomainSocket']) {
  const place = TRANSPORTS[name] as (typeof TRANSPORTS)[string];

  async function client(t: TestContext, options: { connect_timeout?: number } = {}) {
    const { listener } = await place(t);
    const server = await listenOn(engine(t), listener, options);
    const to = listener['filename'] ? { path: listener['filename'] as string } : { port: listener['port'] as number };
    return { server, peer: await connectStream(t, to) };
  }

  describe(`a ${name} client of JSONSocket`, LIMIT, () => {
    test('sends its line and the stream after it at once', async (t) => {
      const { server, peer } = await client(t);
      peer.socket.end(`${HEADER}\nquestion`);
      const channel = await server.accepted.next();
      channel.accept();
      const read = reading(channel);
      assert.deepEqual([await read.next(), await read.next()], ['question', '(end of data)']);
      channel.write(Buffer.from('answer'));
      channel.end();
      await peer.comes(`${OK}\nanswer`);
      await peer.ended;
    });

    test('is told what is wrong with its line, and is closed', async (t) => {
      const { server, peer } = await client(t);
      peer.socket.write('hello\nmore');
      await peer.ended;
      assert.equal(JSON.parse(peer.text).JSONSocketStatus, 400);
      assert.deepEqual([peer.text.endsWith('\n'), await server.rejected.next()], [true, 'broken-handshake']);
    });

    test('is told so when its line has no end', async (t) => {
      const { peer } = await client(t);
      peer.socket.write('x'.repeat(70_000));
      await peer.ended;
      assert.equal(JSON.parse(peer.text).JSONSocketStatus, 400);
    });

    test('is closed when its line does not come', async (t) => {
      const { server, peer } = await client(t, { connect_timeout: 20 });
      peer.socket.write('{"JSONSocket');
      await peer.ended;
      assert.deepEqual([peer.text, await server.rejected.next()], ['', 'handshake-timeout']);
    });

    test('is closed with the listener, unless it has a session', async (t) => {
      const { server, peer } = await client(t);
      peer.socket.write('{"JSONSocket');
      await server.listening.close();
      await peer.ended;
      assert.deepEqual([peer.text, server.rejected.size], ['', 0]);
    });
  });

  test(`a ${name} server of JSONSocket gets the line, and may answer in pieces`, LIMIT, async (t) => {
    const path = name === 'TCP' ? undefined : socketPath(t);
    const { peers, port } = await streamServer(t, path ? { path } : { port: 0 });
    const dialer = await dialerOf(engine(t), { transport: path ? { protocol: name } : { protocol: name, port } });
    const dialled = dialer.dial(attemptTo(path ?? HOST));
    const peer = await peers.next();
    await peer.comes('\n');
    assert.equal(peer.text, '{"JSONSocketVersion":1}\n');
    for (const piece of [OK.slice(0, 20), OK.slice(20), '\r\nfirst ']) peer.socket.write(piece);
    const channel = await dialled;
    channel.write(Buffer.from('data'));
    await peer.comes('data');
    peer.socket.end('last');
    const read = reading(channel);
    let text = '';
    for (let part = await read.next(); part !== '(end of data)'; part = await read.next()) text += part;
    assert.equal(text, 'first last');
  });
}

describe('a UDP client of JSONSocket', LIMIT, () => {
  async function client(t: TestContext) {
    const { listener } = await (TRANSPORTS['UDP'] as (typeof TRANSPORTS)[string])(t);
    const [server, peer] = [await listenOn(engine(t), listener), await udpPeer(t)];
    const ask = async (text: string): Promise<string> => {
      peer.send(text, listener['port'] as number);
      return (await peer.inbox.next()).text;
    };
    return { server, peer, ask };
  }

  test('gets the same answer again when it repeats its header, and is one session', async (t) => {
    const { server, ask, peer } = await client(t);
    const session = echoNext(server);
    assert.equal(await ask(HEADER), OK);
    assert.equal(await ask(HEADER), OK);
    assert.equal(await ask('data'), 'data');
    const { IP, UDP, JSONSocket } = (await session).describe() as Record<string, Record<string, unknown>>;
    assert.deepEqual([IP?.['src_addr'], UDP?.['src_port'], JSONSocket], [HOST, peer.port, JSON.parse(HEADER)]);
    assert.equal(server.accepted.size, 0);
  });

  test('is told what is wrong with its header, each time, until it is right', async (t) => {
    const { server, ask } = await client(t);
    for (const [header, status] of [['hello', 400], ['{"JSONSocketVersion":2}', 505]] as const) {
      assert.equal(JSON.parse(await ask(header)).JSONSocketStatus, status);
      assert.equal(await server.rejected.next(), 'broken-handshake');
    }
    void echoNext(server);
    assert.equal(await ask(HEADER), OK);
  });

  test('starts anew from the same address and port when its session is over', async (t) => {
    const { server, ask } = await client(t);
    const first = echoNext(server);
    assert.equal(await ask(HEADER), OK);
    (await first).close({ kind: 'idle', message: 'no traffic' });
    void echoNext(server);
    assert.equal(await ask(HEADER.replace('7', '8')), OK);
  });
});

describe('a UDP server of JSONSocket', LIMIT, () => {
  async function dialling(t: TestContext) {
    const server = await udpPeer(t);
    const dialer = await dialerOf(engine(t), { transport: { protocol: 'UDP', port: server.port } });
    const attempt = attemptTo(HOST);
    return { server, attempt, dialled: dialer.dial(attempt) as Promise<Channel> };
  }

  test('that did not get the header gets it again', async (t) => {
    const { server, dialled } = await dialling(t);
    await server.inbox.next();
    const { text, from } = await server.inbox.next();
    assert.equal(text, '{"JSONSocketVersion":1}');
    server.send(OK, from);
    server.send(OK, from);
    const channel = await dialled;
    server.send('data', from);
    assert.equal(await reading(channel).next(), 'data');
    channel.close({ kind: 'end', message: 'done' });
  });

  test('that never answers costs the attempt, and nothing more', async (t) => {
    const { server, attempt, dialled } = await dialling(t);
    await server.inbox.next();
    attempt.onCancel?.();
    await assert.rejects(dialled, failure('E_TIMEOUT', /no handshake within 2000 ms/));
  });
});
