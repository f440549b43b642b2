/** The PROXY protocol on byte streams: for whom a connection is made. */
import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, describe, type TestContext, test } from 'node:test';
import { engines } from '../../src/io/testing.ts';
import { NONE, tlv, version2 } from '../../src/layers/proxy-protocol/testing.ts';
import { until } from '../../src/testing/until.ts';
import { refused } from '../support/config.ts';
import { Raw } from '../support/http.ts';
import { metricsAt, rejectsOf } from '../support/metrics.ts';
import { ask, bytes, connectStream, next, received, serveStream } from '../support/peers.ts';
import { listener, startProxy, type TestProxy } from '../support/proxy.ts';

const ECHO = { destination: { spec: { protocol: 'Echo' } } };
const LINE = 'PROXY TCP4 192.0.2.1 192.0.2.2 1234 80\r\n';
const NAME = 'TCP:192.0.2.1:1234-192.0.2.2:80';

const folder = mkdtempSync(join(tmpdir(), 'l7mp-proxy-protocol-'));
after(() => rmSync(folder, { recursive: true }));

const announced = (port: number, fields: object = {}) => ({
  protocol: 'TCP',
  port,
  address: '127.0.0.1',
  proxy_protocol: true,
  ...fields,
});

const nameOf = async (proxy: TestProxy) => (await proxy.session('l')).name;

