/** The PROXY protocol in front of each datagram. */
import assert from 'node:assert/strict';
import { describe, type TestContext, test } from 'node:test';
import { engines } from '../../src/io/testing.ts';
import { ipv4, NONE, tlv, version2 } from '../../src/layers/proxy-protocol/testing.ts';
import { until } from '../../src/testing/until.ts';
import { Authority, texts } from '../support/certificates.ts';
import { refused } from '../support/config.ts';
import { metricsAt, rejectsOf } from '../support/metrics.ts';
import { ask, connectDatagram, next, type Peer, serveDatagram } from '../support/peers.ts';
import { listener, startProxy } from '../support/proxy.ts';

const ECHO = { destination: { spec: { protocol: 'Echo' } } };

const announced = (port: number, fields: object = {}) => ({
  protocol: 'UDP',
  port,
  address: '127.0.0.1',
  proxy_protocol: true,
  ...fields,
});

/** A datagram of a client's, as a proxy sends it on. */
const from = (source: string, port: number, text: string, tlvs: Buffer = NONE): Buffer =>
  Buffer.concat([version2({ family: 0x12, addresses: ipv4(source, port), tlvs }), Buffer.from(text)]);

for (const { name, admin, skip } of engines()) {
  const start = (t: TestContext, spec: (port: number) => object, route: object = ECHO, more: object = {}) =>
    startProxy(t, ['l', 'metrics'], ({ l, metrics }) => ({
      admin,
      listeners: [listener('l', spec(l), route, more), metricsAt(metrics)],
    }));

  const reject = (port: number, reason: string) =>
    until(async () => (await rejectsOf(port, 'l'))[reason], `something rejected for ${reason}`);

  describe(`a UDP listener with the PROXY protocol, with ${name} I/O,`, { skip }, () => {
    test('has a session for each client announced, also behind one socket, and answers without a header', async (t) => {
      const { proxy, ports } = await start(t, announced);
      const socket = await connectDatagram(t, ports.l);
      assert.equal(await ask(socket, from('192.0.2.1', 1000, 'one')), 'one');
      assert.equal(await ask(socket, from('192.0.2.1', 1001, 'two')), 'two');
      assert.equal(await ask(socket, from('192.0.2.3', 1000, 'three')), 'three');
      assert.equal(await ask(socket, from('192.0.2.1', 1000, 'again', tlv(0x05, 'id'))), 'again');
      assert.equal(await ask(socket, from('192.0.2.1', 1000, '', tlv(0x05, 'id'))), '');
      const sessions = await proxy.sessions('l');
      assert.deepEqual(sessions.map(({ name }) => name.replace(/-\d+$/, '')).sort(), [
        'UDP:192.0.2.1:1000-192.0.2.2:80',
        'UDP:192.0.2.1:1001-192.0.2.2:80',
        'UDP:192.0.2.3:1000-192.0.2.2:80',
      ]);
      const [session] = sessions;
      assert.deepEqual(session.source.messages, { in: 3, out: 3 });
      assert.deepEqual(session.metadata, {
        IP: { src_addr: '192.0.2.1', dst_addr: '192.0.2.2' },
        UDP: { src_port: 1000, dst_port: 80 },
        PROXY: { version: 2, src_addr: '192.0.2.1', dst_addr: '192.0.2.2' },
      });
    });

    test('goes on with the others behind a socket when the session of one ends, and begins that anew', async (t) => {
      const { proxy, ports } = await start(t, announced);
      const socket = await connectDatagram(t, ports.l);
      for (const port of [1, 2]) await ask(socket, from('192.0.2.1', port, 'x') as never);
      for (const session of await proxy.sessions('l')) {
        await proxy.ok('DELETE', `sessions/${encodeURIComponent(session.name)}`);
        for (const port of [1, 2]) {
          assert.equal(await ask(socket, from('192.0.2.1', port, `${port}`)), `${port}`);
        }
        assert.equal((await proxy.sessions('l')).filter(({ status }) => status === 'CONNECTED').length, 2);
      }
    });

    test('answers each of several sockets of a proxy’s, though the client is the same', async (t) => {
      const { ports } = await start(t, announced);
      const sockets = [await connectDatagram(t, ports.l), await connectDatagram(t, ports.l)];
      for (const [n, socket] of sockets.entries()) {
        assert.equal(await ask(socket, from('192.0.2.1', 1, `${n}`)), `${n}`);
      }
    });

    test('takes a datagram of the proxy’s own for what it is', async (t) => {
      const { proxy, ports } = await start(t, announced);
      const socket = await connectDatagram(t, ports.l);
      const local = version2({ command: 0x20, family: 0, addresses: NONE });
      assert.equal(await ask(socket, Buffer.concat([local, Buffer.from('probe')])), 'probe');
      const { name: session } = await proxy.session('l');
      assert.match(session, new RegExp(`^UDP:127.0.0.1:${socket.port}-127.0.0.1:${ports.l}-`));
    });

    test('drops and counts what has no header, of a new socket and of one that it knows', async (t) => {
      const { proxy, ports } = await start(t, announced);
      const stranger = await connectDatagram(t, ports.l);
      const known = await connectDatagram(t, ports.l);
      await ask(known, from('192.0.2.1', 1, 'x') as never);
      const hostile = [
        'no header',
        'PROXY TCP4 192.0.2.1 192.0.2.2 1 2\r\nx',
        version2().subarray(0, 27),
        version2({ length: 5000 }),
        version2({ family: 0x99 }),
      ];
      for (const datagram of hostile) for (const socket of [stranger, known]) socket.send(datagram);
      await until(async () => {
        const rejects = await rejectsOf(ports.metrics, 'l');
        return rejects['bad-datagram'] === hostile.length && rejects['broken-handshake'] === hostile.length;
      }, 'all of them, counted');
      assert.equal(await ask(known, from('192.0.2.1', 1, 'y')), 'y');
      assert.equal((await proxy.sessions('l')).length, 1);
      assert.deepEqual(stranger.messages, []);
    });

    test('believes only those that it is told to', async (t) => {
      const { proxy, ports } = await start(t, (port) => announced(port, { proxy_protocol_from: ['10.0.0.0/8'] }));
      const socket = await connectDatagram(t, ports.l);
      const datagram = from('192.0.2.1', 1, 'x');
      assert.equal(await ask(socket, datagram), datagram.toString());
      assert.match((await proxy.session('l')).name, /^UDP:127\.0\.0\.1:/);
    });

    test('counts the sessions of a source for the client that is announced', async (t) => {
      const { ports } = await start(t, announced, ECHO, { options: { max_sessions_per_source: 1 } });
      const socket = await connectDatagram(t, ports.l);
      assert.equal(await ask(socket, from('192.0.2.1', 1, 'one')), 'one');
      socket.send(from('192.0.2.1', 2, 'too many'));
      await reject(ports.metrics, 'max-sessions-per-source');
      assert.equal(await ask(socket, from('192.0.2.3', 2, 'other')), 'other');
      assert.deepEqual(socket.messages, []);
    });

    test('answers nothing by itself to what may be a service, whoever is announced', async (t) => {
      const { ports } = await start(t, announced);
      const socket = await connectDatagram(t, ports.l, { port: 777 });
      socket.send(from('192.0.2.1', 5000, 'x'));
      await reject(ports.metrics, 'reflection');
      assert.deepEqual(socket.messages, []);
    });

    test('that goes away takes no new client, and answers those that there are', async (t) => {
      const server = await serveDatagram(t);
      const destination = {
        spec: { protocol: 'UDP', port: server.port },
        endpoints: [{ spec: { address: '127.0.0.1' } }],
      };
      const { proxy, ports } = await start(t, announced, { destination });
      const socket = await connectDatagram(t, ports.l);
      assert.equal(await ask(socket, from('192.0.2.1', 1, 'x')), 'x');
      await proxy.ok('DELETE', 'listeners/l');
      socket.send(from('192.0.2.1', 2, 'new'));
      assert.equal(await ask(socket, from('192.0.2.1', 1, 'y')), 'y');
      assert.equal(server.peers.length, 1);
    });

    test('carries JSONSocket, whose header comes behind the first one', async (t) => {
      const { proxy, ports } = await start(t, (port) => ({ protocol: 'JSONSocket', transport: announced(port) }));
      const socket = await connectDatagram(t, ports.l);
      assert.match(await ask(socket, from('192.0.2.1', 5000, '{"JSONSocketVersion":1}')), /"JSONSocketStatus":200/);
      assert.equal(await ask(socket, from('192.0.2.1', 5000, 'data')), 'data');
      assert.equal((await proxy.session('l')).metadata.IP.src_addr, '192.0.2.1');
    });

    test('has no version 1, and its fields are checked', async (t) => {
      const { proxy } = await start(t, announced);
      const cluster = { name: 'x', spec: { protocol: 'UDP', port: 1, proxy_protocol: 'v1' } };
      assert.match(await refused(proxy, 422, 'POST', 'clusters', { cluster }), /\/spec\/proxy_protocol/);
      const other = { listener: listener('x', announced(1, { proxy_protocol_from: ['x'] }), ECHO) };
      assert.match(await refused(proxy, 422, 'POST', 'listeners', other), /\/spec\/proxy_protocol_from\/0/);
    });
  });

  describe(`a UDP cluster with the PROXY protocol, with ${name} I/O,`, { skip }, () => {
    const udp = (port: number) => ({ protocol: 'UDP', port, address: '127.0.0.1' });
    const to = (port: number) => ({
      destination: {
        spec: { protocol: 'UDP', port, proxy_protocol: 'v2' },
        endpoints: [{ spec: { address: '127.0.0.1' } }],
      },
    });

    test('says with each datagram for whom it is, and takes answers as they are', async (t) => {
      const server = await serveDatagram(t, { reply: () => 'answer' });
      const { ports } = await start(t, udp, to(server.port));
      const client = await connectDatagram(t, ports.l);
      const addresses = ipv4('127.0.0.1', client.port, '127.0.0.1', ports.l);
      const header = version2({ family: 0x12, addresses });
      for (const text of ['one', '', 'three']) {
        assert.equal(await ask(client, text), 'answer');
        assert.equal(await next(server.peers[0] as Peer), Buffer.concat([header, Buffer.from(text)]).toString());
      }
    });

    test('drops a datagram that the header leaves no room for, and counts it', async (t) => {
      const server = await serveDatagram(t, { reply: () => undefined });
      const { proxy, ports } = await start(t, udp, to(server.port));
      const client = await connectDatagram(t, ports.l);
      client.send(Buffer.alloc(65_507 - 28, 'a'));
      await until(() => server.peers[0]?.messages.length === 1, 'the largest one');
      client.send(Buffer.alloc(65_507 - 27, 'b'));
      await until(async () => (await proxy.session('l')).destination.drops['too-large'] === 1, 'a drop');
    });

    test('stands below DTLS, whose handshakes are those of the clients that are announced', async (t) => {
      const authority = await Authority.make((end) => t.after(end));
      const certificate = texts(await authority.issue());
      const inner = await start(t, (port) => announced(port, { tls: certificate }));
      const destination = {
        spec: {
          protocol: 'UDP',
          port: inner.ports.l,
          proxy_protocol: 'v2',
          tls: { ca: authority.text, servername: 'localhost' },
        },
        endpoints: [{ spec: { address: '127.0.0.1' } }],
      };
      const outer = await start(t, announced, { destination });
      const socket = await connectDatagram(t, outer.ports.l);
      assert.equal(await ask(socket, from('192.0.2.1', 1, 'one')), 'one');
      assert.equal(await ask(socket, from('192.0.2.3', 1, 'two')), 'two');
      const told = (await inner.proxy.sessions('l')).map(({ metadata }) => [
        metadata.IP.src_addr,
        metadata.TLS.version,
      ]);
      assert.deepEqual(told.sort(), [
        ['192.0.2.1', 'DTLSv1.2'],
        ['192.0.2.3', 'DTLSv1.2'],
      ]);
    });

    test('hands what it was told on to the next proxy', async (t) => {
      const inner = await start(t, announced);
      const outer = await start(t, announced, to(inner.ports.l));
      const socket = await connectDatagram(t, outer.ports.l);
      assert.equal(await ask(socket, from('192.0.2.1', 1, 'one')), 'one');
      assert.equal(await ask(socket, from('192.0.2.3', 1, 'two')), 'two');
      const sources = (await inner.proxy.sessions('l')).map(({ metadata }) => metadata.IP.src_addr);
      assert.deepEqual(sources.sort(), ['192.0.2.1', '192.0.2.3']);
    });
  });
}
