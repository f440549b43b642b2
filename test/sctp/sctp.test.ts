/** SCTP with peers that are not ours: Python, socat, and the kernel developers' own sctp_test. */
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { before, type TestContext, test } from 'node:test';
import { AF_INET, IPPROTO_SCTP, SOCK_STREAM } from '../../src/io/native/system/constants.ts';
import { libc } from '../../src/io/native/system/libc.ts';
import { freePort } from '../../src/testing/ports.ts';
import { until } from '../../src/testing/until.ts';
import { Command } from '../support/command.ts';
import { connectStream, next, serveStream } from '../support/peers.ts';
import { program } from '../support/programs.ts';
import { listener, startProxy, type TestProxy } from '../support/proxy.ts';
import { isInside, testInUserModeLinux } from '../support/user-mode-linux/index.ts';
import { type Message, SctpPeer, type Sending } from './peer.ts';

const HOST = '127.0.0.1';
const SECOND = '127.0.0.2';

const sctp = (port: number, more: object = {}) => ({ protocol: 'SCTP', port, ...more });
const at = (port: number, more: object = {}) => sctp(port, { address: HOST, ...more });

const route = (spec: object, more: object = {}) => ({
  destination: { spec, endpoints: [{ spec: { address: HOST } }], ...more },
});

/** SCTP to SCTP: a client and a server on either side of a proxy. */
async function chain(t: TestContext, more: object = {}, admin: object = {}) {
  const port = await freePort();
  const server = await SctpPeer.listen(t, port);
  const { proxy, ports } = await startProxy(t, ['own'], ({ own }) => ({
    admin,
    listeners: [listener('l', at(own, more), route(sctp(port, more)))],
  }));
  const client = await SctpPeer.connect(t, ports.own);
  await server.associated();
  return { proxy, client, server, port: ports.own };
}

const said = ({ text, stream, ppid, unordered }: Message) => ({ send: text, stream, ppid, unordered });

const whole = (messages: readonly Sending[]) =>
  messages.map(({ send, stream = 0, ppid = 0, unordered = false }) => ({ send, stream, ppid, unordered }));

