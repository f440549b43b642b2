/** DTLS where the network loses datagrams, peers are hostile, or come back as others. */
import assert from 'node:assert/strict';
import { randomFillSync } from 'node:crypto';
import * as dgram from 'node:dgram';
import { once } from 'node:events';
import { after, type TestContext, test } from 'node:test';
import { engines } from '../../../src/io/testing.ts';
import { helloIn } from '../../../src/layers/dtls/record.ts';
import { SslContext } from '../../../src/openssl/context.ts';
import { DtlsConnection } from '../../../src/openssl/dtls-connection.ts';
import { freePort } from '../../../src/testing/ports.ts';
import { until } from '../../../src/testing/until.ts';
import { Authority, texts } from '../../support/certificates.ts';
import { connectDtls, serveDtls } from '../../support/dtls.ts';
import { ask, connectDatagram, next, serveDatagram } from '../../support/peers.ts';
import { listener, request, startProxy, type TestProxy } from '../../support/proxy.ts';

const HOST = '127.0.0.1';
const ECHO = { destination: { spec: { protocol: 'Echo' } } };

const authority = await Authority.make(after);
const own = texts(await authority.issue());
const LOCAL = { ca: authority.text, servername: 'localhost', verify: 'require' } as const;

interface Started {
  readonly proxy: TestProxy;
  readonly port: number;
  /** The listener comes to count as many of what it has not taken, at least. */
  rejects(reason: string, count?: number): Promise<void>;
}

/** A proxy with a DTLS listener `l`. */
async function listen(t: TestContext, route: object = ECHO, more: object = {}, admin: object = {}): Promise<Started> {
  const { proxy, ports } = await startProxy(t, ['l', 'metrics'], ({ l, metrics }) => ({
    admin,
    listeners: [
      listener('l', { protocol: 'UDP', port: l, address: HOST, tls: own }, route, more),
      listener(
        'metrics',
        { protocol: 'HTTP', port: metrics, address: HOST },
        { destination: { spec: { protocol: 'Prometheus' } } },
      ),
    ],
  }));
  const rejects: Started['rejects'] = async (reason, count = 1) => {
    const line = new RegExp(`^listener_rejects_total\\{.*listenerName="l".*reason="${reason}".*\\} (\\d+)$`, 'm');
    const counted = async () => Number(line.exec((await request({ port: ports.metrics })).text)?.[1] ?? 0);
    await until(async () => (await counted()) >= count, `${count} × ${reason}`);
  };
  return { proxy, port: ports.l, rejects };
}

// -------------------------------------------------------------------- losses

/** Stands between a client and a server, and loses the datagrams whose numbers it is told, of all that pass. */
async function lossyRelay(
  t: TestContext,
  to: number,
  lost: readonly number[],
): Promise<{ port: number; passed(): number }> {
  const [near, far] = [dgram.createSocket('udp4'), dgram.createSocket('udp4')];
  t.after(() => {
    near.close();
    far.close();
  });
  near.bind(await freePort(), HOST);
  far.bind(0, HOST);
  await Promise.all([once(near, 'listening'), once(far, 'listening')]);
  let client = 0;
  let seen = 0;
  near.on('message', (datagram, { port }) => {
    client = port;
    if (!lost.includes(++seen)) far.send(datagram, to, HOST);
  });
  far.on('message', (datagram) => {
    if (!lost.includes(++seen)) near.send(datagram, client, HOST);
  });
  return { port: near.address().port, passed: () => seen };
}

/** Each datagram of a handshake: ClientHello, HelloVerifyRequest, ClientHello, and the flights that follow. */
const EACH = [1, 2, 3, 4, 5, 6, 7];

test('a listener’s handshake survives the loss of any of its datagrams', async (t) => {
  const { proxy, port } = await listen(t);
  await Promise.all(
    EACH.map(async (lost) => {
      const relay = await lossyRelay(t, port, [lost]);
      const client = await connectDtls(t, relay.port, LOCAL);
      // A message may be what is lost.
      await until(() => {
        client.send('hello');
        return client.messages.length > 0;
      }, `an echo without datagram ${lost}`);
      assert.equal(String(client.messages[0]), 'hello');
    }),
  );
  assert.equal((await proxy.sessions('l')).length, EACH.length);
});

