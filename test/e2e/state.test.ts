/** What survives the end of the process, and what SIGHUP takes up. */
import assert from 'node:assert/strict';
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  symlinkSync,
  unlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { freePort } from '../../src/testing/ports.ts';
import { until } from '../../src/testing/until.ts';
import { Command, L7MP } from '../support/command.ts';
import { ask, connectStream } from '../support/peers.ts';
import { listener, request } from '../support/proxy.ts';

const HOST = '127.0.0.1';
const ECHO = { destination: { spec: { protocol: 'Echo' } } };

const at = (protocol: string, port: number) => ({ protocol, port, address: HOST });

/** A folder with a configuration that has a controller, and a state file where that is asked for. */
async function folderWith(t: TestContext, listeners: object[] = [], admin: object = {}) {
  const folder = mkdtempSync(join(tmpdir(), 'l7mp-state-'));
  t.after(() => rmSync(folder, { recursive: true }));
  const port = await freePort();
  const state = join(folder, 'state');
  const file = join(folder, 'config.json');
  const write = (more: object[], settings: object = admin): void => {
    const controller = listener('controller', at('HTTP', port), {
      destination: { spec: { protocol: 'L7mpController' } },
    });
    writeFileSync(file, JSON.stringify({ admin: settings, listeners: [controller, ...more] }));
  };
  write(listeners, { state, ...admin });
  const start = (...args: string[]): Command => new Command(t, L7MP, ['-c', file, ...args]);
  const api = (method: string, path: string, body?: object) =>
    request(
      { port, method, path: `/api/v1/${path}`, headers: body && { 'content-type': 'application/json' } },
      body && JSON.stringify(body),
    );
  return { folder, file, state, write, start, api };
}

const rule = (name: string) => ({ rule: { name, action: { apply: 'x' } } });

async function namesOf(api: Awaited<ReturnType<typeof folderWith>>['api'], kind: string): Promise<string[]> {
  return (await api('GET', kind)).body.map(({ name }: { name: string }) => name);
}

for (const threads of [0, 2]) {
  test(`a kill -9 in the middle of a hundred changes loses none that was answered: ${threads} threads`, async (t) => {
    const { start, api } = await folderWith(t, [], { threads });
    const command = await start().running();
    const answered: string[] = [];
    const all = Array.from({ length: 100 }, async (_, n) => {
      const { status } = await api('POST', 'rules', rule(`r${n}`));
      if (status === 200) answered.push(`r${n}`);
      if (answered.length === 40) command.child.kill('SIGKILL');
    });
    await Promise.allSettled(all);
    await until(() => command.over, 'it is dead');
    assert.ok(answered.length >= 40 && answered.length < 100, `${answered.length}`);
    await start().running();
    const kept = new Set(await namesOf(api, 'rules'));
    assert.deepEqual(
      answered.filter((name) => !kept.has(name)),
      [],
    );
  });
}

test('what the API has changed, taken away and set is so after a restart; what only the file may say is the file’s', async (t) => {
  const port = await freePort();
  const { start, api, state, write } = await folderWith(t, [listener('gone', at('TCP', await freePort()), ECHO)]);
  const first = await start().running();
  const { name: _, ...own } = listener('own', at('TCP', port), ECHO) as { name: string };
  assert.equal((await api('PUT', 'listeners/own', { listener: own })).status, 201);
  assert.equal((await api('DELETE', 'listeners/gone?recursive=true')).status, 200);
  assert.equal((await api('POST', 'admin', { admin: { log_level: 'verbose' } })).status, 200);
  const form = (await api('GET', 'config?form=apply')).body;
  await first.stop();

  write([], { state, body_limit: 5000 });
  await start().running();
  assert.deepEqual((await api('GET', 'config?form=apply')).body, form);
  assert.equal((await api('GET', 'admin')).body.body_limit, 5000);
  assert.equal(await ask(await connectStream(t, { port }), 'hello'), 'hello');
});

test('--ignore-state starts with the configuration file', async (t) => {
  const { start, api } = await folderWith(t);
  const first = await start().running();
  await api('POST', 'rules', rule('posted'));
  await first.stop();
  const second = await start('--ignore-state').running();
  assert.ok(!(await namesOf(api, 'rules')).includes('posted'));
  await second.stop();
  await start().running();
  assert.ok((await namesOf(api, 'rules')).includes('posted'));
});

test('a damaged state ends the start with 1 and its name', async (t) => {
  const { start, state, api } = await folderWith(t);
  const first = await start().running();
  await api('POST', 'rules', rule('posted'));
  await first.stop();
  const good = readFileSync(state, 'utf8');
  for (const text of ['', good.slice(0, -20), good.replace('posted', 'posten')]) {
    writeFileSync(state, text);
    const command = start();
    await until(() => command.over, 'it ends');
    assert.equal(command.child.exitCode, 1);
    assert.match(command.stderr, new RegExp(`the state file ${state} cannot be used: .*--ignore-state`));
  }
});

