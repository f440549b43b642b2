import assert from 'node:assert/strict';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, type TestContext, test } from 'node:test';
import { until } from '../../src/testing/until.ts';
import { startConfig } from '../support/command.ts';
import {
  ask,
  bytes,
  connectDatagram,
  connectStream,
  connectWebSocket,
  serveDatagram,
  serveStream,
  serveWebSocket,
} from '../support/peers.ts';
import { listener, startProxy, type TestProxy } from '../support/proxy.ts';

const HOST = '127.0.0.1';

const to = (protocol: string, port: number) => ({
  spec: { protocol, port },
  endpoints: [{ spec: { address: HOST } }],
});

const local = (protocol: string, fields: object = {}) => ({ spec: { protocol, ...fields } });

const ECHO = local('Echo');

/** A proxy with a UDP listener and that route. */
async function startUdp(t: TestContext, route: object, config: object = {}) {
  const { proxy, ports } = await startProxy(t, ['l'], ({ l }) => ({
    ...config,
    listeners: [listener('l', { protocol: 'UDP', port: l }, route)],
  }));
  return { proxy, client: await connectDatagram(t, ports.l) };
}

describe('a Logger in a chain', () => {
  test('writes what passes on its way, with its prefix, to a file', async (t) => {
    const folder = await mkdtemp(join(tmpdir(), 'l7mp-logger-'));
    t.after(() => rm(folder, { recursive: true }));
    const there = join(folder, 'there');
    const back = join(folder, 'back');
    const server = await serveDatagram(t, { reply: (data) => `got ${data}` });
    const { client } = await startUdp(t, {
      destination: to('UDP', server.port),
      ingress: [local('Logger', { log_file: there, log_prefix: 'there' })],
      egress: [local('Logger', { log_file: back })],
    });
    assert.equal(await ask(client, 'one\n'), 'got one\n');
    assert.equal(await ask(client, 'two\n'), 'got two\n');
    const written = (file: string, text: string) =>
      until(async () => (await readFile(file, 'utf8')) === text, `${file} has ${JSON.stringify(text)}`);
    await written(there, 'there: one\nthere: two\n');
    await written(back, 'got one\ngot two\n');
  });

  test('writes to stdout, where nothing else is', async (t) => {
    const logger = local('Logger', { log_prefix: 'seen' });
    const { command, port } = await startConfig(t, {
      listeners: [listener('l', { protocol: 'TCP', port: 1 }, { destination: ECHO, ingress: [logger] })],
    });
    const client = await connectStream(t, { port: port(1) });
    assert.equal(await ask(client, 'hello\n'), 'hello\n');
    await until(() => command.stdout !== '', 'the line');
    assert.equal(command.stdout, 'seen: hello\n');
  });
});

describe('JSONEncap and JSONDecap in a chain', () => {
  test('leave every message as it was', async (t) => {
    const server = await serveDatagram(t);
    const { client } = await startUdp(t, {
      destination: to('UDP', server.port),
      ingress: [local('JSONEncap'), local('JSONDecap')],
      egress: [local('JSONEncap'), local('JSONDecap')],
    });
    for (const message of [Buffer.from('täxt'), Buffer.alloc(0), Buffer.from([0, 255]), Buffer.alloc(20_000, 'x')]) {
      client.send(message);
      await until(() => client.messages.length > 0, 'the echo');
      assert.deepEqual(client.messages.shift(), message);
    }
  });

  test('put the session’s metadata beside the payload, as the rules have left them', async (t) => {
    const server = await serveWebSocket(t);
    const { proxy, ports } = await startProxy(t, ['l'], ({ l }) => ({
      listeners: [
        {
          name: 'l',
          spec: { protocol: 'UDP', port: l, address: HOST },
          rules: [
            {
              action: {
                rewrite: [{ path: '/labels/room', value: 7 }],
                route: { destination: to('WebSocket', server.port), ingress: [local('JSONEncap')] },
              },
            },
          ],
        },
      ],
    }));
    const client = await connectDatagram(t, ports.l);
    client.send('hello');
    await until(() => server.peers[0]?.messages.length, 'the message');
    const { metadata, payload } = JSON.parse(String(server.peers[0]?.messages[0]));
    assert.deepEqual(metadata, {
      IP: { src_addr: HOST, dst_addr: HOST },
      UDP: { src_port: client.port, dst_port: ports.l },
      labels: { room: 7 },
    });
    assert.equal(Buffer.from(payload, 'base64').toString(), 'hello');
    assert.deepEqual(server.peers[0]?.text, [true]);
    assert.deepEqual((await proxy.session('l')).metadata, metadata);
  });

  test('drop and count what is no such JSON', async (t) => {
    const { proxy, client } = await startUdp(t, { destination: ECHO, ingress: [local('JSONDecap')] });
    client.send('nonsense');
    client.send(JSON.stringify({ metadata: {}, payload: Buffer.from('hello').toString('base64') }));
    await until(() => client.messages.length > 0, 'the payload');
    assert.deepEqual(client.messages.map(String), ['hello']);
    assert.deepEqual((await proxy.session('l')).ingress[0].drops, { invalid: 1 });
  });
});

