/** What the kernel keeps apart in a stream: bytes before and after an urgent one, and those that come with descriptors. */
import { equal } from 'node:assert/strict';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import * as net from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, afterEach, before, describe, it, type TestContext } from 'node:test';
import type { Engine } from '../core/engine.ts';
import { until } from '../testing/until.ts';
import {
  client,
  closePeers,
  engines,
  forwardStreams,
  receiveAll,
  sendUrgent,
  sendWithDescriptor,
  server,
} from './testing.ts';

const MIB = 1 << 20;
const whyNotUrgent = engines().find(({ name }) => name === 'native')?.skip ?? false;

/** Telnet's Interrupt Process, and what an FTP client says then (RFC 959, RFC 854): the byte before DM is urgent. */
const INTERRUPT = Buffer.from('fff4ff', 'hex');
const ABORT = Buffer.from('f241424f520d0a', 'hex');

for (const { name, create, skip } of engines()) {
  describe(`urgent data on the ${name} engine`, { skip: skip || whyNotUrgent }, () => {
    let engine: Engine;
    // The portable engine cannot ask for it inline: the kernel leaves it out.
    const urgent = name === 'node' ? Buffer.alloc(0) : INTERRUPT.subarray(2);
    const exchange = Buffer.concat([INTERRUPT.subarray(0, 2), urgent, ABORT]).toString('hex');

    before(() => {
      engine = create();
    });

    after(() => engine.close());
    afterEach(closePeers);

    /** A server that keeps what it gets. */
    async function keeper() {
      const heard: Buffer[] = [];
      const { port } = await server((socket) => socket.on('data', (bytes: Buffer) => heard.push(bytes)));
      const { port: proxy } = await forwardStreams(engine, { host: '127.0.0.1', port });
      const socket = client(proxy);
      await once(socket, 'connect');
      return { socket, take: () => Buffer.concat(heard.splice(0)).toString('hex') };
    }

    it('is passed on at once, with what is before and behind it', async () => {
      const { socket, take } = await keeper();
      for (let n = 0; n < 200; n++) {
        sendUrgent(socket, INTERRUPT);
        socket.write(ABORT);
        let heard = '';
        await until(() => {
          heard += take();
          return heard.length >= exchange.length;
        }, `exchange ${n}`);
        equal(heard, exchange);
      }
    });

    it('is passed on also where it is all that comes, again and again', async () => {
      const { socket, take } = await keeper();
      for (let n = 0; n < 50; n++) {
        sendUrgent(socket, INTERRUPT);
        sendUrgent(socket, INTERRUPT);
        sendUrgent(socket, INTERRUPT);
        // A newer urgent byte makes an older one an ordinary one.
        let heard = '';
        const wanted = 3 * INTERRUPT.length - (name === 'node' ? 3 : 0);
        await until(() => {
          heard += take();
          return heard.length / 2 >= wanted;
        }, `exchange ${n}`);
      }
    });

    it('does not hold up what is behind it in bulk, nor end the stream', async () => {
      let received = 0;
      let ended = false;
      const { port } = await server((socket) => {
        socket.on('data', (bytes: Buffer) => {
          received += bytes.length;
        });
        socket.on('end', () => {
          ended = true;
        });
      });
      const { port: proxy } = await forwardStreams(engine, { host: '127.0.0.1', port });
      const socket = client(proxy);
      await once(socket, 'connect');
      let sent = 0;
      for (let n = 0; n < 5; n++) {
        await new Promise((resolve) => socket.write(Buffer.alloc(16 * MIB), resolve));
        sendUrgent(socket, INTERRUPT);
        sent += 16 * MIB + 2 + urgent.length;
        await new Promise((resolve) => socket.write(Buffer.alloc(100_000), resolve));
        sent += 100_000;
        await until(() => received === sent, `round ${n}`);
      }
      await new Promise((resolve) => socket.write(Buffer.alloc(16 * MIB), resolve));
      sendUrgent(socket, INTERRUPT);
      socket.end(Buffer.alloc(100_000));
      await until(() => ended);
      equal(received, sent + 16 * MIB + 2 + urgent.length + 100_000);
    });
  });

  describe(`what a UNIX socket keeps apart, on the ${name} engine`, { skip: skip || whyNotUrgent }, () => {
    let engine: Engine;

    before(() => {
      engine = create();
    });

    after(() => engine.close());
    afterEach(closePeers);

    async function fromPath(t: TestContext, say: (socket: net.Socket) => void): Promise<net.Socket> {
      const directory = mkdtempSync(join(tmpdir(), 'l7mp-'));
      const path = join(directory, 'socket');
      const sockets: net.Socket[] = [];
      const target = net.createServer((socket) => {
        sockets.push(socket);
        socket.once('data', () => say(socket));
      });
      t.after(() => {
        for (const socket of sockets) socket.destroy();
        target.close();
        rmSync(directory, { recursive: true });
      });
      target.listen(path);
      await once(target, 'listening');
      const { port } = await forwardStreams(engine, { path });
      const socket = client(port);
      socket.write('go on');
      return socket;
    }

    it('comes at once, where descriptors came with it', async (t) => {
      const socket = await fromPath(t, (socket) => {
        for (let n = 0; n < 10; n++) sendWithDescriptor(socket, Buffer.from(`${n}`));
        socket.write('the rest');
      });
      let heard = '';
      socket.on('data', (bytes) => {
        heard += bytes;
      });
      await until(() => heard === '0123456789the rest');
    });

    it('comes at once, where some of it is urgent', async (t) => {
      const socket = await fromPath(t, (socket) => {
        sendUrgent(socket, INTERRUPT);
        socket.end(ABORT);
      });
      const heard = (await receiveAll(socket)).toString('hex');
      const urgent = name === 'node' ? '' : 'ff';
      equal(heard, `fff4${urgent}${ABORT.toString('hex')}`);
    });
  });
}
