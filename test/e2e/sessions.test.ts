import assert from 'node:assert/strict';
import { createHash, randomBytes } from 'node:crypto';
import { test } from 'node:test';
import { freePort } from '../../src/testing/ports.ts';
import { until } from '../../src/testing/until.ts';
import {
  ask,
  bytes,
  connectDatagram,
  connectStream,
  next,
  received,
  serveDatagram,
  serveStream,
} from '../support/peers.ts';
import { listener, startProxy } from '../support/proxy.ts';

const HOST = '127.0.0.1';

const to = (protocol: string, port: number, address = HOST) => ({
  spec: { protocol, port },
  endpoints: [{ spec: { address } }],
});

test('datagrams that come while a session is set up arrive in order, in one session', async (t) => {
  const server = await serveDatagram(t);
  const { proxy, ports } = await startProxy(t, ['l'], ({ l }) => ({
    // A name, so that setting up takes more than a turn of the loop.
    listeners: [listener('l', { protocol: 'UDP', port: l }, { destination: to('UDP', server.port, 'localhost') })],
  }));
  const client = await connectDatagram(t, ports.l);
  const sent = Array.from({ length: 100 }, (_, n) => `message ${n}`);
  for (const text of sent) client.send(text);
  await until(() => client.messages.length === sent.length, 'all come back');
  assert.deepEqual(client.messages.map(String), sent);
  assert.equal((await proxy.sessions('l')).length, 1);
});

test('datagrams of every size keep their boundaries', async (t) => {
  const server = await serveDatagram(t);
  const { ports } = await startProxy(t, ['l'], ({ l }) => ({
    listeners: [listener('l', { protocol: 'UDP', port: l }, { destination: to('UDP', server.port) })],
  }));
  const client = await connectDatagram(t, ports.l);
  for (const size of [0, 1, 1472, 9000, 65_507]) {
    const data = randomBytes(size);
    client.send(data);
    await until(() => client.messages.length > 0, `${size} bytes come back`);
    assert.ok(client.messages.shift()?.equals(data), `${size} bytes`);
  }
});

test('a silent UDP client is forgotten after the idle timeout, and one that speaks is not', async (t) => {
  const server = await serveDatagram(t);
  const { proxy, ports } = await startProxy(t, ['l', 'c'], ({ l, c }) => ({
    listeners: [
      listener(
        'l',
        { protocol: 'UDP', port: l },
        { destination: to('UDP', server.port) },
        { options: { idle_timeout: 300 } },
      ),
      listener(
        'c',
        { protocol: 'UDP', port: c },
        { destination: { ...to('UDP', server.port), options: { idle_timeout: 300 } } },
      ),
    ],
  }));
  const silent = await connectDatagram(t, ports.l);
  const speaking = await connectDatagram(t, ports.l);
  const byCluster = await connectDatagram(t, ports.c);
  await ask(silent, 'x');
  await ask(byCluster, 'x');
  const timer = setInterval(() => speaking.send('x'), 20);
  t.after(() => clearInterval(timer));
  await until(async () => {
    const left = await proxy.sessions('l');
    return left.length === 1 && left[0].metadata.UDP.src_port === speaking.port;
  }, 'only the speaking one is left');
  await proxy.noSession('c');
});

test('a TCP connection has no idle timeout unless it is given one', async (t) => {
  const server = await serveStream(t);
  const { proxy, ports } = await startProxy(t, ['l', 'm'], ({ l, m }) => ({
    listeners: [
      listener(
        'l',
        { protocol: 'TCP', port: l },
        { destination: to('TCP', server.port) },
        { options: { idle_timeout: 100 } },
      ),
      listener('m', { protocol: 'TCP', port: m }, { destination: to('TCP', server.port) }),
    ],
  }));
  const limited = await connectStream(t, { port: ports.l });
  const unlimited = await connectStream(t, { port: ports.m });
  await ask(limited, 'x');
  await ask(unlimited, 'x');
  await until(() => limited.ended || limited.closed !== undefined, 'the limited one ends');
  assert.equal(await ask(unlimited, 'y'), 'y');
  await proxy.noSession('l');
});

