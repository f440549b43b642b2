import { deepEqual, equal, ok, rejects } from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, unlinkSync, writeFileSync } from 'node:fs';
import * as net from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, afterEach, before, describe, it } from 'node:test';
import { DEFAULT_LIMITS } from '../core/channel.ts';
import type { Engine, SocketAddress, SocketChannel } from '../core/engine.ts';
import { freePort } from '../testing/ports.ts';
import { turn, until } from '../testing/until.ts';
import {
  acceptor,
  attempt,
  client,
  closePeers,
  engines,
  hash,
  onPort,
  receiveAll,
  server,
  silentPort,
  TestSession,
} from './testing.ts';

const KIB = 1 << 10;
const MIB = 1 << 20;
const END = { kind: 'end', message: '' } as const;
const LINUX = process.platform === 'linux';
for (const { name, create, skip } of engines()) {
  describe(`stream sockets on the ${name} engine`, { skip }, () => {
    let engine: Engine;

    before(() => {
      engine = create();
    });

    after(() => engine.close());
    afterEach(closePeers);

    it('delivers what was written when it closes, though the peer still sends', async () => {
      const { port } = await onPort((port) =>
        engine.listenStream(
          { host: '127.0.0.1', port },
          acceptor((channel) => {
            channel.write(Buffer.alloc(300 * KIB, 7));
            channel.close({ kind: 'end', message: 'done' });
          }),
        ),
      );
      const socket = client(port);
      socket.write(Buffer.alloc(64 * KIB));
      const received = await receiveAll(socket);
      equal(received.length, 300 * KIB);
      socket.end();
    });

    it('closes a connection that nobody has read, and tells the peer', async () => {
      const { port } = await onPort((port) =>
        engine.listenStream(
          { host: '127.0.0.1', port },
          acceptor((channel) => channel.close({ kind: 'end', message: 'no' })),
        ),
      );
      const socket = client(port);
      socket.write('hello');
      equal((await receiveAll(socket)).length, 0);
      socket.end();
      await once(socket, 'close');
    });

    it('says by the cause that it was not the endpoint, also where that was given by its name', async () => {
      const { port } = await server(() => {});
      const bind = { address: '127.0.0.1', port: await freePort() };
      const connect = () => engine.connectStream({ host: 'localhost', port }, attempt(), DEFAULT_LIMITS, bind);
      const first = await connect();
      await rejects(Promise.resolve(connect()), (error: Error) => {
        equal((error.cause as NodeJS.ErrnoException).code, 'EADDRNOTAVAIL');
        return true;
      });
      first.close(END);
    });

    it('does not take who is not admitted', async () => {
      const asked: { address: string; port: number }[] = [];
      const admit = (peer: { address: string; port: number }): boolean => {
        asked.push(peer);
        return false;
      };
      const { port } = await onPort((port) =>
        engine.listenStream(
          { host: '127.0.0.1', port },
          acceptor(() => ok(false), { admit }),
        ),
      );
      const socket = client(port);
      await once(socket, 'connect');
      const local = socket.localPort;
      socket.resume();
      socket.once('end', () => socket.end());
      await once(socket, 'close');
      deepEqual(asked, [{ address: '127.0.0.1', port: local }]);
    });

    it('says who is at the ends', async () => {
      const channels: SocketChannel[] = [];
      const { port } = await onPort((port) =>
        engine.listenStream(
          { host: '0.0.0.0', port },
          acceptor((channel) => channels.push(channel)),
        ),
      );
      const channel = await engine.connectStream({ host: '127.0.0.1', port }, attempt(), DEFAULT_LIMITS);
      const accepted = await until(() => channels[0]);
      equal(accepted.ends?.localPort, port);
      equal(accepted.ends?.localAddress, '127.0.0.1');
      equal(accepted.ends?.remoteAddress, '127.0.0.1');
      equal(channel.ends?.remotePort, port);
      equal(channel.ends?.localPort, accepted.ends?.remotePort);
      channel.close({ kind: 'end', message: '' });
      accepted.close({ kind: 'end', message: '' });
    });

    it('serves IPv6, and IPv4 on a dual-stack socket', async () => {
      const channels: SocketChannel[] = [];
      const { port } = await onPort((port) =>
        engine.listenStream(
          { host: '::', port },
          acceptor((channel) => {
            channels.push(channel);
            channel.write(Buffer.from('hi'));
            channel.close({ kind: 'end', message: '' });
          }),
        ),
      );
      for (const host of ['::1', '127.0.0.1']) {
        const socket = net.connect({ host, port });
        equal((await receiveAll(socket)).toString(), 'hi');
      }
      deepEqual(
        channels.map(({ ends }) => ends?.remoteAddress),
        ['::1', '127.0.0.1'],
      );
    });

    it('reads and writes in JavaScript', async () => {
      const { port } = await onPort((port) =>
        engine.listenStream(
          { host: '127.0.0.1', port },
          acceptor((channel) => {
            channel.writer = { drained: () => channel.resume() };
            channel.read({
              message: (bytes) => {
                if (!channel.write(new Uint8Array(bytes), undefined, true)) channel.pause();
              },
              end: () => channel.end(),
            });
          }),
        ),
      );
      const sent = randomBytes(5 * MIB);
      const socket = client(port);
      socket.end(sent);
      equal(hash(await receiveAll(socket)), hash(sent));
    });

    it('takes the connections that may use what is reserved when there is no room for others', async () => {
      const own = create();
      own.connections.most = 0;
      let reserved = true;
      let taken = 0;
      let refused = 0;
      const { port } = await onPort((port) =>
        own.listenStream(
          { host: '127.0.0.1', port },
          acceptor(() => taken++, {
            mayUseReserve: () => reserved,
            refused: (why, count) => {
              equal(why, 'max-connections');
              refused += count;
            },
          }),
        ),
      );
      const peer = client(port);
      await until(() => taken === 1);
      reserved = false;
      client(port);
      await until(() => refused === 1);
      equal(taken, 1);
      peer.destroy();
      await own.close();
    });

    it("gives node's own sockets away, with what has come by then, on both sides", async () => {
      // Connections of other tests may be going.
      const own = create();
      const taken: net.Socket[] = [];
      const accepted: SocketChannel[] = [];
      const { port } = await onPort((port) =>
        own.listenStream(
          { host: '127.0.0.1', port },
          acceptor((channel) => {
            accepted.push(channel);
            taken.push(channel.takeSocket?.() as net.Socket);
          }),
        ),
      );
      const channel = await own.connectStream({ host: '127.0.0.1', port }, attempt(), DEFAULT_LIMITS);
      channel.owner = { closed: () => ok(false, 'nobody is told') };
      const socket = channel.takeSocket?.() as net.Socket;
      socket.end('hello');
      const other = await until(() => taken[0]);
      equal((await receiveAll(other)).toString(), 'hello');
      deepEqual([channel.open, accepted[0]?.open, channel.takeSocket?.()], [false, false, undefined]);
      equal(accepted[0]?.ends?.remotePort, channel.ends?.localPort);
      equal(own.connections.open, 2);
      other.end('good bye');
      equal((await receiveAll(socket)).toString(), 'good bye');
      await until(() => own.connections.open === 0);
      await own.close();
    });

    it('refuses an address that is taken, and one that is not ours', async () => {
      const { port, listening } = await onPort((port) =>
        engine.listenStream(
          { host: '127.0.0.1', port },
          acceptor(() => {}),
        ),
      );
      await rejects(
        engine.listenStream(
          { host: '127.0.0.1', port },
          acceptor(() => {}),
        ),
        {
          code: 'E_BIND',
          message: `cannot listen on 127.0.0.1:${port}: the address is in use`,
        },
      );
      await rejects(
        engine.listenStream(
          { host: '192.0.2.1', port },
          acceptor(() => {}),
        ),
        {
          code: 'E_BIND',
          message: `cannot listen on 192.0.2.1:${port}: listen EADDRNOTAVAIL: address not available 192.0.2.1:${port}`,
        },
      );
      await listening.close();
      const again = await engine.listenStream(
        { host: '127.0.0.1', port },
        acceptor(() => {}),
      );
      void again.close();
      const third = await engine.listenStream(
        { host: '127.0.0.1', port },
        acceptor(() => {}),
      );
      await third.close();
    });

    it('says why it cannot connect, and gives up when it is told', async () => {
      const connect = async (to: SocketAddress, one = attempt()) => engine.connectStream(to, one, DEFAULT_LIMITS);
      const port = await freePort();
      await rejects(connect({ host: '127.0.0.1', port }), {
        code: 'E_CONNECT',
        message: `127.0.0.1:${port}: connect ECONNREFUSED`,
      });
      await rejects(connect({ path: '/nonexistent' }), {
        code: 'E_CONNECT',
        message: '/nonexistent: connect ENOENT',
      });
      await rejects(connect({ host: 'no-such-name.invalid', port }), {
        code: 'E_CONNECT',
      });
      const one = attempt();
      const blocked = connect({ host: '127.0.0.1', port: await silentPort() }, one);
      blocked.catch(() => {});
      await turn();
      one.cancel();
      await rejects(blocked, { code: 'E_CONNECT' });
    });

    it('connects from the address and port that are asked for', async () => {
      const target = await server((socket) => socket.pause());
      const { listening, port } = await onPort(async (port) => {
        const channel = await engine.connectStream(
          { host: '127.0.0.1', port: target.port },
          attempt(),
          DEFAULT_LIMITS,
          { address: '127.0.0.3', port },
        );
        return channel;
      });
      const socket = await until(() => target.sockets[0]);
      equal(socket.remoteAddress, '127.0.0.3');
      equal(socket.remotePort, port);
      listening.close({ kind: 'end', message: '' });
    });

    it('connects from one port again and again, and to several endpoints at a time', async () => {
      const targets = [await server(() => {}), await server(() => {}), await server(() => {})];
      const port = await freePort();
      const connect = (n: number) =>
        engine.connectStream({ host: '127.0.0.1', port: targets[n]?.port as number }, attempt(), DEFAULT_LIMITS, {
          port,
        });
      const first = [await connect(0), await connect(1)];
      for (const [n, channel] of first.entries()) {
        const peer = await until(() => targets[n]?.sockets[0]);
        equal(peer.remotePort, port);
        const ended = once(peer.resume(), 'end');
        channel.close(END);
        await ended;
        const closed = once(peer, 'close');
        peer.end();
        await closed;
      }
      // Who ended first is in TIME_WAIT.
      await until(() => timeWait(port) === 2);
      const next = await connect(2);
      equal((await until(() => targets[2]?.sockets[0])).remotePort, port);
      next.close(END);
    });

    it('has the kernel ask whether silent peers are still there, on both sides', { skip: !LINUX }, async () => {
      const target = await server(() => {});
      const channels: SocketChannel[] = [];
      const { port } = await onPort((port) =>
        engine.listenStream(
          { host: '127.0.0.1', port },
          acceptor((channel) => channels.push(channel)),
        ),
      );
      client(port);
      channels.push(await engine.connectStream({ host: '127.0.0.1', port: target.port }, attempt(), DEFAULT_LIMITS));
      await until(() => channels.length === 2);
      for (const { ends } of channels) {
        const own = () => connections().find(({ from, to }) => from === ends?.localPort && to === ends?.remotePort);
        await until(() => own()?.timer === KEEPALIVE_TIMER);
      }
      for (const channel of channels) channel.close(END);
    });

    it('leaves alone what has come to stand at the path of a UNIX socket', async (t) => {
      const directory = mkdtempSync(join(tmpdir(), 'l7mp-io-'));
      t.after(() => rmSync(directory, { recursive: true }));
      const path = join(directory, 'listen');
      const listen = () =>
        engine.listenStream(
          { path },
          acceptor(() => {}),
        );
      for (const end of ['its own', 'the one of its engine'] as const) {
        const other = end === 'its own' ? engine : create();
        const listening = await other.listenStream(
          { path },
          acceptor(() => {}),
        );
        unlinkSync(path);
        const foreign = net.createServer().listen(path);
        await once(foreign, 'listening');
        if (other === engine) await listening.close();
        else await other.close();
        const socket = net.connect({ path });
        await once(socket, 'connect');
        socket.destroy();
        await rejects(listen(), { code: 'E_BIND' });
        await new Promise((resolve) => foreign.close(resolve));
        ok(!existsSync(path));
      }
      const listening = await listen();
      unlinkSync(path);
      writeFileSync(path, 'precious');
      await listening.close();
      equal(readFileSync(path, 'utf8'), 'precious');
      deepEqual(readdirSync(directory), ['listen']);
    });

    it('speaks over UNIX sockets, and takes over a stale one', async () => {
      const directory = mkdtempSync(join(tmpdir(), 'l7mp-io-'));
      const path = join(directory, 'listen');
      const target = join(directory, 'target');
      const echo = net.createServer({ allowHalfOpen: true }, (socket) => socket.pipe(socket)).listen(target);
      const accept = async (source: SocketChannel): Promise<void> => {
        equal(source.ends, undefined);
        const session = new TestSession(engine, source);
        session.join(await engine.connectStream({ path: target }, attempt(), DEFAULT_LIMITS));
      };
      const listening = await engine.listenStream(
        { path },
        acceptor((channel) => void accept(channel)),
      );
      await rejects(
        engine.listenStream(
          { path },
          acceptor(() => {}),
        ),
        { code: 'E_BIND' },
      );
      const sent = randomBytes(3 * MIB);
      const socket = net.connect({ path, allowHalfOpen: true });
      socket.end(sent);
      equal(hash(await receiveAll(socket)), hash(sent));
      await listening.close();
      ok(!existsSync(path));
      writeFileSync(path, '');
      await rejects(
        engine.listenStream(
          { path },
          acceptor(() => {}),
        ),
        { code: 'E_BIND' },
      );
      echo.close();
      rmSync(directory, { recursive: true });
    });
  });
}

const TIME_WAIT = '06';
/** What the kernel's timer of a connection that is silent is for (Documentation/networking/proc_net_tcp.rst). */
const KEEPALIVE_TIMER = 2;

/** The IPv4 connections of this network namespace. */
function connections(): { from: number; to: number; state: string; timer: number }[] {
  const [, ...lines] = readFileSync('/proc/net/tcp', 'utf8').trimEnd().split('\n');
  return lines.map((line) => {
    const [, local = '', remote = '', state = '', , timer = ''] = line.trim().split(/\s+/);
    const port = (text: string): number => Number.parseInt(text.split(':')[1] as string, 16);
    return { from: port(local), to: port(remote), state, timer: Number.parseInt(timer, 16) };
  });
}

function timeWait(port: number): number {
  return connections().filter(({ from, state }) => from === port && state === TIME_WAIT).length;
}
