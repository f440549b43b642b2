/** Draining: nothing new is taken, what there is goes on, and the API answers until the end. */
import assert from 'node:assert/strict';
import * as http from 'node:http';
import { describe, type TestContext, test } from 'node:test';
import { isRefused } from '../../src/data-plane/testing-trial.ts';
import { engines } from '../../src/io/testing.ts';
import { until } from '../../src/testing/until.ts';
import { startConfig } from '../support/command.ts';

import { ask, connectDatagram, connectStream, connectWebSocket, serveStream } from '../support/peers.ts';
import { listener, request, startProxy, type TestProxy } from '../support/proxy.ts';

const HOST = '127.0.0.1';
const ECHO = { destination: { spec: { protocol: 'Echo' } } };
const LONG = 60_000;

const at = (protocol: string, port: number) => ({ protocol, port, address: HOST });

async function left(proxy: TestProxy): Promise<number | undefined> {
  return (await proxy.ok('GET', 'admin')).draining?.sessions;
}

async function start(t: TestContext, admin: object) {
  return startProxy(t, ['tcp', 'udp', 'http', 'ws'], ({ tcp, udp, http: web, ws }) => ({
    admin,
    listeners: [
      listener('tcp', at('TCP', tcp), ECHO),
      listener('udp', at('UDP', udp), ECHO),
      listener('http', at('HTTP', web), ECHO),
      listener('ws', at('WebSocket', ws), ECHO),
    ],
  }));
}

for (const { name, admin, skip } of engines()) {
  describe(`draining on the ${name} engine`, { skip, timeout: 600_000 }, () => {
    test('frees ports at once, lets sessions go on, and the API says so', async (t) => {
      const { proxy, ports } = await start(t, admin);
      const tcp = await connectStream(t, { port: ports.tcp });
      const udp = await connectDatagram(t, ports.udp);
      const ws = await connectWebSocket(t, ports.ws);
      for (const peer of [tcp, udp, ws]) assert.equal(await ask(peer, 'hello'), 'hello');
      assert.equal((await proxy.ok('GET', 'admin')).draining, null);

      const { status, body } = await proxy.api('POST', 'drain', { timeout: LONG });
      assert.deepEqual([status, body.message], [202, 'Accepted']);
      for (const port of [ports.tcp, ports.http, ports.ws]) assert.ok(await isRefused(port));
      for (const peer of [tcp, udp, ws]) assert.equal(await ask(peer, 'and on'), 'and on');
      const stranger = await connectDatagram(t, ports.udp);
      stranger.send('hello');
      const ready = await proxy.api('GET', 'readyz');
      assert.deepEqual([ready.status, ready.body.status], [503, 'draining']);
      assert.equal((await proxy.api('GET', 'healthz')).status, 200);
      const { draining } = await proxy.ok('GET', 'admin');
      assert.equal(draining.sessions, 3);
      assert.equal(Date.parse(draining.until) - Date.parse(draining.since), LONG);
      tcp.end();
      await until(async () => (await left(proxy)) === 2, 'one has ended');
      assert.equal(stranger.messages.length, 0);
    });

    test('is taken back: the listeners listen again, with what has changed meanwhile', async (t) => {
      const { proxy, ports } = await start(t, admin);
      assert.equal((await proxy.api('POST', 'drain')).status, 202);
      await proxy.ok('DELETE', 'listeners/tcp');
      await proxy.ok('POST', 'listeners', { listener: listener('new', at('TCP', ports.tcp), ECHO) });
      assert.ok(await isRefused(ports.tcp));
      await proxy.ok('DELETE', 'drain');
      assert.equal((await proxy.ok('GET', 'admin')).draining, null);
      assert.equal((await proxy.api('GET', 'readyz')).status, 200);
      const peers = [await connectStream(t, { port: ports.tcp }), await connectDatagram(t, ports.udp)];
      for (const peer of [...peers, await connectWebSocket(t, ports.ws)]) assert.equal(await ask(peer, 'a'), 'a');
      assert.equal((await request({ port: ports.http, method: 'POST' }, 'hello')).text, 'hello');
      await proxy.ok('DELETE', 'drain');
    });

    test('is not taken back where somebody else has a port by now, and goes on', async (t) => {
      const { proxy, ports } = await start(t, admin);
      await proxy.api('POST', 'drain', { timeout: LONG });
      const other = http.createServer().listen(ports.tcp, HOST);
      t.after(() => other.close());
      await until(() => other.listening, 'it listens');
      const answer = await proxy.api('DELETE', 'drain');
      assert.equal(answer.status, 400, answer.text);
      assert.match(answer.text, /listener tcp: .*in use/);
      assert.equal((await proxy.api('GET', 'readyz')).status, 503);
      assert.ok(await isRefused(ports.http));
    });

    test('ends what is left when the time is over: WebSockets with 1001, streams in order', async (t) => {
      const { proxy, ports } = await start(t, admin);
      const tcp = await connectStream(t, { port: ports.tcp });
      const ws = await connectWebSocket(t, ports.ws);
      for (const peer of [tcp, ws]) assert.equal(await ask(peer, 'hello'), 'hello');
      await proxy.api('POST', 'drain', { timeout: 1 });
      await until(() => ws.closed === 1001 && tcp.ended, 'both are told');
      await until(async () => (await left(proxy)) === 0, 'none is left');
      assert.equal((await proxy.api('GET', 'healthz')).status, 200);
    });

    test('has HTTP say that the connection closes', async (t) => {
      const silent = await serveStream(t, { reply: () => undefined });
      const { proxy, ports } = await startProxy(t, ['http'], ({ http: web }) => ({
        admin,
        listeners: [
          listener('http', at('HTTP', web), {
            destination: { spec: { protocol: 'TCP', port: silent.port }, endpoints: [{ spec: { address: HOST } }] },
          }),
        ],
      }));
      const agent = new http.Agent({ keepAlive: true });
      t.after(() => agent.destroy());
      const answer = request({ port: ports.http, method: 'POST', agent }, 'question');
      const peer = await until(() => silent.peers[0], 'the request is under way');
      await proxy.api('POST', 'drain', { timeout: LONG });
      peer.send('answer');
      peer.end();
      const { text, headers } = await answer;
      assert.deepEqual([text, headers.connection], ['answer', 'close']);
    });

    test('refuses what comes to a listener of the API and goes elsewhere', async (t) => {
      const controller = { destination: { spec: { protocol: 'L7mpController' } } };
      const match = { op: 'starts', path: '/HTTP/url/path', value: '/api' };
      const { proxy, ports } = await startProxy(t, ['http'], ({ http: web }) => ({
        admin,
        listeners: [
          {
            name: 'l',
            spec: at('HTTP', web),
            rules: [{ match, action: { route: controller } }, { action: { route: ECHO } }],
          },
        ],
      }));
      const question = () => request({ port: ports.http, method: 'POST' }, 'hello');
      assert.equal((await question()).text, 'hello');
      await proxy.api('POST', 'drain');
      assert.equal((await question()).status, 503);
      assert.equal((await request({ port: ports.http, path: '/api/v1/admin' })).status, 200);
    });
  });
}

