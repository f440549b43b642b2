/** Who may reach a listener: `allow` and `deny`, for peers of each kind. */
import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, describe, type TestContext, test } from 'node:test';
import { engines } from '../../src/io/testing.ts';
import { ipv4, version2 } from '../../src/layers/proxy-protocol/testing.ts';
import { until } from '../../src/testing/until.ts';
import { refused } from '../support/config.ts';
import { Raw } from '../support/http.ts';
import { metricsAt, rejectsOf } from '../support/metrics.ts';
import { ask, connectDatagram, connectStream, next } from '../support/peers.ts';
import { listener, startProxy, type TestProxy } from '../support/proxy.ts';

const ECHO = { destination: { spec: { protocol: 'Echo' } } };

const folder = mkdtempSync(join(tmpdir(), 'l7mp-access-'));
after(() => rmSync(folder, { recursive: true }));

const on =
  (protocol: string, fields: object = {}) =>
  (port: number) => ({ protocol, port, address: '127.0.0.1', ...fields });

const UPGRADE =
  'GET / HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n';

/** What begins on a connection, and what is answered where that is taken. */
const STREAMS: Record<string, { spec: (port: number) => object; begins: string; answer: RegExp }> = {
  TCP: { spec: on('TCP'), begins: 'hello', answer: /^hello$/ },
  HTTP: { spec: on('HTTP'), begins: 'GET / HTTP/1.1\r\nHost: x\r\n\r\n', answer: /^HTTP\/1\.1 200 / },
  WebSocket: { spec: on('WebSocket'), begins: UPGRADE, answer: /^HTTP\/1\.1 101 / },
  'JSONSocket on TCP': {
    spec: (port) => ({ protocol: 'JSONSocket', transport: on('TCP')(port) }),
    begins: '{"JSONSocketVersion":1}\n',
    answer: /"JSONSocketStatus":200/,
  },
};

