/** Programs that sessions run: who may have them run, and that none outlives its session, its worker or the proxy. */
import assert from 'node:assert/strict';
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { freePort } from '../../src/testing/ports.ts';
import { until } from '../../src/testing/until.ts';
import { Command, L7MP } from '../support/command.ts';
import { refused } from '../support/config.ts';
import { failing, failsAt, makeFail } from '../support/failing.ts';
import { bytes, connectStream, type Peer } from '../support/peers.ts';
import { listener, request, startProxy } from '../support/proxy.ts';

const HOST = '127.0.0.1';

/** `kill_timeout`: short for those that do not end by themselves. */
const fork = (...command: string[]) => ({ protocol: 'STDIO-fork', command, kill_timeout: 500 });
const sh = (script: string) => fork('sh', '-c', script);
const to = (spec: object) => ({ destination: { spec } });

/** Says who it is, and ends for nobody but SIGKILL. */
const STUBBORN = sh('trap "" TERM; echo $$; while :; do sleep 1; done');

function lives(pid: number): boolean {
  return existsSync(`/proc/${pid}`);
}

function folderOf(t: TestContext): string {
  const folder = mkdtempSync(join(tmpdir(), 'l7mp-fork-'));
  t.after(() => rmSync(folder, { recursive: true }));
  return folder;
}

async function pidOf(peer: Peer): Promise<number> {
  await until(() => bytes(peer).includes('\n'), 'it says who it is');
  return Number(bytes(peer).toString());
}

for (const threads of [0, 1]) {
  test(`each session has a program, whose end its client sees, and its events tell (${threads} threads)`, async (t) => {
    const log = join(folderOf(t), 'log');
    const { ports } = await startProxy(t, ['sum', 'fails', 'none'], (ports) => ({
      admin: { threads, log_file: log, log_level: 'verbose' },
      listeners: [
        listener('sum', { protocol: 'TCP', port: ports.sum }, to(fork('awk', '{ n += $1 } END { print n }'))),
        listener('fails', { protocol: 'TCP', port: ports.fails }, to(sh('echo half; exit 3'))),
        listener('none', { protocol: 'TCP', port: ports.none }, to(fork('/there/is/none'))),
      ],
    }));
    const sums = await Promise.all([1, 2, 3].map(() => connectStream(t, { port: ports.sum })));
    for (const [n, peer] of sums.entries()) {
      peer.send(`${n}\n40\n`);
      peer.end();
    }
    await until(() => sums.every(({ ended }) => ended), 'all sums are there');
    assert.deepEqual(
      sums.map((peer) => bytes(peer).toString()),
      ['40\n', '41\n', '42\n'],
    );
    const failing = await connectStream(t, { port: ports.fails });
    await until(() => failing.ended, 'it has ended');
    assert.equal(bytes(failing).toString(), 'half\n');
    const none = await connectStream(t, { port: ports.none });
    await until(() => none.ended || none.closed !== undefined, 'it is refused');

    const told = (what: RegExp) => until(() => what.test(readFileSync(log, 'utf8')), `${what} in the log`);
    await told(/DISCONNECT: stage \S+: child \d+ has exited with status 0$/m);
    await told(/ERROR: \S+: child \d+ has exited with status 3$/m);
    await told(/cannot run \/there\/is\/none: ENOENT/);
  });
}

test('a program does not outlive the worker that its session is in', async (t) => {
  const { ports } = await startProxy(
    t,
    ['stubborn', 'fails'],
    (ports) => ({
      admin: { threads: 1, log_level: 'silent' },
      listeners: [listener('stubborn', { protocol: 'TCP', port: ports.stubborn }, to(STUBBORN)), failsAt(ports.fails)],
    }),
    { plugins: [await failing(t)] },
  );
  const pid = await pidOf(await connectStream(t, { port: ports.stubborn }));
  assert.ok(lives(pid));
  await makeFail(ports.fails);
  await until(() => !lives(pid), 'it is gone');
});

