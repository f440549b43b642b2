/** What the native engine says when it has no room. */
import { deepEqual, equal, ok } from 'node:assert/strict';
import { readdirSync } from 'node:fs';
import * as net from 'node:net';
import { afterEach, describe, it } from 'node:test';
import { Connections } from '../../core/connections.ts';
import { until } from '../../testing/until.ts';
import { acceptor, closePeers, datagramPeer, engines, onPort, takeDatagrams } from '../testing.ts';
import { createNativeEngine } from './index.ts';

const skip = engines().find(({ name }) => name === 'native')?.skip ?? false;

describe('the native engine', { skip }, () => {
  afterEach(closePeers);

  it('asks for the place of another peer when a thread has as many as it may', async () => {
    const engine = createNativeEngine(1, new Connections(), 3);
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
    await engine.close();
  });

  it('closes connections above the ceiling of descriptors at once, and counts them, though JavaScript is not asked', async () => {
    const connections = new Connections();
    const engine = createNativeEngine(1, connections);
    let refused = 0;
    const accepted: unknown[] = [];
    const more = {
      refused: (why: string, count: number): void => {
        equal(why, 'descriptors');
        refused += count;
      },
    };
    const { port } = await onPort((at) =>
      engine.listenStream(
        { host: '127.0.0.1', port: at },
        acceptor((channel) => accepted.push(channel), more),
      ),
    );
    connections.ceiling = readdirSync('/proc/self/fd').length;
    const clients = Array.from({ length: 50 }, () =>
      net
        .connect({ host: '127.0.0.1', port })
        .on('error', () => {})
        .resume(),
    );
    // What the start has closed meanwhile is below it.
    await until(() => refused + accepted.length === 50);
    ok(refused > 25);
    await until(() => clients.filter(({ destroyed }) => destroyed).length >= refused);
    connections.ceiling = Number.POSITIVE_INFINITY;
    const before = accepted.length;
    clients.push(net.connect({ host: '127.0.0.1', port }));
    await until(() => accepted.length > before);
    ok(connections.open > 0);
    for (const client of clients) client.destroy();
    await engine.close();
  });
});