for (const { name, admin, skip } of engines()) {
  const start = (t: TestContext, spec: (port: number) => object, route: object = ECHO, more: object = {}) =>
    startProxy(t, ['l', 'metrics'], ({ l, metrics }) => ({
      admin,
      listeners: [listener('l', spec(l), route, more), metricsAt(metrics)],
    }));

  describe(`a listener with the PROXY protocol, with ${name} I/O,`, { skip }, () => {
    test('takes the addresses of a header for the connection’s own, and what is behind it for data', async (t) => {
      const { proxy, ports } = await start(t, announced);
      const client = await connectStream(t, { port: ports.l });
      client.send(`${LINE}hello`);
      assert.equal(await next(client), 'hello');
      const session = await proxy.session('l');
      assert.equal(session.name, NAME);
      assert.deepEqual(session.metadata, {
        IP: { src_addr: '192.0.2.1', dst_addr: '192.0.2.2' },
        TCP: { src_port: 1234, dst_port: 80 },
        PROXY: { version: 1, src_addr: '192.0.2.1', dst_addr: '192.0.2.2' },
      });
      assert.deepEqual(session.source.bytes, { in: 5, out: 5 });
      client.end();
      await until(() => client.ended, 'the end');
      await proxy.noSession('l');
    });

    test('says what the header says beside them', async (t) => {
      const { proxy, ports } = await start(t, announced);
      const client = await connectStream(t, { port: ports.l });
      client.send(version2({ tlvs: Buffer.concat([tlv(0x02, 'example.org'), tlv(0xe0, 'x')]) }));
      assert.equal(await ask(client, 'hello'), 'hello');
      const { metadata } = await proxy.session('l');
      assert.deepEqual(metadata.PROXY.tlvs, { authority: 'example.org', '0xe0': '78' });
      assert.equal(metadata.PROXY.version, 2);
    });

    test('waits for a header that comes byte by byte', async (t) => {
      const { proxy, ports } = await start(t, announced);
      for (const header of [Buffer.from(LINE), version2()]) {
        const client = await connectStream(t, { port: ports.l });
        client.socket.setNoDelay();
        for (const byte of header) {
          client.send(Buffer.of(byte));
          await new Promise(setImmediate);
        }
        assert.equal(await ask(client, 'hello'), 'hello');
        assert.equal(await nameOf(proxy), NAME);
        client.reset();
        await proxy.noSession('l');
      }
    });

    test('lets the connection’s own addresses stand where the header announces nobody', async (t) => {
      const { proxy, ports } = await start(t, announced);
      for (const header of ['PROXY UNKNOWN\r\n', version2({ command: 0x20, family: 0, addresses: NONE })]) {
        const client = await connectStream(t, { port: ports.l });
        client.send(header);
        assert.equal(await ask(client, 'hello'), 'hello');
        assert.equal(await nameOf(proxy), `TCP:127.0.0.1:${client.port}-127.0.0.1:${ports.l}`);
        client.reset();
        await proxy.noSession('l');
      }
    });

    test('has a session as soon as there is a header, though the client says nothing more', async (t) => {
      const server = await serveStream(t, { onPeer: (peer) => peer.send('welcome') });
      const destination = {
        spec: { protocol: 'TCP', port: server.port },
        endpoints: [{ spec: { address: '127.0.0.1' } }],
      };
      const { ports } = await start(t, announced, { destination });
      const client = await connectStream(t, { port: ports.l });
      client.send(LINE);
      assert.equal(await next(client), 'welcome');
    });

    test('cuts off what is no header, counts it, and serves others', async (t) => {
      const { proxy, ports } = await start(t, announced, ECHO, { options: { handshake_timeout: 300 } });
      const hostile: (string | Buffer)[] = [
        'GET / HTTP/1.1\r\n\r\n',
        randomBytes(64).fill(0xff, 0, 1),
        `PROXY TCP4 ${'1'.repeat(200)}`,
        'PROXY TCP6 192.0.2.1 192.0.2.2 1 2\r\n',
        version2({ length: 65_535 }),
        version2({ family: 0x77 }),
        version2({ tlvs: Buffer.of(1, 0xff, 0xff) }),
      ];
      for (const header of hostile) {
        const client = await connectStream(t, { port: ports.l });
        client.send(header);
        await until(() => client.closed !== undefined || client.ended, 'it is cut off');
        assert.equal(bytes(client).length, 0);
      }
      const half = await connectStream(t, { port: ports.l });
      half.send(LINE.slice(0, 20));
      half.end();
      await until(() => half.closed !== undefined || half.ended, 'it is cut off');
      assert.deepEqual(await rejectsOf(ports.metrics, 'l'), { 'broken-handshake': hostile.length + 1 });
      const slow = await connectStream(t, { port: ports.l });
      slow.send(LINE.slice(0, 20));
      await until(() => slow.closed !== undefined || slow.ended, 'it is cut off');
      assert.equal((await rejectsOf(ports.metrics, 'l'))['handshake-timeout'], 1);
      assert.deepEqual(await proxy.sessions('l'), []);
      const client = await connectStream(t, { port: ports.l });
      client.send(LINE);
      assert.equal(await ask(client, 'hello'), 'hello');
    });

    test('believes only those that it is told to; of others it takes everything for data', async (t) => {
      const { proxy, ports } = await start(t, (port) => announced(port, { proxy_protocol_from: ['10.0.0.0/8'] }));
      const other = await connectStream(t, { port: ports.l });
      assert.equal(await ask(other, LINE), LINE);
      assert.equal(await nameOf(proxy), `TCP:127.0.0.1:${other.port}-127.0.0.1:${ports.l}`);
      const { rules, name: _, ...l } = await proxy.ok('GET', 'listeners/l?recursive=true');
      const spec = { ...l.spec, proxy_protocol_from: ['::1', '127.0.0.0/8'] };
      const { changes } = await proxy.ok('PUT', 'listeners/l?dry_run=true', { listener: { ...l, rules, spec } });
      assert.deepEqual(changes, [
        { kind: 'listener', name: 'l', action: 'update', fields: ['/spec/proxy_protocol_from'] },
      ]);
      await proxy.ok('PUT', 'listeners/l', { listener: { ...l, rules, spec } });
      assert.equal(await ask(other, 'still here'), 'still here');
      const believed = await connectStream(t, { port: ports.l });
      believed.send(LINE);
      assert.equal(await ask(believed, 'hello'), 'hello');
      assert.ok((await proxy.sessions('l')).some((session) => session.name === NAME));
    });

    test('counts the sessions of a source for the address that is announced', async (t) => {
      const { ports } = await start(t, announced, ECHO, { options: { max_sessions_per_source: 1 } });
      const begin = async (source: string) => {
        const client = await connectStream(t, { port: ports.l });
        client.send(`PROXY TCP4 ${source} 192.0.2.2 1 2\r\nhello`);
        await until(
          () => client.messages.length > 0 || client.ended || client.closed !== undefined,
          'an answer, or none',
        );
        return bytes(client).toString();
      };
      assert.equal(await begin('192.0.2.1'), 'hello');
      assert.equal(await begin('192.0.2.1'), '');
      assert.equal(await begin('192.0.2.3'), 'hello');
      assert.deepEqual(await rejectsOf(ports.metrics, 'l'), { 'max-sessions-per-source': 1 });
    });

    test('on a UNIX socket gives its peers addresses', async (t) => {
      const filename = join(folder, name);
      const spec = () => ({ protocol: 'UnixDomainSocket', filename, proxy_protocol: true });
      const { proxy } = await start(t, spec);
      const client = await connectStream(t, { path: filename });
      client.send(LINE);
      assert.equal(await ask(client, 'hello'), 'hello');
      const session = await proxy.session('l');
      assert.match(session.name, /^UNIX:l-\d+$/);
      const { UNIX: unix, ...others } = session.metadata;
      assert.equal(unix.filename, filename);
      assert.deepEqual(others, {
        IP: { src_addr: '192.0.2.1', dst_addr: '192.0.2.2' },
        TCP: { src_port: 1234, dst_port: 80 },
        PROXY: { version: 1, src_addr: '192.0.2.1', dst_addr: '192.0.2.2' },
      });
    });

    test('stands below HTTP, all of whose requests are those of the one announced', async (t) => {
      const rules = [
        {
          match: { op: 'starts', path: '/IP/src_addr', value: '192.0.2.' },
          action: { route: ECHO },
        },
      ];
      const spec = (port: number) => ({ ...announced(port), protocol: 'HTTP' });
      const { proxy, ports } = await start(t, spec, ECHO, { rules });
      const client = new Raw(t, ports.l);
      for (const n of [1, 2]) {
        client.send(`${n === 1 ? LINE : ''}POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\nhello`);
        const answered = new RegExp(`(200 OK[\\s\\S]*hello[\\s\\S]*){${n}}`);
        assert.match(await client.until(answered), answered);
      }
      const held = new Raw(t, ports.l).send(`${LINE}POST /held HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\nhe`);
      const session = await proxy.session('l');
      assert.match(session.name, /^HTTP:192\.0\.2\.1:1234-192\.0\.2\.2:80-\d+$/);
      assert.deepEqual(session.metadata.PROXY, { version: 1, src_addr: '192.0.2.1', dst_addr: '192.0.2.2' });
      held.socket.destroy();
      const other = new Raw(t, ports.l).send(
        'PROXY TCP4 198.51.100.1 192.0.2.2 1 2\r\nGET / HTTP/1.1\r\nHost: x\r\n\r\n',
      );
      assert.match(await other.until(/\r\n\r\n/), /^HTTP\/1\.1 404 /);
    });

    test('stands below WebSocket, and below JSONSocket in its transport', async (t) => {
      const ws = await start(t, (port) => ({ ...announced(port), protocol: 'WebSocket' }));
      const client = new Raw(t, ws.ports.l);
      const upgrade =
        'GET / HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n';
      client.send(`${LINE}${upgrade}Sec-WebSocket-Key: ${randomBytes(16).toString('base64')}\r\n\r\n`);
      await client.until(/^HTTP\/1\.1 101 [\s\S]*\r\n\r\n/);
      assert.match(await nameOf(ws.proxy), /^WS:192\.0\.2\.1:1234-192\.0\.2\.2:80-\d+$/);
      const js = await start(t, (port) => ({ protocol: 'JSONSocket', transport: announced(port) }));
      const greeted = await connectStream(t, { port: js.ports.l });
      greeted.send(`${LINE}{"JSONSocketVersion":1}\nhello`);
      await until(() => bytes(greeted).includes('hello'), 'the echo');
      assert.equal((await js.proxy.session('l')).metadata.IP.src_addr, '192.0.2.1');
    });

    test('is refused where it means nothing, with the field', async (t) => {
      const { proxy } = await start(t, announced);
      const wrong: [object, RegExp][] = [
        [{ proxy_protocol: false }, /\/spec\/proxy_protocol/],
        [{ proxy_protocol: 'v1' }, /\/spec\/proxy_protocol/],
        [
          { proxy_protocol: undefined, proxy_protocol_from: [] },
          /\/spec\/proxy_protocol_from: means nothing without proxy_protocol/,
        ],
        [
          { proxy_protocol_from: ['10.0.0.0/33'] },
          /\/spec\/proxy_protocol_from\/0: "10\.0\.0\.0\/33" is not an integer from 0 to 32/,
        ],
        [
          { proxy_protocol_from: ['::1', 'host'] },
          /\/spec\/proxy_protocol_from\/1: "host" is not an IP address or a CIDR/,
        ],
        [{ protocol: 'HTTP', proxy_protocol_from: ['x'] }, /\/spec\/proxy_protocol_from\/0/],
        [
          { protocol: 'HTTP', port: undefined, address: undefined, transport: { protocol: 'TCP', port: 1 } },
          /\/spec\/proxy_protocol: has no place beside transport/,
        ],
      ];
      for (const [fields, message] of wrong) {
        const body = { listener: listener('x', { ...announced(1), ...fields }, ECHO) };
        assert.match(await refused(proxy, 422, 'POST', 'listeners', body), message);
      }
    });
  });

  describe(`a cluster with the PROXY protocol, with ${name} I/O,`, { skip }, () => {
    const to = (port: number, version: string) => ({
      destination: {
        spec: { protocol: 'TCP', port, proxy_protocol: version },
        endpoints: [{ spec: { address: '127.0.0.1' } }],
      },
    });
    const tcp = (port: number) => ({ protocol: 'TCP', port, address: '127.0.0.1' });

    test('says for whom it connects before anything else, once', async (t) => {
      const server = await serveStream(t, { reply: () => undefined });
      const { ports } = await start(t, tcp, to(server.port, 'v1'));
      const client = await connectStream(t, { port: ports.l });
      const header = `PROXY TCP4 127.0.0.1 127.0.0.1 ${client.port} ${ports.l}\r\n`;
      await until(() => server.peers.length > 0, 'the connection');
      const [peer] = server.peers;
      assert.ok(peer);
      assert.equal((await received(peer, header.length)).toString(), header);
      client.send('hello');
      client.end();
      assert.equal((await received(peer, header.length + 5)).toString(), `${header}hello`);
      await until(() => peer.ended, 'the end');
    });

    test('says what the metadata say, which rules may have rewritten', async (t) => {
      const server = await serveStream(t, { reply: () => undefined });
      const rules = [
        {
          action: {
            rewrite: [
              { path: '/IP/src_addr', value: '2001:db8::1' },
              { path: '/TCP/src_port', value: 7 },
            ],
            route: to(server.port, 'v1'),
          },
        },
      ];
      const { ports } = await start(t, tcp, ECHO, { rules });
      await connectStream(t, { port: ports.l });
      await until(() => server.peers[0]?.messages.length, 'the header');
      assert.equal(
        bytes(server.peers[0] as never).toString(),
        `PROXY TCP6 2001:db8::1 ::ffff:127.0.0.1 7 ${ports.l}\r\n`,
      );
    });

    test('says that it knows nothing of a session from a UNIX socket', async (t) => {
      for (const [version, header] of [
        ['v1', Buffer.from('PROXY UNKNOWN\r\n')],
        ['v2', version2({ command: 0x20, family: 0, addresses: NONE })],
      ] as const) {
        const server = await serveStream(t, { reply: () => undefined });
        const filename = join(folder, `${name}-${version}`);
        await start(t, () => ({ protocol: 'UnixDomainSocket', filename }), to(server.port, version));
        const client = await connectStream(t, { path: filename });
        client.send('hello');
        await until(() => server.peers[0], 'the connection');
        const expected = Buffer.concat([header, Buffer.from('hello')]);
        assert.deepEqual(await received(server.peers[0] as never, expected.length), expected);
      }
    });

    test('hands what it was told on to the next proxy', async (t) => {
      for (const version of ['v1', 'v2']) {
        const inner = await start(t, announced);
        const outer = await start(t, announced, to(inner.ports.l, version));
        const client = await connectStream(t, { port: outer.ports.l });
        client.send(LINE);
        assert.equal(await ask(client, 'hello'), 'hello');
        assert.equal(await nameOf(inner.proxy), NAME);
      }
    });

    test('of HTTP says it for each session: connections that are kept are not handed on to other clients', async (t) => {
      const inner = await start(t, (port) => ({ ...announced(port), protocol: 'HTTP' }), ECHO, {
        options: { track: 60 },
      });
      const destination = {
        spec: { protocol: 'HTTP', port: inner.ports.l, proxy_protocol: 'v2' },
        endpoints: [{ spec: { address: '127.0.0.1' } }],
      };
      const outer = await start(t, (port) => ({ ...tcp(port), protocol: 'HTTP' }), { destination });
      const clients = [new Raw(t, outer.ports.l), new Raw(t, outer.ports.l)];
      const asked = [];
      for (const n of [1, 2]) {
        for (const client of clients) {
          client.send('GET / HTTP/1.1\r\nHost: x\r\n\r\n');
          const answered = new RegExp(`(HTTP/1.1 200 OK[\\s\\S]*){${n}}`);
          assert.match(await client.until(answered), answered);
          asked.push(client.socket.localPort);
        }
      }
      const told = (await inner.proxy.sessions('l')).map(({ metadata }) => metadata.TCP.src_port);
      assert.deepEqual(told.sort(), asked.sort());
    });

    test('of WebSocket says it before the upgrade', async (t) => {
      const inner = await start(t, (port) => ({ ...announced(port), protocol: 'WebSocket' }));
      const destination = {
        spec: { protocol: 'WebSocket', port: inner.ports.l, proxy_protocol: 'v1' },
        endpoints: [{ spec: { address: '127.0.0.1' } }],
      };
      const outer = await start(t, tcp, { destination });
      const client = await connectStream(t, { port: outer.ports.l });
      assert.equal(await ask(client, 'hello'), 'hello');
      assert.equal((await inner.proxy.session('l')).metadata.TCP.src_port, client.port);
    });

    test('has no other versions, and a HTTP cluster’s is that of its transport', async (t) => {
      const { proxy } = await start(t, tcp);
      for (const version of ['v3', true]) {
        const cluster = { name: 'x', spec: { protocol: 'TCP', port: 1, proxy_protocol: version } };
        assert.match(await refused(proxy, 422, 'POST', 'clusters', { cluster }), /\/spec\/proxy_protocol/);
      }
      await proxy.ok('POST', 'clusters', {
        cluster: { name: 'x', spec: { protocol: 'WebSocket', port: 1, proxy_protocol: 'v2' } },
      });
    });
  });
}