test('a cluster’s handshake survives the loss of any of its datagrams', async (t) => {
  const server = await serveDtls(t, own);
  const relays = await Promise.all(EACH.map((lost) => lossyRelay(t, server.port, [lost])));
  const names = relays.map((_, n) => `l${n}`);
  const { ports } = await startProxy(t, names, (ports) => ({
    listeners: relays.map((relay, n) => {
      const spec = { protocol: 'UDP', port: relay.port, tls: { ca: authority.text } };
      const destination = {
        name: `c${n}`,
        spec,
        endpoints: [{ spec: { address: HOST } }],
        options: { connect_timeout: 20_000 },
      };
      const from = { protocol: 'UDP', port: ports[`l${n}`], address: HOST };
      return listener(`l${n}`, from, { destination, retry: { retry_on: 'never', timeout: 20_000 } });
    }),
  }));
  await Promise.all(
    names.map(async (name) => {
      const client = await connectDatagram(t, ports[name] as number);
      await until(() => {
        client.send('hello');
        return client.messages.length > 0;
      }, 'an echo');
    }),
  );
});

// -------------------------------------------------------------------- what is no DTLS, and what does not fit

test('what is no DTLS is dropped and counted, from strangers and from the address of a client', async (t) => {
  const { proxy, port, rejects } = await listen(t);
  const stranger = await connectDatagram(t, port);
  const junk = ['', 'x', 'GET / HTTP/1.1\r\n\r\n', Buffer.alloc(60), Buffer.from([22, 0xfe])];
  for (const [n, datagram] of junk.entries()) {
    stranger.send(datagram);
    // One by one: the kernel may join what comes together, which is looked at once.
    await rejects('not-dtls', n + 1);
  }
  // A record of data of a client that nobody knows.
  stranger.send(Buffer.from([23, 0xfe, 0xfd, 0, 1, 0, 0, 0, 0, 0, 1, 0, 1, 0]));
  await rejects('no-handshake');
  assert.deepEqual(await proxy.sessions('l'), []);
  const client = await connectDtls(t, port, LOCAL);
  assert.equal(await ask(client, 'hello'), 'hello');
  client.socket.send('junk', port, HOST);
  // It looks like a record, and is too short for one that is encrypted.
  client.socket.send(Buffer.from([23, 0xfe, 0xfd, 0, 1, 0, 0, 0, 0, 0, 99, 0, 1, 0]), port, HOST);
  assert.equal(await ask(client, 'again'), 'again');
  const { source } = await proxy.session('l');
  assert.deepEqual(source.drops, { invalid: 2 });
  assert.deepEqual(source.messages, { in: 2, out: 2 });
});

test('a message that does not fit a datagram is dropped and counted; the largest that fits passes', async (t) => {
  const server = await serveDatagram(t, { reply: (data) => Buffer.alloc(Number(data)) });
  const to = { spec: { protocol: 'UDP', port: server.port }, endpoints: [{ spec: { address: HOST } }] };
  const { proxy, port } = await listen(t, { destination: to });
  const client = await connectDtls(t, port, LOCAL);
  const largest = client.connection.maxMessage();
  for (const size of [largest, largest + 1, 0, 1]) client.send(`${size}`);
  await until(() => client.messages.length === 2, 'what fits');
  assert.deepEqual(
    client.messages.map(({ length }) => length),
    [largest, 1],
  );
  assert.deepEqual((await proxy.session('l')).source.drops, { 'too-large': 1, invalid: 1 });
});

test('no datagram is larger than the MTU', async (t) => {
  const { ports } = await startProxy(t, ['l'], ({ l }) => ({
    listeners: [listener('l', { protocol: 'UDP', port: l, address: HOST, tls: { ...own, mtu: 300 } }, ECHO)],
  }));
  const sizes: number[] = [];
  const client = await connectDtls(t, ports.l, LOCAL);
  client.socket.on('message', ({ length }) => sizes.push(length));
  client.send(Buffer.alloc(client.connection.maxMessage()));
  client.send(Buffer.alloc(300 - (1200 - client.connection.maxMessage())));
  await until(() => sizes.length > 0, 'the echo of what fits');
  assert.deepEqual(sizes, [300]);
});

// -------------------------------------------------------------------- the end

test('close_notify ends a session, and a session that ends says it', async (t) => {
  const { proxy, port } = await listen(t);
  const [first, second] = [await connectDtls(t, port, LOCAL), await connectDtls(t, port, LOCAL)];
  for (const client of [first, second]) assert.equal(await ask(client, 'hello'), 'hello');
  first.end();
  await until(async () => (await proxy.sessions('l')).length === 1, 'the session is over');
  await until(() => first.ended, 'the answer to close_notify');
  const { name } = await proxy.session('l');
  await proxy.ok('DELETE', `sessions/${encodeURIComponent(name)}`);
  await until(() => second.ended, 'close_notify');
});