test('a FIN closes one direction only', async (t) => {
  const server = await serveStream(t, {
    reply: () => undefined,
    onPeer: (peer) =>
      void until(() => peer.ended, 'the client’s end')
        .then(() => peer.send(`got ${bytes(peer)}`))
        .then(() => peer.end()),
  });
  const { proxy, ports } = await startProxy(t, ['l'], ({ l }) => ({
    listeners: [listener('l', { protocol: 'TCP', port: l }, { destination: to('TCP', server.port) })],
  }));
  const client = await connectStream(t, { port: ports.l });
  client.send('question');
  client.end();
  await until(() => client.ended, 'the answer has ended');
  assert.equal(bytes(client).toString(), 'got question');
  await proxy.noSession('l');
});

test('where the far side cannot be told of an end, the last answer is waited for', async (t) => {
  const server = await serveDatagram(t, {
    reply: (data, peer) => void setTimeout(() => peer.send(`late ${data}`), 50),
  });
  const { proxy, ports } = await startProxy(t, ['l'], ({ l }) => ({
    listeners: [
      listener(
        'l',
        { protocol: 'TCP', port: l },
        { destination: { ...to('UDP', server.port), options: { half_close_timeout: 1000 } } },
      ),
    ],
  }));
  const client = await connectStream(t, { port: ports.l });
  client.send('x');
  client.end();
  await until(() => client.ended, 'the session ends by itself');
  assert.equal(bytes(client).toString(), 'late x');
  await proxy.noSession('l');
});

test('a reader that stops holds the writer up, and nothing is lost', async (t) => {
  const data = randomBytes(64 << 20);
  const hash = createHash('sha256');
  let size = 0;
  const server = await serveStream(t, { reply: () => undefined, onPeer: () => {} });
  const { ports } = await startProxy(t, ['l'], ({ l }) => ({
    listeners: [listener('l', { protocol: 'TCP', port: l }, { destination: to('TCP', server.port) })],
  }));
  const client = await connectStream(t, { port: ports.l });
  client.socket.pause();
  await until(() => server.peers[0], 'the connection');
  server.peers[0]?.send(data);
  client.socket.removeAllListeners('data');
  await until(() => client.socket.bytesRead < data.length, 'it is held up');
  client.socket.on('data', (chunk: Buffer) => {
    hash.update(chunk);
    size += chunk.length;
  });
  client.socket.resume();
  await until(() => size === data.length, 'all of it');
  assert.equal(hash.digest('hex'), createHash('sha256').update(data).digest('hex'));
});

test('max_sessions refuses and counts what is too much, and takes new ones when there is room', async (t) => {
  const server = await serveDatagram(t);
  const { proxy, ports } = await startProxy(t, ['l', 'metrics'], ({ l, metrics }) => ({
    listeners: [
      listener(
        'l',
        { protocol: 'UDP', port: l },
        { destination: to('UDP', server.port) },
        { options: { max_sessions: 1 } },
      ),
      listener('metrics', { protocol: 'HTTP', port: metrics }, { destination: { spec: { protocol: 'Prometheus' } } }),
    ],
  }));
  const first = await connectDatagram(t, ports.l);
  const second = await connectDatagram(t, ports.l);
  await ask(first, 'x');
  second.send('refused');
  await until(async () => {
    const text = await (await fetch(`http://127.0.0.1:${ports.metrics}/`)).text();
    return /listener_rejects_total\{listenerName="l",protocol="UDP",reason="max-sessions"\} 1/.test(text);
  }, 'the refusal is counted');
  assert.equal(second.messages.length, 0);
  const session = await proxy.session('l');
  await proxy.ok('DELETE', `sessions/${encodeURIComponent(session.name)}`);
  assert.equal(await ask(second, 'taken'), 'taken');
});

test('only the peer that `connect` names is taken', async (t) => {
  const server = await serveDatagram(t);
  const allowed = await freePort();
  const { proxy, ports } = await startProxy(t, ['l'], ({ l }) => ({
    listeners: [
      listener('l', { protocol: 'UDP', port: l, connect: { port: allowed } }, { destination: to('UDP', server.port) }),
    ],
  }));
  const wrong = await connectDatagram(t, ports.l);
  wrong.send('x');
  const right = await connectDatagram(t, ports.l, { port: allowed });
  assert.equal(await ask(right, 'y'), 'y');
  assert.equal(wrong.messages.length, 0);
  assert.equal((await proxy.sessions('l')).length, 1);
});

