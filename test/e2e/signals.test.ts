/** How the command ends, what it leaves behind, and what it does about what others have left. */
import assert from 'node:assert/strict';
import * as dgram from 'node:dgram';
import { once } from 'node:events';
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import * as net from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, describe, type TestContext, test } from 'node:test';
import { until } from '../../src/testing/until.ts';
import { Command, L7MP, startConfig, writeConfig } from '../support/command.ts';
import { request } from '../support/http.ts';
import {
  ask,
  bytes,
  connectDatagram,
  connectStream,
  connectWebSocket,
  next,
  serveDatagram,
  serveStream,
} from '../support/peers.ts';
import { request as apiRequest, listener } from '../support/proxy.ts';

const HOST = '127.0.0.1';
const ECHO = { destination: { spec: { protocol: 'Echo' } } };

const folder = mkdtempSync(join(tmpdir(), 'l7mp-signals-'));
after(() => rmSync(folder, { recursive: true }));
let files = 0;
const newPath = () => join(folder, `${++files}`);

const to = (protocol: string, port: number) => ({
  destination: { spec: { protocol, port }, endpoints: [{ spec: { address: HOST } }] },
});

const at = (protocol: string, port: number) => ({ protocol, port, address: HOST });

async function ended(command: Command): Promise<number | null> {
  await until(() => command.over, 'it ends');
  return command.child.exitCode;
}

async function send(command: Command, signal: NodeJS.Signals): Promise<number | null> {
  command.child.kill(signal);
  return ended(command);
}

/** Rejects with EADDRINUSE where a port is still taken. */
async function isFree(port: number): Promise<void> {
  const server = net.createServer().listen({ port, host: HOST });
  await once(server, 'listening');
  server.close();
  const socket = dgram.createSocket('udp4').bind({ port, address: HOST, exclusive: true });
  await once(socket, 'listening');
  socket.close();
}

for (const signal of ['SIGTERM', 'SIGINT'] as const) {
  describe(signal, () => {
    test('ends the proxy with 0, and nothing is left behind', async (t) => {
      const [path, other] = [newPath(), newPath()];
      const unix = { protocol: 'UnixDomainSocket' };
      const { command, port } = await startConfig(t, {
        listeners: [
          listener('tcp', at('TCP', 1), ECHO),
          listener('udp', at('UDP', 2), ECHO),
          listener('http', at('HTTP', 3), ECHO),
          listener('ws', at('WebSocket', 4), ECHO),
          listener('unix', { ...unix, filename: path }, ECHO),
          listener('json', { protocol: 'JSONSocket', transport: at('UDP', 5) }, ECHO),
          listener('json-unix', { protocol: 'JSONSocket', transport: { ...unix, filename: other } }, ECHO),
        ],
      });
      assert.ok(existsSync(path) && existsSync(other));
      assert.equal(await send(command, signal), 0);
      assert.deepEqual([existsSync(path), existsSync(other)], [false, false]);
      for (const written of [1, 2, 3, 4, 5]) await isFree(port(written));
    });

    test('ends a proxy that is busy, and its peers are told', async (t) => {
      const path = newPath();
      const stream = await serveStream(t);
      const datagram = await serveDatagram(t);
      const silent = await serveStream(t, { reply: () => undefined });
      const { command, port } = await startConfig(t, {
        listeners: [
          listener('tcp', at('TCP', 1), to('TCP', stream.port)),
          listener('udp', at('UDP', 2), to('UDP', datagram.port)),
          listener('http', at('HTTP', 3), to('TCP', silent.port)),
          listener('ws', at('WebSocket', 4), to('TCP', stream.port)),
          listener('unix', { protocol: 'UnixDomainSocket', filename: path }, to('TCP', stream.port)),
          listener('held', at('TCP', 5), to('TCP', silent.port)),
          listener('late', at('TCP', 6), {
            ...to('TCP', 9),
            retry: { retry_on: 'always', num_retries: 1000, timeout: 60_000 },
          }),
        ],
      });
      const tcp = await connectStream(t, { port: port(1) });
      const udp = await connectDatagram(t, port(2));
      const ws = await connectWebSocket(t, port(4));
      const unix = await connectStream(t, { path });
      for (const peer of [tcp, udp, ws, unix]) assert.equal(await ask(peer, 'hello'), 'hello');
      const { req, answer } = request(t, port(3), { method: 'POST' });
      req.write('the beginning');
      await until(() => silent.peers[0]?.messages.length, 'the request is under way');
      // One whose endpoint does not read, and one whose endpoint is not there.
      const held = await connectStream(t, { port: port(5) });
      held.send('.');
      (await until(() => silent.peers[1], 'its connection')).pause(true);
      held.send(Buffer.alloc(32 << 20));
      const late = await connectStream(t, { port: port(6) });

      assert.equal(await send(command, signal), 0);
      const told = [tcp, unix, held, late];
      await until(() => told.every((peer) => peer.ended || peer.closed !== undefined), 'clients are told');
      await until(() => ws.closed !== undefined, 'the WebSocket is told');
      assert.equal(ws.closed, 1001);
      assert.equal((await answer).status, 503);
      await until(() => stream.peers.every((peer) => peer.ended || peer.closed !== undefined), 'endpoints are told');
      assert.equal(existsSync(path), false);
    });
  });
}

// -------------------------------------------------------------------- sockets of others

/** Starts it with just these listeners, at the ports that they name, and gives what it says when it has ended. */
async function refused(t: TestContext, ...listeners: object[]): Promise<string> {
  const command = new Command(t, L7MP, ['-c', await writeConfig(t, { listeners }), '-l', 'error']);
  const code = await ended(command);
  assert.equal(code, 1, command.output);
  assert.equal(command.stdout, '');
  assert.match(command.stderr, /^l7mp: .*\n$/, 'one line');
  return command.stderr;
}

