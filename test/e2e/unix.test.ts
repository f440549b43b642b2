/** UNIX sockets of all types, with socat on both sides. */
import assert from 'node:assert/strict';
import { existsSync, mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, type TestContext, test } from 'node:test';
import { engines, sendWithDescriptor } from '../../src/io/testing.ts';
import { until } from '../../src/testing/until.ts';
import { Command } from '../support/command.ts';
import { refused } from '../support/config.ts';
import { failing, failsAt, makeFail } from '../support/failing.ts';
import { bytes, connectStream } from '../support/peers.ts';
import { program } from '../support/programs.ts';
import { listener, startProxy } from '../support/proxy.ts';
import { connectMessages } from '../support/unix-messages.ts';

const skip = engines().find(({ name }) => name === 'native')?.skip ?? false;
const ECHO = { destination: { spec: { protocol: 'Echo' } } };

function folderOf(t: TestContext): string {
  const folder = mkdtempSync(join(tmpdir(), 'l7mp-unix-'));
  t.after(() => rmSync(folder, { recursive: true }));
  return folder;
}

const unix = (filename: string, type?: string, more: object = {}) => ({
  protocol: 'UnixDomainSocket',
  filename,
  ...(type && { type }),
  ...more,
});

let names = 0;
const abstract = () => `@l7mp-test-${process.pid}-${++names}`;

/** socat between its stdin and stdout and an address. */
function socat(t: TestContext, address: string, ...options: string[]): Command {
  return new Command(t, program('socat'), [...options, '-', address]);
}

/** socat that answers everybody at an address with what it gets. Resolves when it is there. */
async function answering(t: TestContext, address: string, path: string): Promise<void> {
  const command = new Command(t, program('socat'), ['-d', '-d', address, 'EXEC:cat']);
  const there = () =>
    path.startsWith('@') ? /listening on|receiving on/.test(command.stderr) : existsSync(path) || command.over;
  await until(there, 'socat is there');
}

async function says(command: Command, text: string): Promise<void> {
  await until(() => command.stdout.includes(text), `${text} comes back`);
}

describe('through sockets of one type', { skip }, () => {
  for (const { type, client, server, name = (folder: string, file: string) => join(folder, file) } of [
    {
      type: 'stream',
      client: (at: string) => `ABSTRACT-CONNECT:${at.slice(1)}`,
      server: (at: string) => `ABSTRACT-LISTEN:${at.slice(1)},fork`,
      name: abstract,
    },
    {
      type: 'seqpacket',
      client: (at: string) => `UNIX-CONNECT:${at},type=5`,
      server: (at: string) => `UNIX-LISTEN:${at},type=5,fork`,
    },
    {
      type: 'seqpacket',
      client: (at: string) => `ABSTRACT-CONNECT:${at.slice(1)},type=5`,
      server: (at: string) => `ABSTRACT-LISTEN:${at.slice(1)},type=5,fork`,
      name: abstract,
    },
    {
      type: 'dgram',
      client: (at: string) => `UNIX-SENDTO:${at},bind=${at}.client`,
      server: (at: string) => `UNIX-RECVFROM:${at},fork`,
    },
    {
      type: 'dgram',
      client: (at: string) => `ABSTRACT-SENDTO:${at.slice(1)},bind=${at.slice(1)}-client`,
      server: (at: string) => `ABSTRACT-RECVFROM:${at.slice(1)},fork`,
      name: abstract,
    },
  ]) {
    for (const threads of [0, 2]) {
      const where = name === abstract ? 'abstract names' : 'paths';
      test(`socat reaches socat by ${type} at ${where}, with ${threads} threads`, async (t) => {
        const folder = folderOf(t);
        const [front, back] = [name(folder, 'front'), name(folder, 'back')] as [string, string];
        await answering(t, server(back), back);
        const { proxy } = await startProxy(t, [], () => ({
          admin: { io: 'native', threads },
          listeners: [listener('l', unix(front, type), { destination: { spec: unix(back, type) } })],
        }));
        const one = socat(t, client(front));
        one.child.stdin?.write('hello\n');
        await says(one, 'hello\n');
        const [{ metadata, name: session }] = await proxy.sessions('l');
        assert.equal(session, 'UNIX:l-1');
        const peer = { pid: one.child.pid, uid: process.getuid?.(), gid: process.getgid?.() };
        assert.deepEqual(metadata.UNIX, { filename: front, type, peer });
      });
    }
  }
});

