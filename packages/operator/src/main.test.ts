import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import type { AddressInfo } from 'node:net';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { until } from '../../../src/testing/until.ts';
import { FakeApi } from './kubernetes/testing.ts';
import { CORE_KINDS, L7MP_KINDS } from './resources/kinds.ts';

const COMMAND = join(import.meta.dirname, '..', 'bin', 'l7mp-operator');
const folder = mkdtempSync(join(tmpdir(), 'l7mp-operator-'));

after(() => rmSync(folder, { recursive: true }));

interface Ended {
  readonly code: number | null;
  readonly out: string;
  readonly err: string;
}

/** Of no kubeconfig, unless it is given one. */
function start(...args: string[]) {
  const env = { PATH: process.env.PATH, HOME: folder };
  const running = { out: '', err: '' };
  const child = execFile(COMMAND, args, { env });
  child.stdout?.on('data', (text) => {
    running.out += text;
  });
  child.stderr?.on('data', (text) => {
    running.err += text;
  });
  const ended = once(child, 'close').then(([code]): Ended => ({ code, ...running }));
  return { child, ended, running };
}

const run = (...args: string[]): Promise<Ended> => start(...args).ended;

function kubeconfig(server: string): string {
  const file = join(folder, 'config');
  writeFileSync(
    file,
    `{clusters: [{name: c, cluster: {server: "${server}"}}], users: [{name: u, user: {}}], contexts: [{name: x, context: {cluster: c, user: u}}], current-context: x}`,
  );
  return file;
}

test('--help and --version answer, and end with 0', async () => {
  const [help, version] = await Promise.all([run('--help'), run('--version')]);
  assert.deepEqual([help.code, version.code], [0, 0]);
  assert.match(help.out, /--leader-elect/);
  assert.match(version.out, /^\d+\.\d+\.\d+\n$/);
});

test('wrong use ends with 2, and names the option', async () => {
  const { code, err } = await run('--proxy-port', '0');
  assert.equal(code, 2);
  assert.match(err, /--proxy-port <port>.*a number from 1 to 65535/);
});

test('what keeps it from starting is said in a line, and ends with 1', async () => {
  const taken = createServer().listen(0, '127.0.0.1');
  await once(taken, 'listening');
  const address = `127.0.0.1:${(taken.address() as AddressInfo).port}`;
  const config = kubeconfig('http://127.0.0.1:1');
  const [token, metrics] = await Promise.all([
    run('--kubeconfig', config, '--proxy-token-file', '/nowhere'),
    run('--kubeconfig', config, '--metrics', address),
  ]);
  taken.close();
  assert.deepEqual([token.code, metrics.code], [1, 1]);
  assert.match(token.err, /^l7mp-operator: --proxy-token-file: ENOENT/);
  assert.match(metrics.err, /^l7mp-operator: .*EADDRINUSE/);
});

test('it becomes ready, says where it serves what, and ends in order on SIGTERM', async () => {
  const api = await FakeApi.start(...Object.values(L7MP_KINDS), ...Object.values(CORE_KINDS));
  const config = kubeconfig(api.access.server.href);
  const { child, ended, running } = start('--kubeconfig', config, '--metrics', '127.0.0.1:0');
  const address = await until(() => /"address":"([^"]+)"/.exec(running.out)?.[1]);
  await until(async () => (await fetch(`http://${address}/readyz`)).status === 200, 'it is ready');
  child.kill('SIGTERM');
  const { code, out } = await ended;
  assert.equal(code, 0);
  for (const line of out.trim().split('\n')) assert.ok(JSON.parse(line).msg);
  await api.close();
});