test('at the end of the proxy a program may finish what it does, and none is left', async (t) => {
  const folder = folderOf(t);
  const [file, out, port, other] = [
    join(folder, 'config.json'),
    join(folder, 'out'),
    await freePort(),
    await freePort(),
  ];
  const at = (port: number) => ({ protocol: 'TCP', port, address: HOST });
  const listeners = [
    listener(
      'finishes',
      at(port),
      to({ ...sh(`echo $$; cat >/dev/null; sleep 0.2; echo done >${out}`), kill_timeout: 10_000 }),
    ),
    listener('stubborn', at(other), to(STUBBORN)),
  ];
  writeFileSync(file, JSON.stringify({ listeners }));
  const pids = async () => Promise.all([port, other].map(async (port) => pidOf(await connectStream(t, { port }))));

  const first = await new Command(t, L7MP, ['-c', file, '--drain', '200']).running();
  const finishing = await pids();
  first.child.kill('SIGTERM');
  await until(() => first.over, 'it ends');
  assert.equal(readFileSync(out, 'utf8'), 'done\n');
  assert.ok(!finishing.some(lives));

  const second = await new Command(t, L7MP, ['-c', file]).running();
  const interrupted = await pids();
  await second.stop();
  await until(() => !interrupted.some(lives), 'they are gone');
});

// -------------------------------------------------------------------- who may

const FORBIDDEN = /it runs programs, and so is for the start-up file only \(admin\.allow_exec\)$/;

/** All by which the API may make one. */
const MAKERS: readonly (readonly [method: string, path: string, body: object])[] = [
  ['POST', 'clusters', { cluster: { name: 'x', spec: fork('true') } }],
  ['PUT', 'clusters/x', { cluster: { spec: fork('true') } }],
  ['PUT', 'clusters/given', { cluster: { spec: fork('true') } }],
  ['POST', 'routes', { route: { name: 'x', destination: 'given', ingress: [{ spec: fork('true') }] } }],
  ['POST', 'rules', { rule: { name: 'x', action: { route: to(fork('true')) } } }],
  ['POST', 'config', { clusters: [{ name: 'x', spec: fork('true') }] }],
  ['PUT', 'config', { clusters: [{ name: 'x', spec: fork('true') }] }],
];

test('the API makes none, and changes none, unless the start-up file allows that', async (t) => {
  const { proxy } = await startProxy(t, [], () => ({ clusters: [{ name: 'given', spec: fork('cat') }] }));
  for (const request of MAKERS) assert.match(await refused(proxy, 403, ...request), FORBIDDEN);
  assert.match(await refused(proxy, 403, 'POST', 'admin', { admin: { allow_exec: true } }), /start-up file only$/);
  assert.equal((await proxy.ok('GET', 'admin')).allow_exec, false);
  // What is as it was may come again, with other options.
  await proxy.ok('PUT', 'clusters/given', { cluster: { spec: fork('cat'), options: { idle_timeout: 1000 } } });
  await proxy.ok('POST', 'routes', { route: { name: 'to-it', destination: 'given' } });
});

test('where the start-up file allows it the API makes them', async (t) => {
  const { proxy, ports } = await startProxy(t, ['l'], () => ({ admin: { allow_exec: true } }));
  const spec = { protocol: 'TCP', port: ports.l, address: HOST };
  await proxy.ok('POST', 'listeners', { listener: listener('l', spec, to(fork('echo', 'hello'))) });
  const peer = await connectStream(t, { port: ports.l });
  await until(() => peer.ended, 'it has said all');
  assert.equal(bytes(peer).toString(), 'hello\n');
});

test('one that the API has made does not come back with the state where that is not allowed any more', async (t) => {
  const folder = folderOf(t);
  const [file, state, port] = [join(folder, 'config.json'), join(folder, 'state'), await freePort()];
  const controller = listener('c', { protocol: 'HTTP', port, address: HOST }, to({ protocol: 'L7mpController' }));
  const write = (admin: object) =>
    writeFileSync(file, JSON.stringify({ admin: { state, ...admin }, listeners: [controller] }));
  const start = () => new Command(t, L7MP, ['-c', file]);
  const clusters = async (): Promise<string[]> =>
    (await request({ port, path: '/api/v1/clusters' })).body.map(({ name }: { name: string }) => name);
  write({ allow_exec: true });
  const first = await start().running();
  const headers = { 'content-type': 'application/json' };
  const body = JSON.stringify({ cluster: { name: 'posted', spec: fork('cat') } });
  await request({ port, method: 'POST', path: '/api/v1/clusters', headers }, body);
  await first.stop();

  write({});
  const refused = start();
  await until(() => refused.over, 'it ends');
  assert.equal(refused.child.exitCode, 1);
  assert.match(refused.stderr, /cluster posted: \/spec: it runs programs/);

  write({ allow_exec: true });
  await start().running();
  assert.ok((await clusters()).includes('posted'));
});
