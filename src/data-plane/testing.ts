/**
 * What every data plane must do, whether it is in this thread, in another one, or several that act as one. What is given to
 * it and what it gives goes through structuredClone() here, as between threads.
 */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import * as net from 'node:net';
import { describe, type TestContext, test } from 'node:test';
import { freePort } from '../testing/ports.ts';
import { until } from '../testing/until.ts';
import type { ControlPlane, DataPlane, Ending, PlaneSettings } from './contract.ts';
import { draining } from './testing-draining.ts';
import { ALL, SETTINGS } from './testing-samples.ts';
import {
  type Client,
  cloning,
  clusters,
  connect,
  ECHO,
  FakeControl,
  HOST,
  http,
  isRefused,
  route,
  Trial,
  talk,
  tcp,
} from './testing-trial.ts';

export interface PlaneSubject {
  readonly name: string;
  /** Begins one; it is closed after the test. */
  open(control: ControlPlane, settings: PlaneSettings): Promise<DataPlane>;
}

/** Runs the suite. */
export function runPlaneCompliance({ name, open }: PlaneSubject): void {
  const begin = async (t: TestContext, settings: Partial<PlaneSettings> = {}): Promise<Trial> => {
    const control = new FakeControl();
    const plane = await open(control, { ...SETTINGS, ...settings });
    t.after(() => plane.close());
    return new Trial(cloning(plane), control);
  };

  describe(`data plane: ${name}`, () => {
    changes(begin);
    changesAndSessions(begin);
    sessions(begin);
    whatItTells(begin);
    whatItIsTold(begin);
    draining(begin);
  });
}

type Begin = (t: TestContext, settings?: Partial<PlaneSettings>) => Promise<Trial>;

function changes(begin: Begin): void {
  test('a listener comes, and goes; its sessions go on', async (t) => {
    const trial = await begin(t);
    const port = await freePort();
    await trial.run({ clusters, listeners: [tcp('l', port)] });
    const client = await connect(t, port);
    await talk(client, 'one');
    await trial.run({ clusters });
    assert.equal(await isRefused(port), true);
    await talk(client, 'two');
  });

  test('a port moves from one listener to another one', async (t) => {
    const trial = await begin(t);
    const [a, b] = [await freePort(), await freePort()];
    await trial.run({ clusters, listeners: [tcp('a', a), tcp('b', b)] });
    await trial.run({ clusters, listeners: [tcp('a', b), tcp('b', a)] });
    await talk(await connect(t, a), 'x');
    const [listed] = (await trial.plane.sessions({ ...ALL, listener: 'b' })).sessions;
    assert.ok(listed);
  });

  test('an address that cannot be had is told, and everything is as before', async (t) => {
    const trial = await begin(t);
    const [kept, other, taken] = [await freePort(), await freePort(), await freePort()];
    const server = net.createServer().listen(taken, HOST);
    await once(server, 'listening');
    t.after(() => server.close());
    await trial.run({ clusters, listeners: [tcp('kept', kept)] });
    const client = await connect(t, kept);
    await talk(client, 'one');
    const failing = trial.run({ clusters, listeners: [tcp('kept', other), tcp('bad', taken)] });
    await assert.rejects(failing, { code: 'E_BIND', message: /^listener bad: / });
    assert.equal(await isRefused(other), true);
    await talk(client, 'two');
    await talk(await connect(t, kept), 'three');
  });
}