for (const { name, admin, skip } of engines()) {
  const start = (t: TestContext, spec: (port: number) => object, options: object) =>
    startProxy(t, ['l', 'metrics'], ({ l, metrics }) => ({
      admin,
      listeners: [listener('l', spec(l), ECHO, { options }), metricsAt(metrics)],
    }));

  const setOptions = async (proxy: TestProxy, options: object) => {
    const found = await proxy.ok('GET', 'listeners/l?recursive=true');
    await proxy.ok('PUT', 'listeners/l', { listener: { spec: found.spec, rules: found.rules, options } });
  };

  const denied = (port: number, count = 1) =>
    until(async () => (await rejectsOf(port, 'l')).denied === count, `${count} denied`);

  describe(`who may reach a listener, with ${name} I/O,`, { skip }, () => {
    for (const [protocol, { spec, begins, answer }] of Object.entries(STREAMS)) {
      test(`${protocol}: nobody is heard whom the lists do not let in; a change of them holds at once`, async (t) => {
        const { proxy, ports } = await start(t, spec, { deny: ['127.0.0.0/8'] });
        const client = new Raw(t, ports.l).send(begins);
        assert.equal(await client.untilEnd(), '');
        assert.deepEqual(await proxy.sessions('l'), []);
        assert.deepEqual(await rejectsOf(ports.metrics, 'l'), { denied: 1 });
        await setOptions(proxy, { allow: ['127.0.0.0/8'] });
        const welcome = new Raw(t, ports.l).send(begins);
        assert.match(await welcome.until(answer), answer);
        await setOptions(proxy, { allow: ['10.0.0.0/8'] });
        assert.equal(await new Raw(t, ports.l).send(begins).untilEnd(), '');
        await denied(ports.metrics, 2);
      });
    }

    test('an address of IPv6 is itself, also below and behind a handshake', async (t) => {
      const specs: ((port: number) => object)[] = [
        (port) => ({ protocol: 'JSONSocket', transport: { protocol: 'TCP', port, address: '::1' } }),
        (port) => ({
          protocol: 'TCP',
          port,
          address: '::1',
          proxy_protocol: true,
          proxy_protocol_from: ['10.0.0.0/8'],
        }),
      ];
      for (const spec of specs) {
        const begins = STREAMS['JSONSocket on TCP']?.begins as string;
        const { proxy, ports } = await start(t, spec, { allow: ['::1'] });
        const client = await connectStream(t, { port: ports.l, host: '::1' });
        client.send(begins);
        await until(() => client.messages.length > 0, 'an answer');
        await setOptions(proxy, { deny: ['::1'] });
        const other = await connectStream(t, { port: ports.l, host: '::1' });
        other.send(begins);
        await until(() => other.ended || other.closed !== undefined, 'the end');
        assert.deepEqual(other.messages, []);
        await denied(ports.metrics);
      }
    });

    test('a session that is there stays when its peer is denied later', async (t) => {
      const { proxy, ports } = await start(t, on('TCP'), {});
      const client = await connectStream(t, { port: ports.l });
      assert.equal(await ask(client, 'one'), 'one');
      await setOptions(proxy, { deny: ['127.0.0.1'] });
      assert.equal(await ask(client, 'two'), 'two');
    });

    test('HTTP: a connection whose client is denied later has its next request answered with 403', async (t) => {
      const { proxy, ports } = await start(t, on('HTTP'), {});
      const asks = 'GET / HTTP/1.1\r\nHost: x\r\n\r\n';
      const client = new Raw(t, ports.l).send(asks);
      assert.match(await client.until(/0\r\n\r\n$/), /^HTTP\/1\.1 200 /);
      await setOptions(proxy, { deny: ['127.0.0.1'] });
      client.text = '';
      assert.match(await client.send(asks).until(/}$/), /^HTTP\/1\.1 403 [\s\S]*nobody is served from there/);
      await denied(ports.metrics);
    });

    test('UDP: what the denied send is dropped and counted', async (t) => {
      const { proxy, ports } = await start(t, on('UDP'), { allow: ['127.0.0.0/8'], deny: ['127.0.0.1'] });
      const client = await connectDatagram(t, ports.l);
      client.send('nothing');
      await denied(ports.metrics);
      await setOptions(proxy, { allow: ['127.0.0.0/8'] });
      assert.equal(await ask(client, 'hello'), 'hello');
    });

    test('the address that the PROXY protocol announces counts, and not that of the proxy', async (t) => {
      const spec = (protocol: string) => on(protocol, { proxy_protocol: true });
      const options = { allow: ['192.0.2.0/24'], deny: ['192.0.2.66'] };
      for (const [protocol, begins, answer] of [
        ['TCP', 'hello', /^hello$/],
        ['HTTP', STREAMS.HTTP?.begins as string, /^HTTP\/1\.1 200 /],
      ] as const) {
        const { ports } = await start(t, spec(protocol), options);
        const from = (source: string) => new Raw(t, ports.l).send(`PROXY TCP4 ${source} 192.0.2.2 1 2\r\n${begins}`);
        assert.match(await from('192.0.2.1').until(answer), answer);
        for (const source of ['192.0.2.66', '198.51.100.1']) assert.equal(await from(source).untilEnd(), '');
        assert.equal(await new Raw(t, ports.l).send(`PROXY UNKNOWN\r\n${begins}`).untilEnd(), '');
        await denied(ports.metrics, 3);
      }
      const { ports } = await start(t, spec('UDP'), options);
      const socket = await connectDatagram(t, ports.l);
      const from = (source: string, text: string) =>
        Buffer.concat([version2({ family: 0x12, addresses: ipv4(source, 5000) }), Buffer.from(text)]);
      socket.send(from('192.0.2.66', 'denied'));
      await denied(ports.metrics);
      assert.equal(await ask(socket, from('192.0.2.1', 'hello')), 'hello');
      assert.deepEqual(socket.messages, []);
    });

    test('peers without an address are in no list', async (t) => {
      const unix = (filename: string) => () => ({ protocol: 'UnixDomainSocket', filename });
      const open = join(folder, `${name}-open`);
      await start(t, unix(open), { deny: ['0.0.0.0/0', '::/0'] });
      const client = await connectStream(t, { path: open });
      assert.equal(await ask(client, 'hello'), 'hello');
      const closed = join(folder, `${name}-closed`);
      const { ports } = await start(t, unix(closed), { allow: ['0.0.0.0/0', '::/0'] });
      const other = await connectStream(t, { path: closed });
      other.send('hello');
      assert.match(await next(other), /^<closed: /);
      await denied(ports.metrics);
    });

    test('what is no CIDR is refused, with its place', async (t) => {
      const { proxy } = await start(t, on('TCP'), {});
      for (const [options, message] of [
        [{ allow: ['10.0.0.0/8', 'host'] }, /\/listener\/options\/allow\/1: "host" is not an IP address or a CIDR/],
        [{ deny: ['::/129'] }, /\/listener\/options\/deny\/0: "::\/129" is not an integer from 0 to 128/],
        [{ deny: '10.0.0.0/8' }, /\/listener\/options\/deny/],
      ] as const) {
        const body = { listener: listener('x', on('TCP')(1), ECHO, { options }) };
        assert.match(await refused(proxy, 422, 'POST', 'listeners', body), message);
      }
    });

    test('rules may ask where an address lies, also that which was announced', async (t) => {
      const rules = [
        {
          match: { op: 'cidr', path: '/PROXY/src_addr', value: ['2001:db8::/32', '192.0.2.0/24'] },
          action: { route: ECHO },
        },
      ];
      const { proxy, ports } = await startProxy(t, ['l'], ({ l }) => ({
        admin,
        listeners: [listener('l', on('TCP', { proxy_protocol: true })(l), ECHO, { rules })],
      }));
      const from = (header: string) => new Raw(t, ports.l).send(`PROXY ${header}\r\nhello`);
      assert.equal(await from('TCP6 2001:db8::1 ::1 1 2').until(/hello/), 'hello');
      assert.equal(await from('TCP6 ::ffff:192.0.2.1 ::1 1 2').until(/hello/), 'hello');
      assert.equal(await from('TCP4 198.51.100.1 192.0.2.1 1 2').untilEnd(), '');
      assert.equal(await from('UNKNOWN').untilEnd(), '');
      const rule = { name: 'x', match: { op: 'cidr', path: '/IP/src_addr', value: '::/200' }, action: { route: ECHO } };
      assert.match(await refused(proxy, 422, 'POST', 'rules', { rule }), /\/rule\/match\/value: "::\/200" is not/);
    });
  });
}