describe('a session of which the PROXY protocol has said its word', {
  skip: engines().find(({ name }) => name === 'native')?.skip,
}, () => {
  test('goes from socket to socket, on either side and on both; bytes and ends are what they were', async (t) => {
    const plain = (port: number) => ({ protocol: 'TCP', port, address: '127.0.0.1' });
    for (const [source, version] of [
      [announced, undefined],
      [plain, 'v2'],
      [announced, 'v1'],
    ] as const) {
      const server = await serveStream(t, { reply: () => undefined });
      const destination = {
        spec: { protocol: 'TCP', port: server.port, ...(version && { proxy_protocol: version }) },
        endpoints: [{ spec: { address: '127.0.0.1' } }],
      };
      const { proxy, ports } = await startProxy(t, ['l'], ({ l }) => ({
        admin: { io: 'native' },
        listeners: [listener('l', source(l), { destination })],
      }));
      const client = await connectStream(t, { port: ports.l });
      client.send(`${source === announced ? LINE : ''}first`);
      const onNative = () =>
        until(async () => {
          const [session] = await proxy.sessions('l');
          return session?.pipes.join() === 'native,native' && session;
        }, 'a session from socket to socket');
      await onNative();
      const [peer] = server.peers;
      assert.ok(peer);
      await until(() => bytes(peer).includes('first'), 'what came with the header');
      const header = bytes(peer).indexOf('first');
      assert.equal(header > 0, version !== undefined);
      const sent = randomBytes(1 << 20);
      client.send(sent);
      const all = await received(peer, header + 5 + sent.length);
      assert.deepEqual(all.subarray(header + 5), sent);
      peer.send(sent);
      assert.deepEqual(await received(client, sent.length), sent);
      const { source: from, destination: to } = await onNative();
      // Headers are the layer's, and nobody's data.
      assert.deepEqual(
        [from.bytes, to.bytes],
        [
          { in: sent.length + 5, out: sent.length },
          { in: sent.length, out: sent.length + 5 },
        ],
      );
      client.end();
      await until(() => peer.ended, 'the client’s end');
      peer.end();
      await until(() => client.ended, 'the server’s end');
      await proxy.noSession('l');
    }
  });
});