function withSctp(): void {
  before(() => ['python3', 'socat', 'sctp_test'].map(program));

  test('a session has the name and the metadata of its association', async (t) => {
    const { proxy, client, port } = await chain(t);
    client.send({ send: 'x' });
    const session = await proxy.session('l');
    const [, own] = /^SCTP:127\.0\.0\.1:(\d+)-/.exec(session.name) as unknown as [string, string];
    assert.equal(session.name, `SCTP:127.0.0.1:${own}-127.0.0.1:${port}`);
    assert.deepEqual(session.metadata, {
      IP: { src_addr: HOST, dst_addr: HOST },
      SCTP: { src_port: Number(own), dst_port: port },
    });
  });

  test('messages keep their streams, identifiers and order, both ways', async (t) => {
    const { client, server } = await chain(t);
    const sent = [
      { send: 'one', stream: 3, ppid: 46 },
      { send: 'two', stream: 9, ppid: 4_294_967_295 },
      { send: 'three', stream: 3, ppid: 0 },
      { send: 'four', stream: 0, ppid: 3 },
      { send: 'five', stream: 3, ppid: 46, unordered: true },
    ];
    client.send(...sent);
    assert.deepEqual((await server.received(5)).map(said), whole(sent));
    server.send(...sent.toReversed());
    assert.deepEqual((await client.received(5)).map(said), whole(sent.toReversed()));
  });

  test('many messages come in order within each stream', async (t) => {
    const { client, server } = await chain(t);
    const sent = Array.from({ length: 500 }, (_, n) => ({ send: `${n}`, stream: n % 10, ppid: n }));
    client.send(...sent);
    const got = await server.received(500);
    for (let stream = 0; stream < 10; stream++) {
      const ofStream = (all: readonly { stream: number; ppid: number }[]) =>
        all.filter((one) => one.stream === stream).map(({ ppid }) => ppid);
      assert.deepEqual(ofStream(got), ofStream(sent), `stream ${stream}`);
    }
  });

  test('a stream that the other association does not have is replaced', async (t) => {
    const port = await freePort();
    const server = await SctpPeer.listen(t, port);
    const { ports } = await startProxy(t, ['own'], ({ own }) => ({
      listeners: [listener('l', at(own, { streams: 20 }), route(sctp(port, { streams: 4, stream: 2 })))],
    }));
    const client = await SctpPeer.connect(t, ports.own);
    client.send({ send: 'has', stream: 3, ppid: 7 }, { send: 'has not', stream: 19, ppid: 8 });
    const got = (await server.received(2)).map(({ text, stream, ppid }) => [text, stream, ppid]);
    assert.deepEqual(got.sort(), [
      ['has not', 2, 8],
      ['has', 3, 7],
    ]);
  });

  test('large messages stay whole', async (t) => {
    const { client, server } = await chain(t);
    const sizes = [1, 1500, 65_535, 65_536, 150_000, 200_000];
    for (const size of sizes) client.send({ send: 'abcdefghijk', size, stream: 1, ppid: size });
    const got = await server.received(sizes.length);
    const text = 'abcdefghijk'.repeat(20_000);
    const sum = (size: number) => Buffer.from(text.slice(0, size)).reduce((all, byte) => all + byte, 0);
    assert.deepEqual(
      got.map((one) => [one.size, one.ppid, one.sum]),
      sizes.map((size) => [size, size, sum(size)]),
    );
  });

  test('a message that is too large to be put together is lost, and counted, and the next one comes', async (t) => {
    const { proxy, client, server } = await chain(t);
    client.send({ send: 'x', size: 1_500_000, stream: 1 }, { send: 'next', stream: 1, ppid: 5 });
    assert.deepEqual((await server.received(1)).map(said), whole([{ send: 'next', stream: 1, ppid: 5 }]));
    assert.deepEqual((await proxy.session('l')).source.drops, { 'too-large': 1 });
  });

  test('an end, and a break, are passed on as such', async (t) => {
    const ended = await chain(t);
    ended.client.send({ send: 'last' });
    ended.client.close();
    await ended.server.event((event) => event.ended, 'the end');
    assert.deepEqual(
      (await ended.server.received(1)).map(({ text }) => text),
      ['last'],
    );
    await ended.proxy.noSession('l');

    const broken = await chain(t);
    await broken.proxy.session('l');
    broken.client.close('abort');
    const { failed } = await broken.server.event((event) => event.failed ?? event.ended, 'the break');
    assert.equal(failed, 'ConnectionResetError');
  });

  test('what comes by TCP has the stream and the identifier of the cluster', async (t) => {
    const port = await freePort();
    const server = await SctpPeer.listen(t, port);
    const { ports } = await startProxy(t, ['own'], ({ own }) => ({
      listeners: [
        listener('l', { protocol: 'TCP', port: own, address: HOST }, route(sctp(port, { stream: 5, ppid: 46 }))),
      ],
    }));
    const client = await connectStream(t, { port: ports.own });
    client.send(Buffer.from('hello'));
    const [message] = await server.received(1);
    assert.deepEqual(said(message as Message), { send: 'hello', stream: 5, ppid: 46, unordered: false });
    server.send({ send: 'answer', stream: 1, ppid: 9 });
    assert.equal(await next(client), 'answer');
  });

  test('what an association brings goes on by TCP', async (t) => {
    const server = await serveStream(t, {});
    const { ports } = await startProxy(t, ['own'], ({ own }) => ({
      listeners: [listener('l', at(own), route({ protocol: 'TCP', port: server.port }))],
    }));
    const client = await SctpPeer.connect(t, ports.own);
    client.send({ send: 'ping', stream: 7 });
    const [message] = await client.received(1);
    assert.equal(message?.text, 'ping', 'the echo');
  });

  test('both ends may have several addresses, of which one may fail', async (t) => {
    execFileSync(program('ip'), ['addr', 'add', `${SECOND}/32`, 'dev', 'lo']);
    for (const [name, value] of Object.entries({ rto_min: 100, rto_initial: 200, rto_max: 200, path_max_retrans: 1 }))
      execFileSync('sh', ['-c', `echo ${value} >/proc/sys/net/sctp/${name}`]);
    const port = await freePort();
    const server = await SctpPeer.listen(t, port, HOST, SECOND);
    const { ports } = await startProxy(t, ['own'], ({ own }) => {
      const several = { address: HOST, addresses: [SECOND] };
      return { listeners: [listener('l', sctp(own, several), { destination: { spec: sctp(port, several) } })] };
    });
    const client = await SctpPeer.connect(t, ports.own, HOST, SECOND);
    assert.deepEqual(await client.associated(), [HOST, SECOND], 'the proxy has told both of its addresses');
    client.send({ send: 'before', stream: 1, ppid: 1 });
    await server.received(1);
    // Nobody reaches the first address any more.
    execFileSync(program('ip'), ['route', 'del', 'local', HOST, 'dev', 'lo', 'table', 'local']);
    execFileSync(program('ip'), ['route', 'add', 'prohibit', HOST, 'table', 'local']);
    client.send({ send: 'after', stream: 1, ppid: 2 });
    const got = await server.received(2);
    assert.deepEqual(
      got.map(({ text }) => text),
      ['before', 'after'],
    );
    execFileSync(program('ip'), ['route', 'del', 'prohibit', HOST, 'table', 'local']);
    execFileSync(program('ip'), ['route', 'add', 'local', HOST, 'dev', 'lo', 'table', 'local']);
  });

  test('associations are taken by several workers', async (t) => {
    const { proxy, ports } = await startProxy(t, ['own'], ({ own }) => ({
      admin: { threads: 2 },
      listeners: [listener('l', at(own), { destination: { spec: { protocol: 'Echo' } } })],
    }));
    const clients: SctpPeer[] = [];
    while (clients.length < 6) clients.push(await SctpPeer.connect(t, ports.own));
    for (const client of clients) client.send({ send: 'hi', stream: 4, ppid: 5 });
    for (const client of clients)
      assert.deepEqual((await client.received(1)).map(said), whole([{ send: 'hi', stream: 4, ppid: 5 }]));
    const workers = new Set((await proxy.sessions('l')).map(({ worker }) => worker));
    assert.equal(workers.size, 2);
  });

  test('socat is served, and is a server', async (t) => {
    const port = await freePort();
    const server = new Command(t, program('socat'), [`SCTP4-LISTEN:${port},bind=${HOST},fork`, 'EXEC:cat']);
    const { ports } = await startProxy(t, ['own'], ({ own }) => ({
      listeners: [
        listener('l', at(own), { ...route(sctp(port)), retry: { retry_on: 'always', num_retries: 20, timeout: 500 } }),
      ],
    }));
    const client = new Command(t, program('socat'), ['-', `SCTP4-CONNECT:${HOST}:${ports.own}`]);
    client.child.stdin?.write('through socat');
    await until(() => client.stdout === 'through socat', 'the echo');
    assert.ok(!server.over);
  });

  test('sctp_test sends its messages through, to itself', async (t) => {
    const port = await freePort();
    const server = new Command(t, program('sctp_test'), ['-H', HOST, '-P', `${port}`, '-l', '-T']);
    const { ports } = await startProxy(t, ['own'], ({ own }) => ({
      listeners: [
        listener('l', at(own), { ...route(sctp(port)), retry: { retry_on: 'always', num_retries: 20, timeout: 500 } }),
      ],
    }));
    const from = await freePort();
    const sizes = ['-c', '3', '-x', '2', '-T'];
    const client = new Command(t, program('sctp_test'), [
      '-H',
      HOST,
      '-P',
      `${from}`,
      '-h',
      HOST,
      '-p',
      `${ports.own}`,
      '-s',
      ...sizes,
    ]);
    await until(() => client.over, 'its end');
    assert.equal(client.child.exitCode, 0, client.output);
    await until(() => /recvmsg/.test(server.stdout) || server.over, 'what was sent');
  });
}

if (isInside()) withSctp();
else {
  testInUserModeLinux(import.meta.filename);

  const skip = hasSctp() && 'the kernel of this machine has SCTP';
  test('a kernel without SCTP is named, when the listener or cluster is made', { skip }, async (t) => {
    const { proxy, ports } = await startProxy(t, ['own'], () => ({}), {});
    const rules = [{ action: { route: { destination: { spec: { protocol: 'Echo' } } } } }];
    const made = await proxy.api('POST', 'listeners', { listener: { name: 'l', spec: at(ports.own), rules } });
    assert.equal(made.status, 400);
    assert.match(made.text, /the module sctp is missing/);
    await refusedCluster(proxy, sctp(ports.own));
  });
}

/** Whether the kernel has it, or loads it when it is asked for it. */
function hasSctp(): boolean {
  const fd = libc().socket(AF_INET, SOCK_STREAM, IPPROTO_SCTP);
  if (fd < 0) return false;
  libc().close(fd);
  return true;
}

async function refusedCluster(proxy: TestProxy, spec: object): Promise<void> {
  const made = await proxy.api('POST', 'clusters', { cluster: { name: 'c', spec } });
  assert.equal(made.status, 400);
  assert.match(made.text, /the module sctp is missing/);
}