test('Sync passes each message to all other sessions of its label, whatever their protocols', async (t) => {
  const protocols = ['UDP', 'WebSocket', 'TCP'] as const;
  const { proxy, ports } = await startProxy(t, [...protocols, 'other', 'none'], (given) => {
    const rules = (room: string) => [
      { action: { rewrite: [{ path: '/labels/room', value: room }], route: { destination: 'sync' } } },
    ];
    return {
      listeners: [
        ...protocols.map((protocol) => ({
          name: protocol,
          spec: { protocol, port: given[protocol] },
          rules: rules('one'),
        })),
        { name: 'other', spec: { protocol: 'TCP', port: given.other }, rules: rules('two') },
        listener('none', { protocol: 'TCP', port: given.none }, { destination: 'sync' }),
      ],
      clusters: [{ name: 'sync', ...local('Sync', { query: '/labels/room' }) }],
    };
  });
  const UDP = await connectDatagram(t, ports.UDP);
  // Nobody else hears it, but it makes the session.
  UDP.send('here I am');
  await until(async () => (await proxy.sessions('UDP'))[0]?.destination.messages.out === 1, 'it has come');
  const members = {
    UDP,
    WebSocket: await connectWebSocket(t, ports.WebSocket),
    TCP: await connectStream(t, { port: ports.TCP, allowHalfOpen: false }),
  };
  const other = await connectStream(t, { port: ports.other, allowHalfOpen: false });
  for (const name of [...protocols, 'other'] as const) await proxy.session(name);

  const heard = async (from: (typeof protocols)[number]) => {
    members[from].send(`from ${from}`);
    for (const name of protocols.filter((one) => one !== from)) {
      await until(() => members[name].messages.length > 0, `${name} hears ${from}`);
      assert.deepEqual(members[name].messages.splice(0).map(String), [`from ${from}`]);
    }
    assert.deepEqual(members[from].messages.length, 0);
  };
  for (const from of protocols) await heard(from);
  assert.equal(other.messages.length, 0);

  const stranger = await connectStream(t, { port: ports.none, allowHalfOpen: false });
  await until(() => stranger.closed !== undefined, 'a session without the label is refused');
  members.WebSocket.close();
  await proxy.noSession('WebSocket');
  members.UDP.send('still');
  await until(() => bytes(members.TCP).toString() === 'still', 'the others go on');
});