function changesAndSessions(begin: Begin): void {
  test('sessions of a listener that is undone end', async (t) => {
    const trial = await begin(t);
    const port = await freePort();
    let client: Client | undefined;
    const plane = trial.plane;
    const took = new Proxy(plane, {
      get:
        (target, property) =>
        async (...args: unknown[]) => {
          const result = await (Reflect.get(target, property) as (...all: unknown[]) => Promise<unknown>)(...args);
          if (property === 'take') client = await connect(t, port);
          if (property === 'take') await talk(client as Client, 'x');
          return result;
        },
    });
    const failing = new Trial(took, trial.control).run(
      { clusters, listeners: [tcp('l', port)] },
      { refuse: 'not kept' },
    );
    await assert.rejects(failing, /^Error: not kept$/);
    await until(() => client?.over === true, 'the client is cut off');
    assert.deepEqual(await trial.names(), []);
    assert.equal(await isRefused(port), true);
  });

  test('what changes in place is seen by later sessions, and disturbs none', async (t) => {
    const trial = await begin(t);
    const port = await freePort();
    await trial.run({ clusters, listeners: [tcp('l', port)] });
    const client = await connect(t, port);
    await talk(client, 'one');
    await trial.run({ clusters, listeners: [tcp('l', port, { options: { max_sessions: 1 } })] });
    const second = await connect(t, port);
    await until(() => second.over, 'the second one is refused');
    await talk(client, 'two');
  });

  test('sessions end by the names of what goes', async (t) => {
    const trial = await begin(t);
    const [a, b] = [await freePort(), await freePort()];
    const routes = [
      { name: 'ra', ...ECHO },
      { name: 'rb', ...ECHO },
    ];
    const via = (name: string, port: number, to: string) => tcp(name, port, { rules: route(to) });
    await trial.run({ clusters, routes, listeners: [via('a', a, 'ra'), via('b', b, 'rb')] });
    const clients = [await connect(t, a), await connect(t, b)] as const;
    for (const client of clients) await talk(client, 'x');
    const end = (ending: Omit<Ending, 'message'>) => trial.plane.settle([{ message: 'gone', ...ending }]);
    await end({ routes: ['ra'], clusters: ['other'] });
    assert.equal((await trial.names()).length, 2);
    await end({ routes: ['ra'], clusters: ['echo'] });
    await until(() => clients[0].over, 'the first one ends');
    assert.equal((await trial.names()).length, 1);
    await end({ listeners: ['b'] });
    await until(() => clients[1].over, 'the second one ends');
  });
}

function sessions(begin: Begin): void {
  test('sessions are listed in parts, in the order in which they began, and by what they are', async (t) => {
    const trial = await begin(t);
    const [a, b] = [await freePort(), await freePort()];
    await trial.run({ clusters, listeners: [tcp('a', a), tcp('b', b)] });
    for (let n = 0; n < 5; n++) await talk(await connect(t, n === 2 ? b : a), 'x');
    const all = await trial.live(5);
    const first = await trial.plane.sessions({ ...ALL, limit: 3 });
    const ids = first.sessions.map(({ id }) => id);
    assert.deepEqual([first.total, first.more, first.sessions.length], [5, true, 3]);
    assert.deepEqual(
      ids,
      ids.toSorted((x, y) => x - y),
    );
    const second = await trial.plane.sessions({ ...ALL, limit: 3, after: ids.at(-1) as number, fields: ['name'] });
    assert.deepEqual([second.total, second.more], [5, false]);
    assert.deepEqual(
      second.sessions.map(({ view }) => view),
      all.slice(3).map((one) => ({ name: one })),
    );
    assert.equal((await trial.names({ listener: 'b' })).length, 1);
    assert.equal((await trial.names({ cluster: 'echo', status: 'CONNECTED' })).length, 5);
    assert.equal((await trial.names({ peer: '127.0.0.0/8' })).length, 5);
    assert.equal((await trial.names({ peer: '10.0.0.0/8' })).length, 0);
  });

  test('a session is shown, with its worker, and ended', async (t) => {
    const trial = await begin(t);
    const port = await freePort();
    await trial.run({ clusters, listeners: [tcp('l', port)] });
    const client = await connect(t, port);
    await talk(client, 'x');
    const [own] = (await trial.live(1)) as [string];
    const shown = (await trial.plane.session(own)) as { worker: number; destination: { origin: string } };
    assert.ok(Number.isInteger(shown.worker));
    assert.equal(shown.destination.origin, 'echo');
    assert.equal(await trial.plane.endSession(own), true);
    await until(() => client.over, 'it has ended');
    assert.equal(await trial.plane.session(own), undefined);
    assert.equal(await trial.plane.endSession(own), false);
  });
}