test('an endpoint that says close_notify ends the session', async (t) => {
  const server = await serveDtls(t, own);
  const spec = { protocol: 'UDP', port: server.port, tls: { ca: authority.text } };
  const { proxy, ports } = await startProxy(t, ['l'], ({ l }) => ({
    listeners: [
      listener(
        'l',
        { protocol: 'UDP', port: l, address: HOST },
        {
          destination: {
            name: 'c',
            spec,
            endpoints: [{ spec: { address: HOST } }],
            options: { half_close_timeout: 100 },
          },
        },
      ),
    ],
  }));
  assert.equal(await ask(await connectDatagram(t, ports.l), 'hello'), 'hello');
  server.peers[0]?.end();
  await proxy.noSession('l');
});

// -------------------------------------------------------------------- who comes back, and who only seems to

/** The first words of a client, by which it is known; and those with a cookie. */
function beginning(t: TestContext): { connection: DtlsConnection; hello: Buffer } {
  const context = new SslContext({ role: 'client', verify: 'none' });
  const connection = new DtlsConnection(context, 1200);
  context.free();
  t.after(() => connection.free());
  connection.shake();
  const [hello] = connection.take();
  return { connection, hello: Buffer.from(hello as Uint8Array) };
}

/** Sends, again and again, until something comes. */
async function exchange(socket: dgram.Socket, port: number, datagram: Uint8Array): Promise<Buffer> {
  const send = (): void => socket.send(datagram, port, HOST);
  const timer = setInterval(send, 1000);
  send();
  const [answer] = (await once(socket, 'message')) as [Buffer];
  clearInterval(timer);
  return answer;
}

/** The cookie of a HelloVerifyRequest: behind the heads of record and message, the version and its length. */
const cookieIn = (datagram: Buffer): Buffer => datagram.subarray(28);

/** A ClientHello with a cookie, as its client sends it when it has one. */
function withCookie(hello: Buffer, cookie: Uint8Array): Buffer {
  const at = 13 + 12 + 2 + 32 + 1 + (hello[13 + 12 + 2 + 32] as number);
  const copy = Buffer.concat([hello.subarray(0, at), Buffer.of(cookie.length), cookie, hello.subarray(at + 1)]);
  const body = copy.length - 13 - 12;
  copy.writeUInt16BE(body + 12, 11);
  copy.writeUIntBE(body, 14, 3);
  copy.writeUInt16BE(1, 17);
  copy.writeUIntBE(body, 22, 3);
  copy[10] = 1;
  return copy;
}

test('a ClientHello without a cookie, or with a bad one, leaves nothing behind, however often it comes', async (t) => {
  const { proxy, port } = await listen(t, ECHO, { options: { max_sessions: 1 } });
  const { hello } = beginning(t);
  const peer = await connectDatagram(t, port);
  const bad = withCookie(hello, Buffer.alloc(32));
  for (let n = 0; n < 500; n++) for (const datagram of [hello, bad]) peer.send(datagram);
  await until(() => peer.messages.length > 0, 'an answer');
  for (const answer of peer.messages) assert.ok(answer.length < hello.length, 'it is smaller than the question');
  assert.deepEqual(await proxy.sessions('l'), []);
  // The cookie of another address is none.
  const cookie = cookieIn(peer.messages[0] as Buffer);
  const other = await connectDatagram(t, port);
  const again = await exchange(other.socket, port, withCookie(hello, cookie));
  assert.equal(cookieIn(again).length, cookie.length);
  assert.ok(!cookieIn(again).equals(cookie));
  const client = await connectDtls(t, port, LOCAL);
  assert.equal(await ask(client, 'hello'), 'hello');
});

for (const { name: io, admin, skip } of engines()) {
  test(`a client that begins anew takes the place of the old one when its handshake is over, with ${io} I/O`, {
    skip,
  }, async (t) => {
    const { proxy, port } = await listen(t, ECHO, {}, admin);
    const old = await connectDtls(t, port, LOCAL);
    assert.equal(await ask(old, 'hello'), 'hello');
    const before = await proxy.session('l');
    // From the same socket, as whoever forges its address.
    const { connection, hello } = beginning(t);
    connection.shake(await exchange(old.socket, port, hello));
    const [second] = connection.take();
    const greeting = Buffer.from(second as Uint8Array);
    assert.ok(helloIn(greeting)?.cookie.length);
    const flight = await exchange(old.socket, port, greeting);
    assert.equal(await ask(old, 'still the old one'), 'still the old one');
    assert.equal((await proxy.session('l')).name, before.name);
    connection.shake(flight);
    for (const datagram of connection.take()) old.socket.send(datagram, port, HOST);
    await until(async () => {
      const [session] = await proxy.sessions('l');
      return session && session.name !== before.name;
    }, 'another session');
    assert.equal((await proxy.sessions('l')).length, 1);
  });
}