describe('metrics', () => {
  async function scrape(port: number): Promise<Map<string, number>> {
    const text = await (await fetch(`http://${HOST}:${port}/metrics`)).text();
    const samples = text.split('\n').filter((line) => line !== '' && !line.startsWith('#'));
    return new Map(
      samples.map((line) => [line.slice(0, line.lastIndexOf(' ')), Number(line.slice(line.lastIndexOf(' ')))]),
    );
  }

  test('count what passes a Metric, for each session, under the names that are set', async (t) => {
    const own = { byteCounterName: 'my_bytes', packetCounterName: 'my_packets' };
    const { proxy, ports } = await startProxy(t, ['l', 'metrics'], ({ l, metrics }) => ({
      listeners: [
        listener('l', { protocol: 'UDP', port: l }, { destination: 'echo', ingress: ['in'], egress: ['out'] }),
        listener(
          'metrics',
          { protocol: 'HTTP', port: metrics, path: '/metrics' },
          { destination: local('Prometheus') },
        ),
      ],
      clusters: [
        { name: 'in', ...local('Metric') },
        { name: 'out', ...local('Metric', own) },
        { name: 'echo', ...ECHO },
      ],
    }));
    const client = await connectDatagram(t, ports.l);
    for (const text of ['1', '22', '333']) await ask(client, text);
    const { name } = await proxy.session('l');
    const samples = await scrape(ports.metrics);
    const expected: [string, number][] = [
      [`session_byte_counter_total{sessionName="${name}",clusterName="in"}`, 6],
      [`session_packet_counter_total{sessionName="${name}",clusterName="in"}`, 3],
      [`my_bytes{sessionName="${name}",clusterName="out"}`, 6],
      [`my_packets{sessionName="${name}",clusterName="out"}`, 3],
      ['listener_requests_total{listenerName="l",protocol="UDP"}', 1],
      ['cluster_requests_total{clusterName="echo",protocol="Echo"}', 1],
    ];
    for (const [series, value] of expected) assert.equal(samples.get(series), value, series);
  });

  test('count sessions and messages that are lost', async (t) => {
    const { proxy, ports } = await startProxy(t, ['l', 'metrics'], ({ l, metrics }) => ({
      listeners: [
        listener('l', { protocol: 'UDP', port: l }, { destination: ECHO, ingress: [local('JSONDecap')] }),
        listener('metrics', { protocol: 'HTTP', port: metrics }, { destination: local('Prometheus') }),
      ],
    }));
    const client = await connectDatagram(t, ports.l);
    client.send('nonsense');
    await until(async () => (await proxy.sessions('l'))[0]?.ingress[0].drops.invalid === 1, 'it is dropped');
    const { name } = await proxy.session('l');
    await proxy.ok('DELETE', `sessions/${encodeURIComponent(name)}`);
    const samples = await scrape(ports.metrics);
    assert.equal(samples.get('l7mp_messages_dropped_total{reason="invalid"}'), 1);
    assert.equal(samples.get('l7mp_sessions_ended_total{outcome="deleted"}'), 1);
    assert.equal(samples.get('listener_sessions{listenerName="l",protocol="UDP"}'), 0);
  });
});

describe('Discard', () => {
  test('as a destination swallows what comes, and answers the end', async (t) => {
    const { proxy, ports } = await startProxy(t, ['l'], ({ l }) => ({
      listeners: [
        listener('l', { protocol: 'TCP', port: l }, { destination: local('Discard') }, { options: { track: 60 } }),
      ],
    }));
    const client = await connectStream(t, { port: ports.l });
    client.send(Buffer.alloc(1 << 20));
    client.end();
    await until(() => client.ended, 'the end');
    const session = await proxy.session('l', 'DESTROYED');
    assert.deepEqual([client.messages.length, session.destination.bytes], [0, { in: 0, out: 1 << 20 }]);
  });

  test('on the way back makes a one-way street', async (t) => {
    const server = await serveDatagram(t);
    const { proxy, client } = await startUdp(t, {
      destination: to('UDP', server.port),
      egress: [local('Discard')],
    });
    client.send('hello');
    await until(async () => (await proxy.sessions('l'))[0]?.egress[0].messages.out === 1, 'the answer is swallowed');
    assert.equal(server.peers[0]?.messages.length, 1);
    assert.equal(client.messages.length, 0);
  });
});