describe('SIGTERM', () => {
  const config = { listeners: [listener('l', at('TCP', 1), ECHO), listener('w', at('WebSocket', 2), ECHO)] };

  test('ends the process as soon as no session is left', async (t) => {
    const { command, port } = await startConfig(t, config, ['--drain', `${LONG}`]);
    const client = await connectStream(t, { port: port(1) });
    assert.equal(await ask(client, 'hello'), 'hello');
    command.child.kill('SIGTERM');
    await until(() => isRefused(port(1)), 'the port is free');
    assert.equal(await ask(client, 'and on'), 'and on');
    client.end();
    await until(() => command.over, 'it ends');
    assert.equal(command.child.exitCode, 0);
  });

  test('ends what is left when the time is over', async (t) => {
    const { command, port } = await startConfig(t, config, ['--drain', '100']);
    const ws = await connectWebSocket(t, port(2));
    assert.equal(await ask(ws, 'hello'), 'hello');
    command.child.kill('SIGTERM');
    await until(() => command.over && ws.closed === 1001, 'it ends');
    assert.equal(command.child.exitCode, 0);
  });

  for (const second of ['SIGTERM', 'SIGINT'] as const) {
    test(`waits no longer after a second signal, ${second}`, async (t) => {
      const { command, port } = await startConfig(t, config, ['--drain', `${LONG}`]);
      const ws = await connectWebSocket(t, port(2));
      assert.equal(await ask(ws, 'hello'), 'hello');
      command.child.kill('SIGTERM');
      await until(() => isRefused(port(1)), 'it drains');
      assert.equal(await ask(ws, 'and on'), 'and on');
      command.child.kill(second);
      await until(() => command.over && ws.closed === 1001, 'it ends');
      assert.equal(command.child.exitCode, 0);
    });
  }
});