test('a UDP singleton has its session at once, and again at the next datagram after it ended', async (t) => {
  const server = await serveDatagram(t);
  const from = await freePort();
  const { proxy, ports } = await startProxy(t, ['l'], ({ l }) => ({
    listeners: [
      listener(
        'l',
        { protocol: 'UDP', port: l, connect: { address: HOST, port: from } },
        { destination: to('UDP', server.port) },
      ),
    ],
  }));
  const session = await proxy.session('l');
  const client = await connectDatagram(t, ports.l, { port: from });
  assert.equal(await ask(client, 'x'), 'x');
  await proxy.ok('DELETE', `sessions/${encodeURIComponent(session.name)}`);
  await proxy.noSession('l');
  assert.equal(await ask(client, 'y'), 'y');
  assert.equal((await proxy.sessions('l')).length, 1);
});

test('an ICMP error on one session harms neither its next datagram nor another session', async (t) => {
  const port = await freePort();
  const { proxy, ports } = await startProxy(t, ['l'], ({ l }) => ({
    listeners: [listener('l', { protocol: 'UDP', port: l }, { destination: to('UDP', port) })],
  }));
  const one = await connectDatagram(t, ports.l);
  const two = await connectDatagram(t, ports.l);
  one.send('nobody is there');
  await until(async () => {
    const [session] = await proxy.sessions('l');
    return session?.events.some(({ message }: { message: string }) => message.includes('ECONNREFUSED'));
  }, 'the error is an event');
  await serveDatagram(t, { port });
  assert.equal(await ask(one, 'now'), 'now');
  assert.equal(await ask(two, 'too'), 'too');
});

test('a deleted UDP listener keeps the socket for its sessions, and a new one takes it over', async (t) => {
  const server = await serveDatagram(t);
  const { proxy, ports } = await startProxy(t, ['l'], ({ l }) => ({
    listeners: [listener('l', { protocol: 'UDP', port: l }, { destination: 'c' })],
    clusters: [{ name: 'c', ...to('UDP', server.port) }],
  }));
  const old = await connectDatagram(t, ports.l);
  await ask(old, 'x');
  await proxy.ok('DELETE', 'listeners/l');
  assert.equal(await ask(old, 'still'), 'still');
  const stranger = await connectDatagram(t, ports.l);
  stranger.send('nobody listens');
  await proxy.ok('POST', 'listeners', {
    listener: listener('new', { protocol: 'UDP', port: ports.l }, { destination: 'c' }),
  });
  const fresh = await connectDatagram(t, ports.l);
  assert.equal(await ask(fresh, 'y'), 'y');
  assert.equal(await ask(old, 'and still'), 'and still');
  assert.equal(stranger.messages.length, 0);
  assert.deepEqual([(await proxy.sessions('l')).length, (await proxy.sessions('new')).length], [1, 1]);
});

test('a datagram stream into a byte stream is warned about once for each session', async (t) => {
  const server = await serveStream(t);
  const { proxy, ports } = await startProxy(t, ['l'], ({ l }) => ({
    admin: { log_level: 'silent' },
    listeners: [
      listener(
        'l',
        { protocol: 'UDP', port: l },
        { destination: to('TCP', server.port), ingress: [{ spec: { protocol: 'Echo' } }] },
      ),
    ],
  }));
  const client = await connectDatagram(t, ports.l);
  await ask(client, 'x');
  const session = await proxy.session('l');
  const warnings = session.events.filter(({ event }: { event: string }) => event === 'WARNING');
  assert.equal(warnings.length, 1);
  assert.match(warnings[0].message, /byte stream/);
});

test('a tracked session stays visible when it has ended, and tells why', async (t) => {
  const server = await serveStream(t);
  const { proxy, ports } = await startProxy(t, ['l'], ({ l }) => ({
    listeners: [
      listener('l', { protocol: 'TCP', port: l }, { destination: to('TCP', server.port) }, { options: { track: 60 } }),
    ],
  }));
  const client = await connectStream(t, { port: ports.l });
  await ask(client, 'x');
  client.end();
  await until(() => server.peers[0]?.ended, 'the end is passed on');
  server.peers[0]?.end();
  const session = await proxy.session('l', 'DESTROYED');
  assert.deepEqual([session.source.status, session.destination.status], ['END', 'END']);
  const names = session.events.map(({ event }: { event: string }) => event);
  assert.deepEqual(names, ['INIT', 'LOOKUP SUCCESS', 'CONNECT', 'END', 'DESTROY']);
});