test('rules see who is at the other end', { skip }, async (t) => {
  const folder = folderOf(t);
  const [stream, seqpacket, dgram] = ['stream', 'seqpacket', 'dgram'].map((type) => join(folder, type)) as [
    string,
    string,
    string,
  ];
  const match = { op: 'test', path: '/UNIX/peer/uid', value: process.getuid?.() };
  const nobody = { op: 'test', path: '/UNIX/peer/uid', value: 12_345 };
  const rules = [
    { match: nobody, action: { route: { destination: { spec: { protocol: 'Discard' } } } } },
    { match, action: { route: ECHO } },
  ];
  await startProxy(t, [], () => ({
    admin: { io: 'native' },
    listeners: [
      { name: 'stream', spec: unix(stream), rules },
      { name: 'seqpacket', spec: unix(seqpacket, 'seqpacket'), rules },
      { name: 'dgram', spec: unix(dgram, 'dgram'), rules },
    ],
  }));
  const peers = [
    await connectStream(t, { path: stream }),
    connectMessages(t, 'seqpacket', seqpacket),
    connectMessages(t, 'dgram', dgram),
  ];
  for (const peer of peers) {
    peer.send('it is me');
    await until(() => bytes(peer).toString() === 'it is me', 'the echo');
  }
});

test('who has no name is heard, and what would answer it is dropped and counted', { skip }, async (t) => {
  const path = join(folderOf(t), 'socket');
  const { proxy } = await startProxy(t, [], () => ({
    admin: { io: 'native' },
    listeners: [listener('l', unix(path, 'dgram'), ECHO)],
  }));
  const unnamed = connectMessages(t, 'dgram', path, null);
  for (const text of ['one', 'two', 'three']) unnamed.send(text);
  const session = await until(async () => {
    const [first] = await proxy.sessions('l');
    return first?.source.drops?.['send-error'] === 3 && first;
  }, 'all of them are dropped');
  assert.equal(session.metadata.UNIX.peer.pid, process.pid);
  const named = connectMessages(t, 'dgram', path);
  named.send('hello');
  await until(() => bytes(named).toString() === 'hello', 'the echo');
  assert.deepEqual([(await proxy.sessions('l')).length, unnamed.messages], [2, []]);
});

for (const type of ['dgram', 'seqpacket'] as const) {
  test(`who reads late gets all answers, in order (${type})`, { skip }, async (t) => {
    const path = join(folderOf(t), 'socket');
    const { proxy } = await startProxy(t, [], () => ({
      admin: { io: 'native' },
      listeners: [listener('l', unix(path, type), ECHO)],
    }));
    const peer = connectMessages(t, type, path);
    const sent = Array.from({ length: 500 }, (_, n) => `${n}: ${'x'.repeat(2000)}`);
    peer.pause(true);
    for (const text of sent) peer.send(text);
    // The kernel keeps some ten datagrams that nobody has read (net.unix.max_dgram_qlen): the others wait.
    await until(async () => (await proxy.sessions('l'))[0]?.source.bytes.out > 5000, 'there are answers');
    peer.pause(false);
    await until(() => peer.messages.length === sent.length, 'all of them');
    assert.deepEqual(peer.messages.map(String), sent);
  });

  test(`descriptors that come with a message are not kept (${type})`, { skip }, async (t) => {
    const path = join(folderOf(t), 'socket');
    await startProxy(t, [], () => ({ admin: { io: 'native' }, listeners: [listener('l', unix(path, type), ECHO)] }));
    const peer = connectMessages(t, type, path);
    peer.send('hello');
    await until(() => peer.messages.length === 1, 'the echo');
    const before = readdirSync('/proc/self/fd').length;
    for (let n = 0; n < 50; n++) {
      sendWithDescriptor(peer.fd, Buffer.from(`${n}`));
      await until(() => peer.messages.length === n + 2, 'the echo');
    }
    assert.ok(readdirSync('/proc/self/fd').length < before + 10);
  });
}

