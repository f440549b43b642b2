/** What clients that are in the middle of something get when the proxy stops. */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import * as net from 'node:net';
import { describe, type TestContext, test } from 'node:test';
import { engines } from '../../src/io/testing.ts';
import { L7mp } from '../../src/proxy.ts';
import { freePort } from '../../src/testing/ports.ts';
import { turn, until } from '../../src/testing/until.ts';
import { Raw } from '../support/http.ts';
import { listener, startProxy } from '../support/proxy.ts';
import { connect, serve } from '../support/websocket.ts';

const HOST = '127.0.0.1';

const to = (protocol: string, port: number) => ({
  destination: { spec: { protocol, port }, endpoints: [{ spec: { address: HOST } }] },
});

/** A server that sends what it can, for ever. */
async function serveForever(t: TestContext): Promise<number> {
  const sockets: net.Socket[] = [];
  const server = net.createServer({ allowHalfOpen: true }, (socket) => {
    sockets.push(socket);
    const more = (): void => {
      while (socket.writable && socket.write(Buffer.alloc(65_536, 'x')));
    };
    socket
      .on('error', () => {})
      .on('drain', more)
      .resume();
    more();
  });
  server.listen(0, HOST);
  await once(server, 'listening');
  t.after(() => {
    for (const socket of sockets) socket.destroy();
    server.close();
  });
  return (server.address() as net.AddressInfo).port;
}

/** How a socket has ended, once it has. */
function endOf(socket: net.Socket): Promise<string> {
  return new Promise((resolve) => {
    socket.on('error', (error: NodeJS.ErrnoException) => resolve(error.code ?? ''));
    socket.on('end', () => resolve('end'));
  });
}

/** Waits until the session moves nothing any more. */
async function stuck(proxy: { sessions(name: string): Promise<{ bytes?: unknown }[]> }): Promise<void> {
  let [before, same] = ['', 0];
  await until(async () => {
    const [session] = await proxy.sessions('l');
    const now = JSON.stringify(session);
    same = session && now === before ? same + 1 : 0;
    before = now;
    return same > 20;
  }, 'a session that is stuck');
}

for (const { name, admin, skip } of engines()) {
  describe(`a proxy that stops, on the ${name} engine`, { skip }, () => {
    const start = (t: TestContext, protocol: string, route: object) =>
      startProxy(t, ['l'], ({ l }) => ({
        admin,
        listeners: [listener('l', { protocol, port: l, address: HOST }, route)],
      }));

    test('resets a TCP client that does not take what was written', async (t) => {
      const { proxy, ports } = await start(t, 'TCP', to('TCP', await serveForever(t)));
      const client = net.connect({ port: ports.l, host: HOST }).pause();
      t.after(() => client.destroy());
      const end = endOf(client);
      await stuck(proxy);
      await proxy.proxy.stop();
      client.resume();
      assert.equal(await end, 'ECONNRESET');
    });

    test('delivers what was written to one that takes it, and then ends', async (t) => {
      const { proxy, ports } = await start(t, 'TCP', to('TCP', await serveForever(t)));
      const client = net.connect({ port: ports.l, host: HOST }).pause();
      t.after(() => client.destroy());
      const end = endOf(client);
      await stuck(proxy);
      const stopped = proxy.proxy.stop();
      client.resume();
      assert.equal(await end, 'end');
      client.end();
      await stopped;
    });

    test('tells a WebSocket client with 1001, behind whole messages', async (t) => {
      const { server, port } = await serve(t);
      const message = Buffer.alloc(100_000, 'x');
      server.on('connection', (ws) => {
        for (let n = 0; n < 200; n++) ws.send(message);
      });
      const { proxy, ports } = await start(t, 'WebSocket', to('WebSocket', port));
      const peer = connect(t, ports.l);
      peer.ws.on('open', () => peer.ws.pause());
      await stuck(proxy);
      const stopped = proxy.proxy.stop();
      await turn(5);
      peer.ws.resume();
      await until(() => peer.closed, 'it is told');
      assert.equal(peer.closed?.code, 1001);
      assert.ok(peer.messages.every(({ text }) => text.length === message.length));
      await stopped;
    });

    test('resets a WebSocket client that does not take what was written', async (t) => {
      const { server, port } = await serve(t);
      server.on('connection', (ws) => {
        for (let n = 0; n < 500; n++) ws.send(Buffer.alloc(100_000, 'x'));
      });
      const { proxy, ports } = await start(t, 'WebSocket', to('WebSocket', port));
      const peer = connect(t, ports.l);
      const errors: string[] = [];
      peer.ws.on('open', () => {
        peer.ws.pause();
        (peer.ws as unknown as { _socket: net.Socket })._socket.on('error', (error: NodeJS.ErrnoException) => {
          errors.push(error.code ?? '');
        });
      });
      await stuck(proxy);
      await proxy.proxy.stop();
      peer.ws.resume();
      await until(() => peer.closed, 'it is told');
      assert.deepEqual([peer.closed?.code, errors], [1006, ['ECONNRESET']]);
    });

    for (const [version, expected] of [
      ['1.1', 'end'],
      ['1.0', 'ECONNRESET'],
    ] as const) {
      test(`breaks an HTTP/${version} answer off so that it is not taken for a whole one`, async (t) => {
        const { proxy, ports } = await start(t, 'HTTP', to('TCP', await serveForever(t)));
        const raw = new Raw(t, ports.l).send(`GET / HTTP/${version}\r\nHost: h\r\n\r\n`);
        const end = endOf(raw.socket);
        await raw.until(/\r\n\r\n[\s\S]+/);
        raw.socket.pause();
        await stuck(proxy);
        const stopped = proxy.proxy.stop();
        await turn(5);
        raw.socket.resume();
        assert.equal(await end, expected);
        assert.doesNotMatch(raw.text.slice(-20), /\r\n0\r\n\r\n$/);
        raw.socket.end();
        await stopped;
      });
    }
  });
}

for (const threads of [0, 1]) {
  test(`a proxy that is stopped while it starts leaves nothing behind, with ${threads} workers`, async (t) => {
    const port = await freePort();
    const proxy = new L7mp();
    const listeners = [{ name: 'l', spec: { protocol: 'TCP', port, address: HOST }, rules: [] }];
    const started = proxy.start({ admin: { log_level: 'silent', threads }, listeners });
    const stopped = proxy.stop();
    await assert.rejects(started, { message: 'the proxy was stopped while it started' });
    await stopped;
    const server = net.createServer().listen(port, HOST);
    t.after(() => server.close());
    await once(server, 'listening');
  });
}