test('a change that cannot be kept is undone, and answered with 500', async (t) => {
  const { start, api, folder, state } = await folderWith(t, [], { state: '/proc/l7mp/state' });
  await start().running();
  assert.ok(folder && state);
  const { status, body } = await api('POST', 'rules', rule('posted'));
  assert.deepEqual([status, /state file \/proc\/l7mp\/state/.test(body.content)], [500, true], body.content);
  assert.ok(!(await namesOf(api, 'rules')).includes('posted'));
});

test('SIGHUP takes the configuration file in again: what is equal stays, and an error changes nothing', async (t) => {
  const [kept, moved, next] = [await freePort(), await freePort(), await freePort()];
  const one = listener('kept', at('TCP', kept), ECHO);
  const { start, api, write, file } = await folderWith(t, [one, listener('moved', at('TCP', moved), ECHO)], {
    log_level: 'info',
  });
  const command = await start().running();
  const session = await connectStream(t, { port: kept });
  assert.equal(await ask(session, 'before'), 'before');
  await api('POST', 'rules', rule('posted'));

  write([one, listener('moved', at('TCP', next), ECHO)]);
  command.child.kill('SIGHUP');
  await until(() => /config\.json is read again: /.test(command.output), 'it is read again');
  assert.match(command.output, /listener moved: restart \/spec\/port/);
  assert.equal(await ask(session, 'after'), 'after');
  assert.equal(await ask(await connectStream(t, { port: next }), 'there'), 'there');
  assert.ok(!(await namesOf(api, 'rules')).includes('posted'));

  writeFileSync(file, '{"listeners": [{"name": "kept"');
  command.child.kill('SIGHUP');
  await until(() => /config\.json is not taken, nothing has changed: /.test(command.output), 'it is refused');
  assert.equal(await ask(session, 'again'), 'again');
});

test('SIGHUP also takes up what the API may not say: who may use it', async (t) => {
  const { start, api, write } = await folderWith(t, [], { log_level: 'info' });
  const command = await start().running();
  write([], { auth: { tokens: [{ name: 'a', token: 'secret', role: 'admin' }] } });
  command.child.kill('SIGHUP');
  await until(async () => (await api('GET', 'rules')).status === 401, 'a token is asked for');
  assert.doesNotMatch(command.output, /secret/);
});

test('what the command line says is for one run, and what the API says after that stays', async (t) => {
  const { start, api } = await folderWith(t, [], { log_level: 'info' });
  const change = () => api('PUT', 'rules/posted', { rule: { action: { apply: 'x' } } });
  const levelAfter = async (level?: string) => {
    const command = await start(...(level ? ['--loglevel', level] : [])).running();
    const { log_level: now } = (await api('GET', 'admin')).body;
    return { now, stop: () => command.stop() };
  };
  const first = await levelAfter('verbose');
  await change();
  await first.stop();
  const second = await levelAfter();
  await api('POST', 'admin', { admin: { log_level: 'notice' } });
  await second.stop();
  const third = await levelAfter('verbose');
  await change();
  await third.stop();
  const fourth = await levelAfter();
  assert.deepEqual([first.now, second.now, third.now, fourth.now], ['verbose', 'info', 'verbose', 'notice']);
});

test('plugins of the file are not lost with a state, so that SIGHUP takes the file in again', async (t) => {
  const { start, api, file, folder } = await folderWith(t, [], { log_level: 'info' });
  writeFileSync(join(folder, 'plugin.mjs'), 'export default [];');
  const config = JSON.parse(readFileSync(file, 'utf8'));
  writeFileSync(file, JSON.stringify({ ...config, plugins: ['./plugin.mjs'] }));
  const first = await start().running();
  await api('POST', 'rules', rule('posted'));
  await first.stop();
  const second = await start().running();
  assert.deepEqual((await api('GET', 'admin')).body.plugins, ['./plugin.mjs']);
  assert.ok((await namesOf(api, 'rules')).includes('posted'));
  second.child.kill('SIGHUP');
  await until(() => /config\.json is (?:read again|not taken)/.test(second.output), 'an answer to SIGHUP');
  assert.match(second.output, /config\.json is read again/);
});

for (const field of ['log_file', 'access_log_path']) {
  test(`a ${field} that the API has named is not followed through a link after a restart`, async (t) => {
    const { start, api, file, folder, state } = await folderWith(t);
    const [files, victim] = [join(folder, 'files'), join(folder, 'victim')];
    mkdirSync(files);
    const config = JSON.parse(readFileSync(file, 'utf8'));
    writeFileSync(file, JSON.stringify({ ...config, admin: { state, files } }));
    const log = join(files, 'x.log');
    const first = await start().running();
    assert.equal((await api('POST', 'admin', { admin: { [field]: log } })).status, 200);
    await first.stop();
    const second = start();
    await until(async () => (await api('GET', 'admin').catch(() => undefined))?.body[field] === log, 'it is kept');
    await second.stop();

    unlinkSync(log);
    symlinkSync(victim, log);
    const command = start();
    await until(() => command.over, 'it ends');
    assert.match(command.stderr, new RegExp(`${field}: .*x\\.log is a symbolic link`));
    assert.deepEqual([command.child.exitCode, existsSync(victim)], [1, false]);
  });
}