function whatItTells(begin: Begin): void {
  test('everything is counted, by the names of the objects', async (t) => {
    const trial = await begin(t);
    const port = await freePort();
    await trial.run({ clusters, listeners: [tcp('l', port)] });
    const client = await connect(t, port);
    await talk(client, 'four');
    const before = await trial.plane.counters();
    assert.deepEqual(
      [before.sessions, before.listeners.get('l')?.sessions, before.listeners.get('l')?.requests],
      [1, 1, 1],
    );
    assert.equal(before.clusters.get('echo')?.requests, 1);
    assert.equal(before.rungSessions.get('userspace'), 1);
    assert.equal(before.rungBytes.get('userspace'), 8);
    client.socket.destroy();
    await until(async () => (await trial.plane.counters()).connections === 0, 'its socket is closed');
    const after = await trial.plane.counters();
    assert.equal(after.sessions, 0);
    assert.equal(
      [...after.ended.values()].reduce((n, more) => n + more, 0),
      1,
    );
  });

  test('lines of the log and records of sessions are told where they are wanted', async (t) => {
    const trial = await begin(t, { logLevel: 'silent' });
    const port = await freePort();
    await trial.run({ clusters, listeners: [tcp('l', port)] });
    (await connect(t, port)).socket.destroy();
    await until(async () => (await trial.plane.counters()).ended.size > 0, 'it has ended');
    assert.deepEqual([trial.control.lines, trial.control.records], [[], []]);
    await trial.plane.configure({ ...SETTINGS, logLevel: 'verbose', accessLog: true });
    (await connect(t, port)).socket.destroy();
    await until(() => trial.control.records.length === 1, 'a record');
    assert.equal((trial.control.records[0] as { listener: string }).listener, 'l');
    await until(() => trial.control.lines.some(({ message }) => message.startsWith('INIT')), 'a line');
  });
}

function whatItIsTold(begin: Begin): void {
  test('limits are taken up', async (t) => {
    const trial = await begin(t);
    const port = await freePort();
    await trial.run({ clusters, listeners: [tcp('l', port)] });
    await trial.plane.configure({ ...SETTINGS, limits: { ...SETTINGS.limits, max_sessions: 0 } });
    const client = await connect(t, port);
    await until(() => client.over, 'it is refused');
    const { refused } = await trial.plane.counters();
    assert.equal(refused.get('max-sessions'), 1);
  });

  test('requests to the API, and for the metrics, come to the control plane', async (t) => {
    const trial = await begin(t);
    const [api, metrics] = [await freePort(), await freePort()];
    await trial.run({ listeners: [http('api', api, 'L7mpController'), http('metrics', metrics, 'Prometheus')] });
    const answer = await fetch(`http://${HOST}:${api}/x`, { method: 'POST', body: 'question' });
    assert.deepEqual([answer.status, await answer.text()], [200, 'answered']);
    const [request] = trial.control.requests;
    assert.deepEqual([request?.url, Buffer.from(request?.body ?? []).toString()], ['/x', 'question']);
    assert.equal(await (await fetch(`http://${HOST}:${metrics}/`)).text(), 'measured');
  });

  test('what it runs on is told, and closing it frees everything', async (t) => {
    const trial = await begin(t);
    const port = await freePort();
    await trial.run({ clusters, listeners: [tcp('l', port)] });
    const client = await connect(t, port);
    await talk(client, 'x');
    const { io, offload } = await trial.plane.status();
    assert.deepEqual([typeof io.engine, offload.on], ['string', false]);
    await trial.plane.reopen();
    await trial.plane.close();
    await until(() => client.over, 'its sessions end');
    assert.equal(await isRefused(port), true);
  });
}