describe('the file of a UNIX socket', () => {
  const on = (path: string) => listener('unix', { protocol: 'UnixDomainSocket', filename: path }, ECHO);

  test('that a killed proxy has left is replaced', async (t) => {
    const path = newPath();
    const { command } = await startConfig(t, { listeners: [on(path)] });
    command.child.kill('SIGKILL');
    await ended(command);
    assert.ok(existsSync(path));
    const again = await startConfig(t, { listeners: [on(path)] });
    assert.equal(await ask(await connectStream(t, { path }), 'hello'), 'hello');
    assert.equal(await again.command.stop(), 0);
    assert.equal(existsSync(path), false);
  });

  test('on which somebody listens is refused, and left alone', async (t) => {
    const path = newPath();
    await startConfig(t, { listeners: [on(path)] });
    const said = await refused(t, on(path));
    assert.ok(said.includes(path) && said.includes('in use'), said);
    assert.equal(await ask(await connectStream(t, { path }), 'hello'), 'hello');
  });

  test('that is another file is refused, and left alone', async (t) => {
    const path = newPath();
    writeFileSync(path, 'mine');
    const said = await refused(t, on(path));
    assert.ok(said.includes(path) && said.includes('no socket'), said);
    assert.equal(readFileSync(path, 'utf8'), 'mine');
  });

  test('in a folder that is not there is refused', async (t) => {
    const path = join(newPath(), 'socket');
    const said = await refused(t, on(path));
    assert.ok(said.includes(path), said);
  });
});

test('a port that another proxy has is refused to every protocol, and nothing is left behind', async (t) => {
  const path = newPath();
  const protocols = ['UDP', 'TCP', 'HTTP', 'WebSocket'];
  const { port, command } = await startConfig(t, {
    listeners: protocols.map((protocol, n) => listener(protocol, at(protocol, n + 1), ECHO)),
  });
  for (const [n, protocol] of protocols.entries()) {
    const address = n % 2 === 0 ? HOST : '0.0.0.0';
    const said = await refused(
      t,
      listener('unix', { protocol: 'UnixDomainSocket', filename: path }, ECHO),
      listener('l', { ...at(protocol, port(n + 1)), address }, ECHO),
    );
    assert.ok(said.includes(`${address}:${port(n + 1)}: the address is in use`), said);
    assert.equal(existsSync(path), false);
  }
  assert.equal(command.over, false);
});

// -------------------------------------------------------------------- its own output

describe('a reader that goes away', () => {
  for (const stream of ['stdout', 'stderr'] as const) {
    test(`from ${stream} ends neither the proxy nor its sessions`, async (t) => {
      const logger = { spec: { protocol: 'Logger' } };
      const { command, port } = await startConfig(t, {
        admin: { log_level: 'silly', log_file: stream },
        listeners: [listener('l', at('TCP', 1), { ...ECHO, ingress: [logger] })],
      });
      command.child[stream]?.destroy();
      const client = await connectStream(t, { port: port(1) });
      for (let n = 0; n < 20; n++) assert.equal(await ask(client, `${n}`), `${n}`);
      const other = await connectStream(t, { port: port(1) });
      assert.equal(await ask(other, 'hello'), 'hello');
      other.end();
      await until(() => other.ended, 'a session ends');
      assert.equal(await ask(client, 'and on'), 'and on');
      assert.equal(await send(command, 'SIGTERM'), 0);
    });
  }

  test('from a Stdio cluster’s stdout ends neither the proxy nor its sessions', async (t) => {
    const { command, port } = await startConfig(t, {
      listeners: [listener('l', at('TCP', 1), { destination: { spec: { protocol: 'Stdio' } } })],
    });
    const client = await connectStream(t, { port: port(1) });
    client.send('.');
    await until(() => command.stdout === '.', 'it stands');
    command.child.stdout?.destroy();
    client.send('nobody reads this');
    command.child.stdin?.write('but');
    await until(() => bytes(client).toString() === 'but', 'the other direction goes on');
    assert.equal(await send(command, 'SIGTERM'), 0);
  });
});

/** Milliseconds of silence after which a session ends, and for which the proxy stands still. */
const [IDLE, STILL] = [1500, 3000];

for (const io of ['native', 'node'] as const) {
  test(`SIGSTOP: a proxy that goes on reads what has come before it calls sessions idle (${io})`, async (t) => {
    const options = { options: { idle_timeout: IDLE } };
    const { command, port } = await startConfig(t, {
      admin: { io },
      listeners: [
        listener('api', at('HTTP', 1), { destination: { spec: { protocol: 'L7mpController' } } }),
        listener('tcp', at('TCP', 2), ECHO, options),
        listener('udp', at('UDP', 3), ECHO, options),
      ],
    });
    const names = async (): Promise<string[]> => {
      const of = (name: string) => apiRequest({ port: port(1), path: `/api/v1/sessions?listener=${name}&fields=name` });
      const answers = [await of('tcp'), await of('udp')];
      return answers.flatMap(({ body }) => body.map(({ name }: { name: string }) => name));
    };
    const clients = [await connectStream(t, { port: port(2) }), await connectDatagram(t, port(3))];
    for (const client of clients) assert.equal(await ask(client, 'x'), 'x');
    const before = await names();
    assert.equal(before.length, 2);
    command.child.kill('SIGSTOP');
    for (const client of clients) client.send('y');
    const stopped = performance.now();
    await until(() => performance.now() - stopped > STILL, 'it stands still');
    command.child.kill('SIGCONT');
    for (const client of clients) assert.equal(await next(client), 'y');
    assert.deepEqual(await names(), before);
  });
}
