/** Who sees an orderly end believes that it has everything: a reset is none, whoever in the engine hears of it first. */
import { deepEqual, equal } from 'node:assert/strict';
import { once } from 'node:events';
import type * as net from 'node:net';
import { after, afterEach, before, describe, it } from 'node:test';
import type { Engine, SocketChannel } from '../core/engine.ts';
import { until } from '../testing/until.ts';
import { acceptor, client, closePeers, engines, onPort } from './testing.ts';

/** A peer, and the channel to it. */
interface Connection {
  readonly peer: net.Socket;
  readonly channel: SocketChannel;
  /** What the channel has told. */
  readonly told: string[];
}

for (const { name, create, skip } of engines()) {
  describe(`resets on the ${name} engine`, { skip }, () => {
    let engine: Engine;

    before(() => {
      engine = create();
    });

    after(() => engine.close());
    afterEach(closePeers);

    /** `message`: what is done with what comes; undefined where nobody reads. */
    async function connect(message?: (channel: SocketChannel, bytes: Uint8Array) => void): Promise<Connection> {
      const told: string[] = [];
      const channels: SocketChannel[] = [];
      const accept = (channel: SocketChannel): void => {
        channels.push(channel);
        channel.owner = { closed: (_channel, { kind }) => told.push(`closed: ${kind}`) };
        if (message) channel.read({ message: (bytes) => message(channel, bytes), end: () => told.push('end') });
      };
      const { port } = await onPort((port) => engine.listenStream({ host: '127.0.0.1', port }, acceptor(accept)));
      const peer = client(port);
      await once(peer, 'connect');
      return { peer, channel: await until(() => channels[0]), told };
    }

    for (const reads of [true, false]) {
      it(`is no end where a write has heard of it, and ${reads ? 'what comes is read' : 'nobody reads'}`, async () => {
        const { peer, channel, told } = await connect(reads ? () => {} : undefined);
        const other = await connect(() => channel.write(Buffer.from('too late')));
        // Both have happened when the engine looks: the write comes after the event, and before it is handled.
        other.peer.write('now');
        peer.resetAndDestroy();
        await until(() => told.length > 0);
        deepEqual(told, ['closed: reset']);
        other.peer.destroy();
      });
    }

    it('is no end where the answer to what came before it has heard of it', async () => {
      let heard = '';
      const { peer, told } = await connect((channel, bytes) => {
        heard += Buffer.from(bytes);
        channel.write(Buffer.from('answer'));
      });
      peer.write('question');
      peer.resetAndDestroy();
      await until(() => told.length > 0);
      deepEqual(told, ['closed: reset']);
      equal(heard, 'question');
    });

    it('is no end where our direction ends right after the write that heard of it', async () => {
      const { peer, channel, told } = await connect(() => {});
      peer.end();
      await until(() => told.length > 0);
      peer.resetAndDestroy();
      channel.write(Buffer.from('never read'));
      channel.end();
      await until(() => told.length > 1);
      deepEqual(told, ['end', 'closed: reset']);
    });
  });
}
