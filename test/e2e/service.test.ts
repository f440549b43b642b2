/** The command as a service: what a service manager (systemd) is told, and its unit. */
import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, type TestContext, test } from 'node:test';
import { freePort } from '../../src/testing/ports.ts';
import { until } from '../../src/testing/until.ts';
import { Command, L7MP, ROOT, writeConfig } from '../support/command.ts';
import { program, run } from '../support/programs.ts';

const folder = mkdtempSync(join(tmpdir(), 'l7mp-service-'));
after(() => rmSync(folder, { recursive: true }));
let sockets = 0;

/** A service manager's socket: what it has been told. */
async function manager(
  t: TestContext,
  address = join(folder, `${++sockets}`),
): Promise<{ address: string; heard: Command }> {
  const from = address.startsWith('@') ? `ABSTRACT-RECV:${address.slice(1)}` : `UNIX-RECV:${address}`;
  const heard = new Command(t, program('socat'), ['-d', '-d', '-u', from, 'STDOUT']);
  await until(() => heard.stderr.includes('starting data transfer loop'), 'it listens');
  return { address, heard };
}

const CONFIG = { admin: { threads: 1 }, listeners: [] };

async function start(t: TestContext, config: object, ...env: string[]): Promise<Command> {
  return new Command(t, 'env', [...env, L7MP, '-c', await writeConfig(t, config)]).running();
}

test('a service manager hears that it runs, that it reads its configuration again, and that it ends', async (t) => {
  const { address, heard } = await manager(t);
  const proxy = await start(t, CONFIG, `NOTIFY_SOCKET=${address}`);
  await until(() => /^READY=1\nSTATUS=version \S+ runs, with .*$/m.test(heard.stdout), 'it has heard');
  proxy.child.kill('SIGHUP');
  await until(() => /^RELOADING=1\nMONOTONIC_USEC=\d+\nREADY=1$/m.test(heard.stdout), 'it has heard');
  proxy.child.kill('SIGTERM');
  const last = /^STOPPING=1\nSTATUS=draining, for 5000 ms at most\nEXTEND_TIMEOUT_USEC=15000000$/m;
  await until(() => last.test(heard.stdout), 'it has heard');
  await until(() => proxy.over, 'it ends');
  assert.equal(proxy.child.exitCode, 0);
  assert.ok(!heard.stdout.includes('WATCHDOG'), 'nobody has asked for that');
});

test('the socket may be an abstract one', async (t) => {
  const { address, heard } = await manager(t, `@l7mp-test-${process.pid}`);
  await start(t, CONFIG, `NOTIFY_SOCKET=${address}`);
  await until(() => heard.stdout.includes('READY=1'), 'it has heard');
});

test('a service manager that cannot be told is a warning', async (t) => {
  const proxy = await start(t, CONFIG, `NOTIFY_SOCKET=${join(folder, 'nowhere')}`);
  await until(() => /warn service: the service manager is not told: sendto ENOENT/.test(proxy.output), 'it says so');
});

const HANGING = `
import { defineProtocol, LocalChannel, strict } from 'l7mp';

class Hanging extends LocalChannel {
  work() {
    for (;;);
  }
}

export default defineProtocol({
  name: 'Hanging',
  title: 'hangs',
  cluster: { schema: strict({}), kind: 'same', virtual: true, open: (spec, { limits }) => ({ dial: () => new Hanging(limits) }) },
});
`;

test('the watchdog hears that the proxy lives, until a worker hangs', async (t) => {
  const { address, heard } = await manager(t);
  const plugin = join(folder, 'hanging.mjs');
  writeFileSync(plugin, HANGING);
  const port = await freePort();
  const listener = {
    name: 'hangs',
    spec: { protocol: 'TCP', port, address: '127.0.0.1' },
    rules: [{ action: { route: { destination: { spec: { protocol: 'Hanging' } } } } }],
  };
  const config = { plugins: [plugin], admin: { threads: 1 }, listeners: [listener] };
  const proxy = await start(t, config, `NOTIFY_SOCKET=${address}`, 'WATCHDOG_USEC=200000');
  const signs = (): number => heard.stdout.split('WATCHDOG=1').length - 1;
  await until(() => signs() >= 3, 'it hears so again and again');
  await run('socat', ['-u', 'EXEC:echo', `TCP:127.0.0.1:${port}`]);
  const silent = /error service: a part of the proxy does not answer/;
  await until(() => silent.test(proxy.output), 'it says so');
  proxy.child.kill('SIGKILL');
});

test('what a watchdog of another process wants is left alone', async (t) => {
  const { address, heard } = await manager(t);
  const proxy = await start(t, CONFIG, `NOTIFY_SOCKET=${address}`, 'WATCHDOG_USEC=1000', 'WATCHDOG_PID=1');
  await until(() => heard.stdout.includes('READY=1'), 'it has heard');
  await proxy.stop();
  assert.ok(!heard.stdout.includes('WATCHDOG'));
});

test('the unit is one that systemd takes, and says is well protected', async () => {
  const unit = join(ROOT, 'systemd', 'l7mp.service');
  const stdout = await run('systemd-analyze', ['security', '--offline=yes', unit]);
  const [, exposure] = /Overall exposure level for l7mp.service: ([\d.]+)/.exec(stdout) ?? [];
  assert.ok(Number(exposure) <= 2, stdout);
});
