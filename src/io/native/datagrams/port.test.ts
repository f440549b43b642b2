import { deepEqual, equal } from 'node:assert/strict';
import { once } from 'node:events';
import { afterEach, describe, it } from 'node:test';
import { until } from '../../../testing/until.ts';
import { closePeers, datagramPeer, engines, takeDatagrams } from '../../testing.ts';
import { createNativeEngine } from '../index.ts';

const skip = engines().find(({ name }) => name === 'native')?.skip ?? false;

describe('a port of the native engine', { skip }, () => {
  afterEach(closePeers);

  it('asks for the place of another peer when there are as many as there should be', async (t) => {
    const engine = createNativeEngine({ peers: 3 });
    t.after(() => engine.close());
    const asked: (boolean | undefined)[] = [];
    const admit = (_peer: unknown, scarce?: boolean): boolean => {
      asked.push(scarce);
      return !scarce;
    };
    const { port, channels } = await takeDatagrams(engine, { admit });
    for (let n = 1; n <= 5; n++) {
      const peer = await datagramPeer();
      peer.socket.send('hello', port, '127.0.0.1');
      await until(() => asked.length === n);
    }
    deepEqual(asked, [false, false, false, true, true]);
    channels[0]?.close({ kind: 'idle', message: 'gave way' });
    const peer = await datagramPeer();
    peer.socket.send('hello', port, '127.0.0.1');
    await until(() => channels.length === 4);
  });

  it('goes on when taking a peer throws, which ends that one', async (t) => {
    const engine = createNativeEngine();
    t.after(() => engine.close());
    let taken = 0;
    const { port } = await takeDatagrams(engine, {
      accept: (channel) => {
        if (++taken === 1) throw new Error('on purpose');
        channel.read({ message: (bytes) => channel.write(bytes), end: () => {} });
      },
    });
    const peer = await datagramPeer();
    const warned = once(process, 'warning');
    for (const text of ['lost', 'heard']) peer.socket.send(text, port, '127.0.0.1');
    await until(() => peer.received.length === 1);
    equal(String(peer.received[0]), 'heard');
    equal(((await warned)[0] as Error).message.includes('on purpose'), true);
  });

  it('has what is left of a batch from others when a peer closes in the middle of it', async (t) => {
    const engine = createNativeEngine();
    t.after(() => engine.close());
    const heard: string[] = [];
    const { port } = await takeDatagrams(engine, {
      accept: (channel) =>
        channel.read({
          message: (bytes) => {
            const text = Buffer.from(bytes).toString();
            heard.push(`${channel.ends?.remotePort} ${text}`);
            if (text === 'close') channel.close({ kind: 'end', message: 'over' });
          },
          end: () => {},
        }),
    });
    const [a, b] = [await datagramPeer(), await datagramPeer()];
    const sent: string[] = [];
    for (let n = 0; n < 20; n++) {
      for (const [peer, text] of [
        [a, `${n}`],
        [a, 'close'],
        [b, `${n}`],
      ] as const) {
        peer.socket.send(text, port, '127.0.0.1');
        sent.push(`${peer.port} ${text}`);
      }
    }
    await until(() => heard.length === sent.length);
    deepEqual(heard.toSorted(), sent.toSorted());
  });

  it('ends the channels of its peers with the engine', async () => {
    const engine = createNativeEngine();
    const { port, channels } = await takeDatagrams(engine);
    const peer = await datagramPeer();
    peer.socket.send('hello', port, '127.0.0.1');
    const channel = await until(() => channels[0]);
    const closed: string[] = [];
    channel.owner = { closed: (_channel, { kind }) => closed.push(kind) };
    await engine.close();
    deepEqual(closed, ['shutdown']);
    equal(channel.ends?.remotePort, peer.port);
  });
});
