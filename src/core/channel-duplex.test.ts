import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import * as http from 'node:http';
import * as net from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Readable } from 'node:stream';
import { after, before, describe, it } from 'node:test';
import { acceptor, attempt, engines, hash, onPort } from '../io/testing.ts';
import { until } from '../testing/until.ts';
import { type Channel, DEFAULT_LIMITS } from './channel.ts';
import { ChannelDuplex } from './channel-duplex.ts';
import type { Engine } from './engine.ts';

const BIG = randomBytes(8 << 20);

/** Everything up to the end. An async iterator would destroy a stream that could still be written to. */
async function readAll(stream: Readable): Promise<Buffer> {
  const parts: Buffer[] = [];
  stream.on('data', (part: Buffer) => parts.push(part));
  await once(stream, 'end');
  return Buffer.concat(parts);
}

for (const { name, create, skip } of engines()) {
  describe(`a channel of the ${name} engine as a stream of node`, { skip }, () => {
    let engine: Engine;
    let directory: string;
    let sockets = 0;

    before(async () => {
      engine = create();
      directory = await mkdtemp(join(tmpdir(), 'l7mp-duplex-'));
    });
    after(async () => {
      await engine.close();
      await rm(directory, { recursive: true });
    });

    /** Listens on a UNIX socket of its own. */
    async function listen(accept: (channel: Channel) => void): Promise<string> {
      const path = join(directory, String(sockets++));
      await engine.listenStream({ path }, acceptor(accept));
      return path;
    }

    async function dial(path: string): Promise<ChannelDuplex> {
      return new ChannelDuplex(await engine.connectStream({ path }, attempt(), DEFAULT_LIMITS));
    }

    /** A bare socket of node's, and the stream that its connection became. */
    async function pair(): Promise<{ peer: net.Socket; stream: ChannelDuplex }> {
      let stream: ChannelDuplex | undefined;
      const path = await listen((channel) => {
        stream = new ChannelDuplex(channel);
      });
      const peer = net.connect({ path, allowHalfOpen: true });
      return { peer, stream: await until(() => stream, 'the connection') };
    }

    it('carries HTTP on both sides: bodies both ways, one connection for several requests', async () => {
      const server = http.createServer((req, res) => void req.pipe(res));
      const path = await listen((channel) => server.emit('connection', new ChannelDuplex(channel)));
      const stream = await dial(path);
      const agent = new http.Agent({ keepAlive: true, maxSockets: 1 });
      (agent as unknown as { createConnection: () => ChannelDuplex }).createConnection = () => stream;
      for (const body of [BIG, Buffer.alloc(0), Buffer.from('again')]) {
        const req = http.request({ method: 'POST', agent }).end(body);
        const [res] = (await once(req, 'response')) as [http.IncomingMessage];
        assert.equal(hash(await readAll(res)), hash(body));
      }
      agent.destroy();
      await until(() => stream.destroyed);
    });

    it('passes an end on as a half-close, and what is said after it', async () => {
      const { peer, stream } = await pair();
      peer.end('question');
      assert.equal(String(await readAll(stream)), 'question');
      stream.end('answer');
      assert.equal(String(await readAll(peer)), 'answer');
      await until(() => stream.destroyed);
    });

    it('is not read further than it is wanted, and loses nothing', async () => {
      const { peer, stream } = await pair();
      peer.end(BIG);
      await until(() => stream.readableLength > 0);
      assert.ok(stream.readableLength < BIG.length);
      assert.equal(hash(await readAll(stream)), hash(BIG));
      stream.end();
    });

    it('says when the peer does not read, and when it does again', async () => {
      const { peer, stream } = await pair();
      let written = false;
      stream.write(BIG, () => {
        written = true;
      });
      stream.end('last');
      assert.equal(written, false);
      assert.equal(hash(await readAll(peer)), hash(Buffer.concat([BIG, Buffer.from('last')])));
      peer.end();
      assert.equal(written, true);
    });

    it('delivers what was written when it is destroyed without an error', async () => {
      const { peer, stream } = await pair();
      stream.end('bye');
      stream.destroySoon();
      assert.equal(String(await readAll(peer)), 'bye');
    });

    it('fails when the peer resets, and resets when it fails', async () => {
      const streams = new Map<number | undefined, ChannelDuplex>();
      const { port } = await onPort((port) =>
        engine.listenStream(
          { host: '127.0.0.1', port },
          acceptor((channel) => streams.set(channel.ends?.remotePort, new ChannelDuplex(channel))),
        ),
      );
      const [one, two] = [net.connect(port, '127.0.0.1'), net.connect(port, '127.0.0.1')];
      await until(() => streams.size === 2);
      const ofOne = streams.get(one.localPort) as ChannelDuplex;
      const ofTwo = streams.get(two.localPort) as ChannelDuplex;
      const failed = once(ofOne, 'error');
      one.resetAndDestroy();
      assert.equal((await failed)[0].code, 'ECONNRESET');
      const reset = once(two, 'error');
      ofTwo.on('error', () => {}).destroy(new Error('no'));
      assert.equal((await reset)[0].code, 'ECONNRESET');
    });

    it('resets, with what it has not written, when it is told to', async () => {
      let stream: ChannelDuplex | undefined;
      const { port } = await onPort((port) =>
        engine.listenStream(
          { host: '127.0.0.1', port },
          acceptor((channel) => {
            stream = new ChannelDuplex(channel);
          }),
        ),
      );
      const peer = net.connect(port, '127.0.0.1');
      const reset = once(peer, 'error');
      (await until(() => stream)).resetAndDestroy();
      assert.equal((await reset)[0].code, 'ECONNRESET');
    });

    it('tells of silence, which a byte in either direction breaks', async () => {
      const { peer, stream } = await pair();
      let timeouts = 0;
      stream.setTimeout(30, () => timeouts++);
      await until(() => timeouts === 1);
      stream.setTimeout(0);
      peer.destroy();
      stream.on('error', () => {}).destroy();
    });
  });
}
