/** What is written to logs: how much of it, where it goes when files are renamed, and what signals do. */
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { existsSync, mkdtempSync, readdirSync, readFileSync, readlinkSync, renameSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, type TestContext, test } from 'node:test';
import { freePort } from '../../src/testing/ports.ts';
import { until } from '../../src/testing/until.ts';
import { Command, L7MP, ROOT, startConfig, writeConfig } from '../support/command.ts';
import { ask, connectDatagram, connectStream } from '../support/peers.ts';
import { listener, PLANES, request, startProxy } from '../support/proxy.ts';

const HOST = '127.0.0.1';
const PROMETHEUS = { protocol: 'Prometheus' };
const ECHO = { destination: { spec: { protocol: 'Echo' } } };
const SIGNALS = ['SIGHUP', 'SIGUSR1'] as const;

function folderOf(t: TestContext): string {
  const folder = mkdtempSync(join(tmpdir(), 'l7mp-logs-'));
  t.after(() => rmSync(folder, { recursive: true, force: true }));
  return folder;
}

const read = (file: string): string => (existsSync(file) ? readFileSync(file, 'utf8') : '');

/** What node says when it opens its debugger. */
const DEBUGGER = /Debugger|inspector/i;

for (const signal of SIGNALS) {
  describe(signal, () => {
    test('opens the logs again, and ends neither the proxy nor a session', async (t) => {
      const folder = folderOf(t);
      const [log, access, traffic, path] = ['log', 'access', 'traffic', 'socket'].map((name) => join(folder, name));
      const port = await freePort();
      const logger = { spec: { protocol: 'Logger', log_file: traffic } };
      const config = {
        admin: { log_level: 'info', log_file: log, access_log_path: access },
        listeners: [
          listener('l', { protocol: 'TCP', port, address: HOST }, { ...ECHO, ingress: [logger] }),
          listener('u', { protocol: 'UnixDomainSocket', filename: path }, ECHO),
        ],
      };
      const command = new Command(t, L7MP, ['-c', await writeConfig(t, config)]);
      await until(() => / runs, /.test(read(log as string)) || command.over, 'it runs');
      const client = await connectStream(t, { port });
      assert.equal(await ask(client, 'one'), 'one');
      const ended = await connectStream(t, { port });
      ended.end();
      await until(() => read(traffic as string) === 'one' && read(access as string) !== '', 'something is written');
      const files = [log, access, traffic] as string[];
      for (const file of files) renameSync(file, `${file}.1`);
      command.child.kill(signal);
      await until(() => files.every((file) => existsSync(file)), 'there are new files');
      await until(() => read(log as string).includes(`${signal}: logs are opened again`), 'that is said');
      const old = files.map((file) => read(`${file}.1`));

      assert.equal(await ask(client, 'two'), 'two');
      client.end();
      await until(() => read(access as string) !== '' && read(traffic as string) === 'two', 'the new ones are used');
      assert.deepEqual(
        files.map((file) => read(`${file}.1`)),
        old,
      );
      assert.equal(await ask(await connectStream(t, { path: path as string }), 'three'), 'three');
      assert.doesNotMatch(command.output, DEBUGGER);
      assert.equal(await command.stop(), 0);
      assert.equal(existsSync(path as string), false);
    });

    test('that comes while it starts, and often, does no harm', async (t) => {
      const port = await freePort();
      const config = { listeners: [listener('l', { protocol: 'TCP', port, address: HOST }, ECHO)] };
      const command = new Command(t, L7MP, ['-c', await writeConfig(t, config)]);
      // Both end any program that has not yet said otherwise; SIGUSR1 has a handler of node's first, for its debugger.
      await until(() => handled(command.child.pid, signal), 'it has begun');
      await until(() => {
        command.child.kill(signal);
        return / runs, /.test(command.stderr) || command.over;
      }, 'it runs');
      for (let n = 0; n < 100; n++) command.child.kill(signal);
      assert.equal(await ask(await connectStream(t, { port }), 'hello'), 'hello');
      assert.deepEqual(listeningPorts(command.child.pid), [port]);
      assert.equal(await command.stop(), 0);
    });

    test('reaches the proxy through the process that started it', async (t) => {
      // Where the system's node runs TypeScript there is no such process.
      if (
        execFileSync('node', ['-p', 'process.features.typescript ?? ""'], { env: { PATH: '/usr/bin' } })
          .toString()
          .trim() !== ''
      ) {
        t.skip('the system’s node needs no other');
        return;
      }
      const config = { listeners: [listener('l', { protocol: 'TCP', port: await freePort(), address: HOST }, ECHO)] };
      const script = join(ROOT, 'l7mp-proxy.js');
      const command = new Command(t, '/usr/bin/node', [script, '-c', await writeConfig(t, config)]);
      await command.running();
      command.child.kill(signal);
      await until(() => command.stderr.includes(`${signal}: logs are opened again`), 'the proxy hears of it');
      assert.doesNotMatch(command.output, DEBUGGER);
      assert.equal(await command.stop(), 0);
    });
  });
}

