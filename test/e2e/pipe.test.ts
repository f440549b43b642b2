/** FIFOs, with cat, sh and socat on both sides. */
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { createReadStream, existsSync, lstatSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { engines } from '../../src/io/testing.ts';
import { freePort } from '../../src/testing/ports.ts';
import { until } from '../../src/testing/until.ts';
import { Command } from '../support/command.ts';
import { refused } from '../support/config.ts';
import { failing, failsAt, makeFail } from '../support/failing.ts';
import { bytes, connectStream, serveStream } from '../support/peers.ts';
import { program } from '../support/programs.ts';
import { listener, startProxy } from '../support/proxy.ts';

const HOST = '127.0.0.1';

function folderOf(t: TestContext): string {
  const folder = mkdtempSync(join(tmpdir(), 'l7mp-pipe-'));
  t.after(() => rmSync(folder, { recursive: true }));
  return folder;
}

const sh = (t: TestContext, script: string): Command => new Command(t, 'sh', ['-c', script]);

for (const { admin, skip } of engines()) {
  for (const threads of [0, 2]) {
    const how = `${admin.io} I/O, ${threads} threads`;

    test(`writers come and go, in one session, and nothing is lost between them (${how})`, { skip }, async (t) => {
      const path = join(folderOf(t), 'in');
      const server = await serveStream(t, { reply: () => undefined });
      const { proxy } = await startProxy(t, [], () => ({
        admin: { ...admin, threads },
        listeners: [
          listener(
            'l',
            { protocol: 'PIPE', filename: path, file_mode: '0620' },
            {
              destination: {
                spec: { protocol: 'TCP', port: server.port },
                endpoints: [{ spec: { address: HOST } }],
              },
            },
          ),
        ],
      }));
      const made = lstatSync(path);
      assert.deepEqual([made.isFIFO(), made.mode & 0o777], [true, 0o620]);
      for (let n = 0; n < 20; n++) execFileSync('sh', ['-c', `echo line ${n} > ${path}`]);
      const all = Array.from({ length: 20 }, (_, n) => `line ${n}\n`).join('');
      await until(
        () => Buffer.concat(server.peers.flatMap(({ messages }) => messages)).toString() === all,
        'all lines',
      );
      assert.equal(server.peers.length, 1);
      const [session, ...others] = await proxy.sessions('l');
      assert.deepEqual([session.name, others], ['PIPE:l-1', []]);
      assert.deepEqual(session.metadata, { PIPE: { read: path } });
    });

    test(`answers go into the other one, and who reads late gets them all (${how})`, { skip }, async (t) => {
      const folder = folderOf(t);
      const [read, write] = [join(folder, 'in'), join(folder, 'out')];
      await startProxy(t, [], () => ({
        admin: { ...admin, threads },
        listeners: [listener('l', { protocol: 'PIPE', read, write }, { destination: { spec: { protocol: 'Echo' } } })],
      }));
      // More than a FIFO and all queues hold.
      const size = 5_000_000;
      const writing = sh(t, `head -c ${size} /dev/zero | tr '\\0' x > ${read}; echo written`);
      const reading = sh(t, `head -c ${size} ${write} | tr -d x | wc -c; echo read`);
      await until(() => writing.stdout.includes('written') && reading.stdout.includes('read'), 'both are done');
      assert.match(reading.stdout, /^\s*0\n/);
    });
  }

  test(`a cluster waits for a reader, who sees what is written, then an end (${admin.io} I/O)`, { skip }, async (t) => {
    const folder = folderOf(t);
    const path = join(folder, 'out');
    const cluster = { name: 'c', spec: { protocol: 'PIPE', filename: path }, options: { connect_timeout: 20_000 } };
    const { ports } = await startProxy(t, ['l'], (ports) => ({
      admin,
      listeners: [listener('l', { protocol: 'TCP', port: ports.l }, { destination: 'c' })],
      clusters: [cluster],
    }));
    assert.ok(lstatSync(path).isFIFO());
    const peer = await connectStream(t, { port: ports.l });
    peer.send('hello');
    const reader = sh(t, `cat ${path}; echo the end`);
    await until(() => reader.stdout.startsWith('hello'), 'it is written');
    peer.send(' world');
    peer.end();
    await until(() => reader.over, 'it has read all');
    assert.equal(reader.stdout, 'hello worldthe end\n');
    await until(() => peer.ended, 'nobody can answer');
  });

  test(`a cluster without a reader is a failed connection, and one whose reader goes is broken (${admin.io} I/O)`, {
    skip,
  }, async (t) => {
    const path = join(folderOf(t), 'out');
    const to = (timeout: number): object => ({
      destination: { spec: { protocol: 'PIPE', filename: path }, options: { connect_timeout: timeout } },
    });
    const { ports } = await startProxy(t, ['hasty', 'patient'], (ports) => ({
      admin,
      listeners: [
        listener('hasty', { protocol: 'TCP', port: ports.hasty }, to(200)),
        listener('patient', { protocol: 'TCP', port: ports.patient }, to(30_000)),
      ],
    }));
    const nobody = await connectStream(t, { port: ports.hasty });
    await until(() => nobody.ended || nobody.closed !== undefined, 'it is refused');
    const reader = createReadStream(path);
    t.after(() => reader.destroy());
    reader.resume();
    const peer = await connectStream(t, { port: ports.patient });
    await until(() => {
      peer.send('x');
      return reader.bytesRead > 0;
    }, 'it is read');
    reader.destroy();
    await until(() => {
      if (peer.closed === undefined) peer.send('x');
      return peer.ended || peer.closed !== undefined;
    }, 'it is told');
  });

  test(`a request goes into one FIFO, the answer comes out of another one (${admin.io} I/O)`, { skip }, async (t) => {
    const folder = folderOf(t);
    const [requests, answers] = [join(folder, 'requests'), join(folder, 'answers')];
    const { ports } = await startProxy(t, ['l'], (ports) => ({
      admin,
      listeners: [
        listener(
          'l',
          { protocol: 'TCP', port: ports.l },
          { destination: { spec: { protocol: 'PIPE', write: requests, read: answers } } },
        ),
      ],
    }));
    new Command(t, program('socat'), [`PIPE:${requests},rdonly`, `PIPE:${answers},wronly`]);
    const peer = await connectStream(t, { port: ports.l });
    peer.send('hello');
    await until(() => bytes(peer).toString() === 'hello', 'the answer');
  });
}

test('a worker that fails leaves its FIFO, and what is in it, to the next one', async (t) => {
  const path = join(folderOf(t), 'in');
  const server = await serveStream(t, { reply: () => undefined });
  const { ports } = await startProxy(
    t,
    ['fails'],
    (ports) => ({
      admin: { threads: 1, log_level: 'silent' },
      listeners: [
        listener(
          'l',
          { protocol: 'PIPE', filename: path },
          {
            destination: { spec: { protocol: 'TCP', port: server.port }, endpoints: [{ spec: { address: HOST } }] },
          },
        ),
        failsAt(ports.fails),
      ],
    }),
    { plugins: [await failing(t)] },
  );
  const heard = () => Buffer.concat(server.peers.flatMap(({ messages }) => messages)).toString();
  execFileSync('sh', ['-c', `echo before > ${path}`]);
  await until(() => heard() === 'before\n', 'it comes');
  await makeFail(ports.fails);
  await until(() => server.peers[0]?.closed !== undefined || server.peers[0]?.ended, 'the worker has failed');
  execFileSync('sh', ['-c', `echo after > ${path}`]);
  await until(() => heard() === 'before\nafter\n', 'it comes');
});

test('what cannot be connected yet stays in the FIFO, for the next session', async (t) => {
  const path = join(folderOf(t), 'in');
  const port = await freePort();
  await startProxy(t, [], () => ({
    listeners: [
      listener(
        'l',
        { protocol: 'PIPE', filename: path },
        { destination: { spec: { protocol: 'TCP', port }, endpoints: [{ spec: { address: HOST } }] } },
      ),
    ],
  }));
  execFileSync('sh', ['-c', `echo early > ${path}`]);
  await until(() => existsSync(path), 'a while');
  const server = await serveStream(t, { port, reply: () => undefined });
  await until(() => server.peers.some((peer) => bytes(peer).toString() === 'early\n'), 'it comes');
});

test('descriptors are given back, and the FIFO stays', async (t) => {
  const folder = folderOf(t);
  const { proxy } = await startProxy(t, [], () => ({ admin: { files: folder } }));
  const echo = { destination: { spec: { protocol: 'Echo' } } };
  const definition = listener(
    'l',
    { protocol: 'PIPE', filename: join(folder, 'in'), write: join(folder, 'out') },
    echo,
  );
  await proxy.ok('POST', 'listeners', { listener: definition });
  assert.equal(lstatSync(join(folder, 'in')).mode & 0o777, 0o600);
  await proxy.ok('DELETE', 'listeners/l?recursive=true');
  const open = () => readdirSync('/proc/self/fd').length;
  await until(async () => {
    const before = open();
    await proxy.ok('POST', 'listeners', { listener: definition });
    await proxy.ok('DELETE', 'listeners/l?recursive=true');
    await until(() => open() <= before, 'they are closed');
    return true;
  });
  assert.ok(lstatSync(join(folder, 'in')).isFIFO());
});

test('what is no FIFO is refused, and so is what lies elsewhere', async (t) => {
  const folder = folderOf(t);
  const file = join(folder, 'file');
  writeFileSync(file, '');
  const { proxy } = await startProxy(t, [], () => ({ admin: { files: folder } }));
  const echo = { destination: { spec: { protocol: 'Echo' } } };
  const post = (spec: object) => ['POST', 'listeners', { listener: listener('x', spec, echo) }] as const;
  const cluster = (spec: object) => ['POST', 'clusters', { cluster: { name: 'x', spec } }] as const;
  const pipe = (more: object) => ({ protocol: 'PIPE', ...more });
  assert.match(
    await refused(proxy, 400, ...post(pipe({ filename: file }))),
    /: cannot use \/.*file: it exists and is no FIFO/,
  );
  assert.match(
    await refused(proxy, 400, ...cluster(pipe({ filename: file }))),
    /: cannot use \/.*file: it exists and is no FIFO/,
  );
  assert.match(await refused(proxy, 403, ...post(pipe({ filename: '/var/never' }))), /admin\.files/);
  assert.match(await refused(proxy, 403, ...cluster(pipe({ read: '/var/never' }))), /admin\.files/);
  assert.match(await refused(proxy, 422, ...post(pipe({}))), /\/filename: it is needed, or read, or write/);
  assert.match(
    await refused(proxy, 422, ...post(pipe({ filename: file, read: file }))),
    /\/filename: it is the same as read/,
  );
  assert.match(await refused(proxy, 422, ...cluster(pipe({ filename: file, read: file }))), /\/write: what is written/);
  assert.match(await refused(proxy, 400, ...post(pipe({ filename: join(folder, 'no', 'where') }))), /ENOENT/);
});