test('sessions with the same name get _1, _2, …', async (t) => {
  const server = await serveStream(t);
  const { proxy, ports } = await startProxy(t, ['l'], ({ l }) => ({
    listeners: [
      listener('l', { protocol: 'TCP', port: l }, { destination: to('TCP', server.port) }, { options: { track: 60 } }),
    ],
  }));
  // Not one of the kernel's: another connection could have it in between.
  const localPort = await freePort();
  const again = () => connectStream(t, { port: ports.l, localPort } as { port: number });
  const first = await again();
  await ask(first, 'x');
  first.reset();
  await proxy.session('l', 'DESTROYED');
  const second = await until(() => again().catch(() => undefined), 'the port is free again');
  assert.equal(second.port, localPort);
  const session = await proxy.session('l');
  assert.match(session.name, /_1$/);
});

test('a name is resolved when the session is made, and a failed look-up is a failed attempt', async (t) => {
  for (const protocol of ['TCP', 'UDP']) {
    const { proxy, ports } = await startProxy(t, ['l'], ({ l }) => ({
      listeners: [
        listener(
          'l',
          { protocol, port: l },
          { destination: to(protocol, 9, 'no-such-host.invalid') },
          { options: { track: 60 } },
        ),
      ],
    }));
    const client = protocol === 'TCP' ? await connectStream(t, { port: ports.l }) : await connectDatagram(t, ports.l);
    client.send('x');
    const session = await proxy.session('l', 'DESTROYED');
    assert.match(JSON.stringify(session.events), /no-such-host\.invalid/);
  }
});

test('a full queue drops datagrams and counts them, and byte streams pause', async (t) => {
  const port = await freePort();
  const { proxy, ports } = await startProxy(t, ['l'], ({ l }) => ({
    listeners: [
      listener(
        'l',
        { protocol: 'UDP', port: l },
        {
          destination: to('TCP', port),
          retry: { retry_on: 'connect-failure', num_retries: 1000, timeout: 20 },
        },
        { options: { queue_messages: 5 } },
      ),
    ],
  }));
  const client = await connectDatagram(t, ports.l);
  for (let n = 0; n < 12; n++) client.send(`${n};`);
  await until(async () => (await proxy.sessions('l'))[0]?.source.drops['queue-full'] === 7, 'seven are dropped');
  const server = await serveStream(t, { port, reply: () => undefined });
  await until(() => server.peers[0] && bytes(server.peers[0]).toString() === '0;1;2;3;4;', 'the five that fitted');
});

test('a failed session harms no other', async (t) => {
  const server = await serveStream(t);
  const { ports } = await startProxy(t, ['good', 'bad'], ({ good, bad }) => ({
    listeners: [
      listener('good', { protocol: 'TCP', port: good }, { destination: to('TCP', server.port) }),
      listener('bad', { protocol: 'TCP', port: bad }, { destination: 'no such cluster'.replaceAll(' ', '-') }),
    ],
  }));
  const good = await connectStream(t, { port: ports.good });
  for (let n = 0; n < 20; n++) {
    const bad = await connectStream(t, { port: ports.bad });
    await until(() => bad.ended || bad.closed !== undefined, 'it is refused');
  }
  assert.equal(await ask(good, 'x'), 'x');
});

test('connections are closed in good order when the proxy stops', async (t) => {
  const server = await serveStream(t);
  const { proxy, ports } = await startProxy(t, ['l'], ({ l }) => ({
    listeners: [listener('l', { protocol: 'TCP', port: l }, { destination: to('TCP', server.port) })],
  }));
  const client = await connectStream(t, { port: ports.l });
  await ask(client, 'x');
  await proxy.proxy.stop();
  await until(() => client.ended && server.peers[0]?.ended, 'both sides are told');
  await assert.rejects(connectStream(t, { port: ports.l }), { code: 'ECONNREFUSED' });
});

test('a message from the server reaches a client that only listens', async (t) => {
  const server = await serveStream(t, { onPeer: (peer) => peer.send('welcome') });
  const { ports } = await startProxy(t, ['l'], ({ l }) => ({
    listeners: [listener('l', { protocol: 'TCP', port: l }, { destination: to('TCP', server.port) })],
  }));
  const client = await connectStream(t, { port: ports.l });
  assert.equal(await next(client), 'welcome');
  assert.equal((await received(client, 0)).length, 0);
});