test('a ClientHello that is sent again, by whomever, does nothing to the session that it began', async (t) => {
  const { proxy, port } = await listen(t);
  const sent: Buffer[] = [];
  const relay = await recordingRelay(t, port, sent);
  const client = await connectDtls(t, relay.port, LOCAL);
  assert.equal(await ask(client, 'hello'), 'hello');
  const { name } = await proxy.session('l');
  const hellos = sent.filter((datagram) => helloIn(datagram));
  assert.equal(hellos.length, 2);
  for (let n = 0; n < 100; n++) for (const hello of hellos) relay.send(hello);
  assert.equal(await ask(client, 'again'), 'again');
  assert.equal((await proxy.session('l')).name, name);
});

/** Keeps what clients send, and sends it again from where it came. */
async function recordingRelay(
  t: TestContext,
  to: number,
  sent: Buffer[],
): Promise<{ port: number; send(datagram: Buffer): void }> {
  const [near, far] = [dgram.createSocket('udp4'), dgram.createSocket('udp4')];
  t.after(() => {
    near.close();
    far.close();
  });
  near.bind(await freePort(), HOST);
  far.bind(0, HOST);
  await Promise.all([once(near, 'listening'), once(far, 'listening')]);
  let client = 0;
  near.on('message', (datagram, { port }) => {
    client = port;
    sent.push(datagram);
    far.send(datagram, to, HOST);
  });
  far.on('message', (datagram) => near.send(datagram, client, HOST));
  return { port: near.address().port, send: (datagram) => far.send(datagram, to, HOST) };
}

test('5,000 handshakes that are begun and left do not hold up others', async (t) => {
  const { proxy, port, rejects } = await listen(t);
  const live = await connectDtls(t, port, LOCAL);
  assert.equal(await ask(live, 'hello'), 'hello');
  const { hello: pattern } = beginning(t);
  let begun = 0;
  const half = async (): Promise<void> => {
    // A port may be one that an earlier client has had.
    const hello = Buffer.from(pattern);
    randomFillSync(hello, 13 + 12 + 2, 32);
    const socket = dgram.createSocket('udp4');
    socket.bind(0, HOST);
    await once(socket, 'listening');
    try {
      const cookie = cookieIn(await exchange(socket, port, hello));
      await exchange(socket, port, withCookie(hello, cookie));
      begun++;
    } finally {
      socket.close();
    }
  };
  for (let n = 0; n < 5000; n += 50) await Promise.all(Array.from({ length: 50 }, half));
  assert.equal(begun, 5000);
  const fresh = await connectDtls(t, port, LOCAL);
  assert.equal(await ask(fresh, 'hello'), 'hello');
  assert.equal(await ask(live, 'again'), 'again');
  assert.equal((await proxy.sessions('l')).length, 2);
  // Which of them comes first depends on the machine.
  await rejects('(?:too-many-handshakes|handshake-timeout)');
});

// -------------------------------------------------------------------- workers

test('two workers share the clients of a DTLS listener, and each stays with its own', async (t) => {
  const { proxy, port } = await listen(t, ECHO, {}, { threads: 2 });
  const clients = [];
  for (let n = 0; n < 16; n++) clients.push(await connectDtls(t, port, LOCAL));
  for (let round = 0; round < 3; round++) {
    for (const [n, client] of clients.entries()) assert.equal(await ask(client, `${round} ${n}`), `${round} ${n}`);
  }
  const sessions = await proxy.sessions('l');
  assert.equal(sessions.length, clients.length);
  assert.deepEqual([...new Set(sessions.map(({ worker }) => worker))].sort(), [0, 1]);
  for (const client of clients) client.end();
  await proxy.noSession('l');
});

test('an endpoint answers a JSONSocket over DTLS', async (t) => {
  const { ports } = await startProxy(t, ['near', 'far'], ({ near, far }) => ({
    listeners: [
      listener(
        'near',
        { protocol: 'UDP', port: near, address: HOST },
        {
          destination: {
            spec: {
              protocol: 'JSONSocket',
              header: [{ path: { from: '/UDP/src_port', to: '/port' } }],
              transport: { protocol: 'UDP', port: far, tls: { ca: authority.text } },
            },
            endpoints: [{ spec: { address: HOST } }],
          },
        },
      ),
      listener(
        'far',
        { protocol: 'JSONSocket', transport: { protocol: 'UDP', port: far, address: HOST, tls: own } },
        ECHO,
      ),
    ],
  }));
  const client = await connectDatagram(t, ports.near);
  client.send('hello');
  assert.equal(await next(client), 'hello');
});