test('a listener may be replaced while datagrams’ sessions live on, and its file goes with it', { skip }, async (t) => {
  const path = join(folderOf(t), 'socket');
  const definition = (type: string) => listener('l', unix(path, type), ECHO) as { name: string };
  const { proxy } = await startProxy(t, [], () => ({ admin: { io: 'native' }, listeners: [definition('dgram')] }));
  const before = connectMessages(t, 'dgram', path);
  before.send('before');
  await until(() => bytes(before).toString() === 'before', 'the echo');
  const { name: _, ...seqpacket } = definition('seqpacket');
  await proxy.ok('PUT', 'listeners/l', { listener: seqpacket });
  before.send(' and after');
  await until(() => bytes(before).toString() === 'before and after', 'it is answered as ever');
  const after = connectMessages(t, 'seqpacket', path);
  after.send('a connection');
  await until(() => bytes(after).toString() === 'a connection', 'the echo');
  await proxy.ok('DELETE', 'listeners/l');
  assert.equal(existsSync(path), false);
});

test('a worker that fails leaves its socket to the next one', { skip }, async (t) => {
  const path = join(folderOf(t), 'socket');
  const { ports } = await startProxy(
    t,
    ['fails'],
    (ports) => ({
      admin: { io: 'native', threads: 1, log_level: 'silent' },
      listeners: [listener('l', unix(path, 'dgram'), ECHO), failsAt(ports.fails)],
    }),
    { plugins: [await failing(t)] },
  );
  const peer = connectMessages(t, 'dgram', path);
  peer.send('before');
  await until(() => bytes(peer).toString() === 'before', 'the echo');
  await makeFail(ports.fails);
  // What is sent meanwhile waits in the socket.
  await until(() => {
    peer.send('.');
    return bytes(peer).toString() !== 'before';
  }, 'the next one answers');
});

test('who takes over from another proxy answers datagrams by the name of the listener', { skip }, async (t) => {
  const path = join(folderOf(t), 'socket');
  const config = () => ({
    admin: { io: 'native', takeover: true },
    listeners: [listener('l', unix(path, 'dgram'), ECHO)],
  });
  for (const n of [1, 2]) {
    await startProxy(t, [], config);
    // It takes answers from whom it has asked only.
    const one = socat(t, `UNIX-SENDTO:${path},bind=${path}.client-${n}`);
    one.child.stdin?.write('hello\n');
    await says(one, 'hello\n');
  }
});

test('portable I/O says what is missing, and changes nothing', async (t) => {
  const { proxy } = await startProxy(t, [], () => ({ admin: { io: 'node', files: tmpdir() } }));
  for (const type of ['dgram', 'seqpacket']) {
    const needs = new RegExp(`UnixDomainSocket of type ${type} needs native I/O`);
    const spec = unix(join(tmpdir(), 'never'), type);
    assert.match(await refused(proxy, 400, 'POST', 'clusters', { cluster: { name: 'x', spec } }), needs);
    assert.match(await refused(proxy, 400, 'POST', 'listeners', { listener: listener('x', spec, ECHO) }), needs);
  }
});

for (const { admin, skip } of engines()) {
  test(`abstract names are for the start-up file only, and are checked (${admin.io} I/O)`, { skip }, async (t) => {
    const name = abstract();
    const { proxy } = await startProxy(t, [], () => ({ admin, listeners: [listener('l', unix(name), ECHO)] }));
    const one = socat(t, `ABSTRACT-CONNECT:${name.slice(1)}`);
    one.child.stdin?.write('hello\n');
    await says(one, 'hello\n');
    const post = (spec: object) => ['POST', 'listeners', { listener: listener('x', spec, ECHO) }] as const;
    assert.match(await refused(proxy, 403, ...post(unix('@another'))), /abstract name/);
    const cluster = { name: 'x', spec: unix('@another') };
    assert.match(await refused(proxy, 403, 'POST', 'clusters', { cluster }), /abstract name/);
    const endpoint = {
      name: 'x',
      spec: { protocol: 'UnixDomainSocket' },
      endpoints: [{ spec: { address: '@other' } }],
    };
    assert.match(await refused(proxy, 403, 'POST', 'clusters', { cluster: endpoint }), /abstract name/);
    assert.match(await refused(proxy, 422, ...post(unix('@'))), /\/filename: no name stands behind the @/);
    assert.match(await refused(proxy, 422, ...post(unix(`@${'x'.repeat(108)}`))), /\/filename: longer than/);
    const mode = unix('@another', undefined, { file_mode: '0600' });
    assert.match(await refused(proxy, 422, ...post(mode)), /\/file_mode: an abstract name has no file/);
  });
}