describe('Stdio', () => {
  async function startStdio(t: TestContext) {
    const { command, port } = await startConfig(t, {
      listeners: [listener('l', { protocol: 'TCP', port: 1 }, { destination: local('Stdio') })],
    });
    return { command, connect: () => connectStream(t, { port: port(1), allowHalfOpen: false }) };
  }

  test('is the proxy’s own stdin and stdout', async (t) => {
    const { command, connect } = await startStdio(t);
    const client = await connect();
    client.send('to stdout\n');
    await until(() => command.stdout === 'to stdout\n', 'what the client says');
    command.child.stdin?.write('from stdin\n');
    await until(() => bytes(client).toString() === 'from stdin\n', 'what is typed');
  });

  test('passes what is typed to all sessions, and its end', async (t) => {
    const { command, connect } = await startStdio(t);
    const clients = [await connect(), await connect()];
    for (const client of clients) client.send('.');
    await until(() => command.stdout === '..', 'both have sessions');
    command.child.stdin?.end('the last words');
    for (const client of clients) {
      await until(() => client.ended, 'the end');
      assert.equal(bytes(client).toString(), 'the last words');
    }
    assert.equal(command.over, false);
  });

  test('carries a megabyte each way', async (t) => {
    const { command, connect } = await startStdio(t);
    const client = await connect();
    const data = Buffer.alloc(1 << 20, '0123456789abcdef');
    client.send(data);
    command.child.stdin?.write(data);
    await until(() => command.stdout.length === data.length, 'all of it');
    assert.equal(command.stdout, data.toString());
    await until(() => bytes(client).length === data.length, 'all of it');
    assert.ok(bytes(client).equals(data));
  });
});

describe('a remote cluster in a chain', () => {
  test('transforms what passes, in the chain’s order, in its direction only', async (t) => {
    const upper = await serveStream(t, { reply: (data) => data.toString().toUpperCase(), allowHalfOpen: false });
    const framed = await serveWebSocket(t, { reply: (data) => `<${data}>` });
    const reversed = await serveDatagram(t, { reply: (data) => [...data.toString()].reverse().join('') });
    const server = await serveDatagram(t, { reply: (data) => `${data} is here` });
    const { proxy, client } = await startUdp(t, {
      destination: to('UDP', server.port),
      ingress: [to('TCP', upper.port), to('WebSocket', framed.port)],
      egress: [to('UDP', reversed.port)],
    });
    assert.equal(await ask(client, 'hello'), 'ereh si >OLLEH<');
    assert.deepEqual(server.peers[0]?.messages.map(String), ['<HELLO>']);
    const { ingress, egress } = await proxy.session('l');
    assert.deepEqual(
      [...ingress, ...egress].map(({ status, messages }) => [status, messages.in, messages.out]),
      Array.from({ length: 3 }, () => ['READY', 1, 1]),
    );
  });

  test('may be named, shared and mixed with local ones', async (t) => {
    const upper = await serveStream(t, { reply: (data) => data.toString().toUpperCase(), allowHalfOpen: false });
    const { client } = await startUdp(
      t,
      { destination: ECHO, ingress: ['upper', local('JSONEncap')], egress: [local('JSONDecap'), 'upper'] },
      { clusters: [{ name: 'upper', ...to('TCP', upper.port) }] },
    );
    assert.equal(await ask(client, 'hello'), 'HELLO');
    assert.equal(upper.peers.length, 2);
  });

  test('that is lost ends the session, where nothing mends it', async (t) => {
    const upper = await serveStream(t);
    const server = await serveStream(t);
    const { proxy, ports } = await startProxy(t, ['l'], ({ l }) => ({
      listeners: [
        listener(
          'l',
          { protocol: 'TCP', port: l },
          { destination: to('TCP', server.port), ingress: [to('TCP', upper.port)] },
        ),
      ],
    }));
    const client = await connectStream(t, { port: ports.l });
    assert.equal(await ask(client, 'hello'), 'hello');
    upper.peers[0]?.reset();
    await until(() => client.closed !== undefined && server.peers[0]?.closed !== undefined, 'both are told');
    await proxy.noSession('l');
  });
});

describe('a destination for HTTP', () => {
  for (const protocol of ['L7mpController', 'Prometheus']) {
    test(`such as ${protocol} refuses other sessions, and says why`, async (t) => {
      const started = await startProxy(t, ['l'], ({ l }) => ({
        listeners: [
          listener(
            'l',
            { protocol: 'TCP', port: l, address: HOST },
            { destination: local(protocol) },
            { options: { track: 60 } },
          ),
        ],
      }));
      const proxy: TestProxy = started.proxy;
      const client = await connectStream(t, { port: started.ports.l, allowHalfOpen: false });
      client.send('GET / HTTP/1.1\r\nHost: h\r\n\r\n');
      await until(() => client.closed !== undefined, 'the end');
      assert.equal(client.messages.length, 0);
      assert.match(JSON.stringify((await proxy.session('l', 'DESTROYED')).events), /HTTP sessions only/);
    });
  }
});
