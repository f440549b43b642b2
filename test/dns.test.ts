/** A real DNS server behind the proxy, asked by a real client. */
import assert from 'node:assert/strict';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir, userInfo } from 'node:os';
import { join } from 'node:path';
import { before, type TestContext, test } from 'node:test';
import { freePort } from '../src/testing/ports.ts';
import { until } from '../src/testing/until.ts';
import { Command } from './support/command.ts';
import { program, run } from './support/programs.ts';
import { listener, startProxy } from './support/proxy.ts';

const HOST = '127.0.0.1';
const NAMES = 200;

const nameOf = (n: number) => `host-${n}.test`;
const addressOf = (n: number) => `10.1.${n >> 8}.${n & 255}`;

before(() => {
  program('dnsmasq');
  program('dig');
});

const RECORDS = Array.from({ length: NAMES }, (_, n) => `--host-record=${nameOf(n)},${addressOf(n)}`);

/** Starts dnsmasq, which knows some names and asks nobody. */
async function startServer(t: TestContext, port: number): Promise<Command> {
  const own = ['--keep-in-foreground', '--log-facility=-', '--conf-file=/dev/null', '--pid-file='];
  const quiet = ['--no-resolv', '--no-hosts', `--user=${userInfo().username}`];
  const at = [`--port=${port}`, `--listen-address=${HOST}`, '--bind-interfaces'];
  const server = new Command(t, program('dnsmasq'), [...own, ...quiet, ...at, ...RECORDS]);
  await until(() => server.output.includes('started') || server.over, 'dnsmasq listens');
  assert.ok(!server.over, server.output);
  return server;
}

/** Asks on the port, and gives the answers. dig asks again where one does not come in time, and says so. */
async function dig(port: number, ...args: string[]): Promise<string[]> {
  const answers = await run('dig', [`@${HOST}`, '-p', String(port), '+short', '+time=10', '+tries=10', ...args]);
  return answers
    .trim()
    .split('\n')
    .filter((line) => !line.startsWith(';'));
}

const to = (protocol: string, port: number) => ({
  destination: { spec: { protocol, port }, endpoints: [{ spec: { address: HOST } }] },
});

/** A proxy with a listener of that protocol in front of a server. */
async function startAll(t: TestContext, protocol: 'UDP' | 'TCP') {
  const serverPort = await freePort();
  const server = await startServer(t, serverPort);
  const { proxy, ports } = await startProxy(t, ['dns'], ({ dns }) => ({
    listeners: [listener('dns', { protocol, port: dns }, to(protocol, serverPort))],
  }));
  return { proxy, port: ports.dns, server, serverPort };
}

test('a query on the UDP listener is answered by the server behind it', async (t) => {
  const { proxy, port } = await startAll(t, 'UDP');
  assert.deepEqual(await dig(port, '+notcp', nameOf(7)), [addressOf(7)]);
  const [session] = await proxy.sessions('dns');
  assert.deepEqual(
    [session.source.messages, session.destination.messages],
    [
      { in: 1, out: 1 },
      { in: 1, out: 1 },
    ],
  );
});

test('200 queries by several clients at once each get their own answer', async (t) => {
  const { proxy, port } = await startAll(t, 'UDP');
  const folder = await mkdtemp(join(tmpdir(), 'l7mp-dns-'));
  t.after(() => rm(folder, { recursive: true }));
  const clients = 4;
  const each = NAMES / clients;
  const asked = Array.from({ length: clients }, async (_, client) => {
    const numbers = Array.from({ length: each }, (__, n) => client * each + n);
    const file = join(folder, String(client));
    await writeFile(file, numbers.map((n) => `${nameOf(n)}\n`).join(''));
    const answers = await dig(port, '+notcp', '-b', `127.0.0.${client + 1}`, '-f', file);
    assert.deepEqual(answers, numbers.map(addressOf));
  });
  await Promise.all(asked);
  const from = new Set((await proxy.sessions('dns')).map(({ metadata }) => metadata.IP.src_addr));
  assert.equal(from.size, clients);
});

test('a client whose server is restarted gets its answer afterwards, in the same session', async (t) => {
  const { proxy, port, server, serverPort } = await startAll(t, 'UDP');
  const own = await freePort();
  const from = ['-b', `${HOST}#${own}`, '+time=1'];
  assert.deepEqual(await dig(port, '+notcp', ...from, nameOf(1)), [addressOf(1)]);
  await server.stop();
  const answer = dig(port, '+notcp', ...from, nameOf(2));
  await until(async () => {
    const [session] = await proxy.sessions('dns');
    return session.events.some(({ message }: { message: string }) => message.includes('ECONNREFUSED'));
  }, 'an ICMP error');
  await startServer(t, serverPort);
  assert.deepEqual(await answer, [addressOf(2)]);
  assert.equal((await proxy.sessions('dns')).length, 1);
});

test('a query over TCP is answered through the TCP listener', async (t) => {
  const { proxy, port } = await startAll(t, 'TCP');
  assert.deepEqual(await dig(port, '+tcp', nameOf(5)), [addressOf(5)]);
  const all = Array.from({ length: 20 }, (_, n) => nameOf(n));
  assert.deepEqual(
    await dig(port, '+tcp', '+keepopen', ...all),
    all.map((_, n) => addressOf(n)),
  );
  await proxy.noSession('dns');
});
