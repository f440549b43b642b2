import { deepEqual, equal, ok } from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { readdirSync } from 'node:fs';
import type * as net from 'node:net';
import { after, afterEach, before, describe, it } from 'node:test';
import { DEFAULT_LIMITS } from '../core/channel.ts';
import type { Engine } from '../core/engine.ts';
import { until } from '../testing/until.ts';
import { attempt, client, closePeers, engines, forwardStreams, hash, receiveAll, server } from './testing.ts';

const KIB = 1 << 10;
const MIB = 1 << 20;
const SIZES = [1, 100, 1000, 64 * KIB - 1, 64 * KIB, 64 * KIB + 1, MIB, 20 * MIB];

for (const { name, create, skip } of engines()) {
  describe(`streams on the ${name} engine`, { skip }, () => {
    let engine: Engine;

    before(() => {
      engine = create();
    });

    after(() => engine.close());
    afterEach(closePeers);

    it('forwards every size unchanged, both ways', async () => {
      const echo = await server((socket) => socket.pipe(socket));
      const { port } = await forwardStreams(engine, { host: '127.0.0.1', port: echo.port });
      for (const size of SIZES) {
        const sent = randomBytes(size);
        const socket = client(port);
        socket.end(sent);
        const received = await receiveAll(socket);
        equal(received.length, size);
        equal(hash(received), hash(sent), `${size} bytes`);
      }
    });

    it('forwards over names', async () => {
      const echo = await server((socket) => socket.pipe(socket));
      const { port } = await forwardStreams(engine, { host: 'localhost', port: echo.port });
      const socket = client(port);
      socket.end('hello');
      equal((await receiveAll(socket)).toString(), 'hello');
    });

    it("passes the client's end on, and what the server says after it", async () => {
      const asked = await server((socket) => {
        void receiveAll(socket).then((question) => socket.end(`heard ${question}`));
      });
      const { port, sessions } = await forwardStreams(engine, { host: '127.0.0.1', port: asked.port });
      const socket = client(port);
      socket.write('one ');
      socket.end('two');
      equal((await receiveAll(socket)).toString(), 'heard one two');
      const session = await until(() => sessions[0]?.source.open === false && sessions[0]);
      deepEqual(session.closed, []);
      session.source.refresh();
      session.destination?.refresh();
      equal(session.source.bytesIn, 7);
      equal(session.source.bytesOut, 13);
      equal(session.destination?.bytesIn, 13);
      equal(session.destination?.bytesOut, 7);
    });

    it("passes the server's end on, and what the client says after it", async () => {
      let heard: Buffer | undefined;
      const silent = await server((socket) => {
        socket.end('bye');
        void receiveAll(socket).then((all) => {
          heard = all;
        });
      });
      const { port } = await forwardStreams(engine, { host: '127.0.0.1', port: silent.port });
      const socket = client(port);
      equal((await receiveAll(socket)).toString(), 'bye');
      socket.write('still ');
      socket.end('here');
      await until(() => heard);
      equal(heard?.toString(), 'still here');
    });

    it('stays half-open as long as both like it', async () => {
      const open = await server((socket) => {
        socket.on('end', () => socket.write('after your end'));
        socket.resume();
      });
      const { port, sessions } = await forwardStreams(engine, { host: '127.0.0.1', port: open.port });
      const socket = client(port);
      socket.end();
      const [first] = await once(socket, 'data');
      equal(String(first), 'after your end');
      equal(sessions[0]?.source.endRead, true);
      equal(sessions[0]?.source.open, true);
      open.sockets[0]?.end('more');
      equal((await receiveAll(socket)).toString(), 'more');
    });

    for (const who of ['client', 'server'] as const) {
      it(`passes the reset of the ${who} on`, async () => {
        const target = await server((socket) => socket.write('hello'));
        const { port, sessions } = await forwardStreams(engine, { host: '127.0.0.1', port: target.port });
        const socket = client(port);
        await once(socket, 'data');
        const [from, to] = who === 'client' ? [socket, target.sockets[0]] : [target.sockets[0], socket];
        to?.resume();
        const failed = once(to as net.Socket, 'error');
        from?.resetAndDestroy();
        const [error] = await failed;
        equal((error as NodeJS.ErrnoException).code, 'ECONNRESET');
        const closed = await until(() => sessions[0]?.closed[0]);
        equal(closed.who, who === 'client' ? 'source' : 'destination');
        equal(closed.reason.kind, 'reset');
        target.server.close();
      });
    }

    it('slows the sender down while the receiver does not read, and loses nothing', async () => {
      const sent = randomBytes(64 * MIB);
      const lazy = await server((socket) => socket.pause());
      const { port, sessions } = await forwardStreams(engine, { host: '127.0.0.1', port: lazy.port });
      const socket = client(port);
      socket.end(sent);
      const session = await until(() => sessions[0]?.destination && lazy.sockets[0] && sessions[0]);
      let before = -1;
      await until(async () => {
        session.source.refresh();
        const same = session.source.bytesIn === before && before > 0;
        before = session.source.bytesIn;
        await new Promise((resolve) => setTimeout(resolve, 50));
        return same;
      });
      ok(before < 32 * MIB, `${before} bytes were taken`);
      const received = receiveAll(lazy.sockets[0] as net.Socket);
      equal(hash(await received), hash(sent));
    });

    it('slows down each direction by itself', async () => {
      const both = await server((socket) => socket.write(Buffer.alloc(32 * MIB, 1)));
      const { port } = await forwardStreams(engine, { host: '127.0.0.1', port: both.port });
      const socket = client(port);
      socket.pause();
      const upstream = await until(() => both.sockets[0]);
      let heard = 0;
      upstream.on('data', (bytes: Buffer) => {
        heard += bytes.length;
      });
      socket.write(Buffer.alloc(4 * MIB, 2));
      await until(() => heard === 4 * MIB);
      upstream.end();
      socket.end();
      equal((await receiveAll(socket)).length, 32 * MIB);
    });

    it('ends a session in the middle: in order, or with a reset', async () => {
      const source = await server((socket) => socket.write(Buffer.alloc(64 * MIB)));
      const { port, sessions } = await forwardStreams(engine, { host: '127.0.0.1', port: source.port });
      for (const kind of ['shutdown', 'reset'] as const) {
        const socket = client(port);
        await once(socket, 'data');
        const closed = once(socket, kind === 'reset' ? 'error' : 'end');
        socket.resume();
        sessions.at(-1)?.end({ kind, message: 'enough' });
        await closed;
        socket.end();
      }
    });

    it('holds the client while its endpoint is replaced, and goes on', async () => {
      const first = await server((socket) => {
        socket.once('data', () => socket.end('one'));
      });
      const second = await server((socket) => {
        socket.on('data', (bytes) => socket.end(`two ${bytes}`));
      });
      const { port, sessions } = await forwardStreams(engine, { host: '127.0.0.1', port: first.port }, { mends: true });
      const socket = client(port);
      socket.write('first');
      const [answer] = await once(socket, 'data');
      equal(String(answer), 'one');
      const session = await until(() => sessions[0]);
      let lost = false;
      session.onLost = () => {
        lost = true;
      };
      await until(() => lost || session.closed.length > 0);
      if (!lost) return;
      socket.write('second');
      session.join(await engine.connectStream({ host: '127.0.0.1', port: second.port }, attempt(), DEFAULT_LIMITS));
      const [again] = await once(socket, 'data');
      equal(String(again), 'two second');
      session.end();
    });

    it('leaves no descriptor behind after many connections that end anyhow', async () => {
      const fds = (): number => readdirSync('/proc/self/fd').length;
      const target = await server((socket) => {
        socket.on('data', (bytes: Buffer) => {
          const how = (bytes[0] as number) % 4;
          if (how === 0) socket.end(bytes);
          else if (how === 1) socket.resetAndDestroy();
          else if (how === 2) socket.write(bytes);
          else socket.destroy();
        });
        socket.on('end', () => socket.end());
      });
      const { port, sessions } = await forwardStreams(engine, { host: '127.0.0.1', port: target.port });
      const before = fds();
      const one = (n: number): Promise<void> =>
        new Promise((resolve) => {
          const socket = client(port);
          socket.once('close', () => resolve());
          socket.on('end', () => socket.end());
          socket.on('connect', () => {
            if (n % 7 === 3) socket.resetAndDestroy();
            else if (n % 7 === 5) socket.end();
            else socket.write(Buffer.alloc(1 + (n % 3) * 40_000, n));
          });
          socket.on('data', () => (n % 5 === 0 ? socket.destroy() : socket.end()));
        });
      for (let n = 0; n < 2000; n += 100) {
        await Promise.all(Array.from({ length: 100 }, (_, k) => one(n + k)));
      }
      await until(() => sessions.every(({ source, destination }) => !source.open && destination?.open !== true));
      await until(() => fds() <= before + 130, `${fds()} descriptors, ${before} before`);
    });
  });
}