/** Whether a process has a handler for a signal (proc(5), SigCgt). */
function handled(pid: number | undefined, signal: (typeof SIGNALS)[number]): boolean {
  const bit = 1n << BigInt({ SIGHUP: 0, SIGUSR1: 9 }[signal]);
  const [, caught = '0'] = /^SigCgt:\s+(\w+)/m.exec(read(`/proc/${pid}/status`)) ?? [];
  return (BigInt(`0x${caught}`) & bit) !== 0n;
}

/** The TCP ports over IPv4 on which a process listens (proc(5), net/tcp: state 0A). */
function listeningPorts(pid: number | undefined): number[] {
  const own = new Set(readdirSync(`/proc/${pid}/fd`).map((fd) => linkOf(`/proc/${pid}/fd/${fd}`)));
  const rows = read(`/proc/${pid}/net/tcp`)
    .split('\n')
    .map((line) => line.trim().split(/\s+/));
  const listening = rows.filter(([, , , state, , , , , , inode]) => state === '0A' && own.has(`socket:[${inode}]`));
  return listening.map(([, at = '']) => Number.parseInt(at.split(':')[1] ?? '', 16));
}

function linkOf(path: string): string {
  try {
    return readlinkSync(path);
  } catch {
    return '';
  }
}

test('a log that cannot be opened again is told of, and the old one is written on', async (t) => {
  const folder = folderOf(t);
  const traffic = join(folder, 'there', 'traffic');
  execFileSync('mkdir', [join(folder, 'there')]);
  const logger = { spec: { protocol: 'Logger', log_file: traffic } };
  const { command, port } = await startConfig(t, {
    listeners: [listener('l', { protocol: 'TCP', port: 1, address: HOST }, { ...ECHO, ingress: [logger] })],
  });
  const client = await connectStream(t, { port: port(1) });
  renameSync(join(folder, 'there'), join(folder, 'moved'));
  command.child.kill('SIGHUP');
  await until(() => /error .*traffic cannot be written: ENOENT/.test(command.stderr), 'it says so');
  assert.equal(await ask(client, 'on'), 'on');
  await until(() => read(join(folder, 'moved', 'traffic')) === 'on', 'the old one is written on');
});

test('lines that the access log cannot take are told of in the log, and counted', async (t) => {
  const log = join(folderOf(t), 'log');
  const { ports } = await startProxy(t, ['tcp', 'metrics'], (at) => ({
    // As a disk that is full (full(4)).
    admin: { log_level: 'info', log_file: log, access_log_path: '/dev/full' },
    listeners: [
      listener('l', { protocol: 'TCP', port: at.tcp, address: HOST }, ECHO),
      listener('m', { protocol: 'HTTP', port: at.metrics, address: HOST }, { destination: { spec: PROMETHEUS } }),
    ],
  }));
  const client = await connectStream(t, { port: ports.tcp });
  client.end();
  await until(() => / warn access-log: lines are missing: .*ENOSPC/.test(read(log)), 'it says so');
  const { text } = await request({ port: ports.metrics });
  assert.match(text, /^l7mp_access_log_lost_total [1-9]/m);
});

test('lost boundaries are said once for a route, whatever the number of sessions and listeners', async (t) => {
  const log = join(folderOf(t), 'log');
  const { proxy, ports } = await startProxy(t, ['one', 'other'], (at) => ({
    admin: { log_level: 'info', log_file: log },
    routes: [
      {
        name: 'shared',
        destination: { spec: { protocol: 'Echo' } },
        ingress: [{ spec: { protocol: 'TCP', port: at.other }, endpoints: [{ spec: { address: HOST } }] }],
      },
    ],
    listeners: [
      listener('a', { protocol: 'UDP', port: at.one, address: HOST }, {}, { rules: [{ action: { route: 'shared' } }] }),
      listener(
        'b',
        { protocol: 'UDP', port: at.other, address: HOST },
        {},
        { rules: [{ action: { route: 'shared' } }] },
      ),
      listener('tcp', { protocol: 'TCP', port: at.other, address: HOST }, ECHO),
    ],
  }));
  for (const port of [ports.one, ports.one, ports.other]) {
    assert.equal(await ask(await connectDatagram(t, port), 'hello'), 'hello');
  }
  const sessions = [...(await proxy.sessions('a')), ...(await proxy.sessions('b'))];
  const warned = sessions.filter(({ events }) => events.some(({ event }: { event: string }) => event === 'WARNING'));
  assert.deepEqual([sessions.length, warned.length], [3, 3]);
  await until(() => read(log).includes('boundaries'), 'it is said');
  const said = read(log).match(/ warn .*boundaries.*/g) ?? [];
  assert.ok(said.length <= PLANES, 'each worker says it once');
  assert.deepEqual(
    [...new Set(said)],
    [' warn shared: a datagram stream is piped to a byte stream: the boundaries of messages are lost'],
  );
});

test('a long URL is one short line of the log', async (t) => {
  const log = join(folderOf(t), 'log');
  const { proxy } = await startProxy(t, [], () => ({ admin: { log_level: 'silly', log_file: log } }));
  const path = `/api/v1/${'x'.repeat(15_000)}`;
  assert.equal((await request({ port: proxy.port, path })).status, 404);
  await until(() => read(log).includes('(cut: '), 'it is said');
  const lines = read(log).split('\n');
  assert.deepEqual(
    lines.filter((line) => Buffer.byteLength(line) >= 1024),
    [],
  );
});
