import { equal, ok } from 'node:assert/strict';
import { once } from 'node:events';
import { afterEach, describe, it, type TestContext } from 'node:test';
import type { Engine, SocketChannel } from '../../../core/engine.ts';
import { until } from '../../../testing/until.ts';
import type { Binder, BoundSocket } from '../../binder.ts';
import { acceptor, client, closePeers, engines, onPort } from '../../testing.ts';
import { createLocalBinder } from '../binder.ts';
import { createNativeEngine } from '../index.ts';
import { Descriptors, makeDescriptorMap } from '../system/descriptors.ts';
import { makeSiblings } from './siblings.ts';

const skip = engines().find(({ name }) => name === 'native')?.skip ?? false;

/** Engines that listen on the same sockets, as those of several threads do. */
function start(t: TestContext, count: number) {
  const siblings = makeSiblings(count);
  const map = makeDescriptorMap();
  const all = Array.from({ length: count }, (_, n) =>
    createNativeEngine({ binder: shared, siblings: siblings.start(n), descriptors: new Descriptors(map, n) }),
  );
  t.after(async () => {
    for (const channel of accepted.splice(0)) channel.close({ kind: 'reset', message: 'over' });
    for (const engine of all) await engine.close();
    siblings.close();
  });
  return { all, siblings };
}

const accepted: SocketChannel[] = [];
const bound = new Map<string, Promise<BoundSocket>>();

/** Binds once, and leaves it open for the others. */
const shared: Binder = {
  bindStream: async (at) => {
    const key = JSON.stringify(at);
    let socket = bound.get(key);
    if (!socket) {
      socket = createLocalBinder({}).bindStream(at);
      bound.set(key, socket);
    }
    return { ...(await socket), release: async () => {} };
  },
  bindMessages: () => Promise.reject(new Error('not here')),
  bindDatagram: () => Promise.reject(new Error('not here')),
};

async function listen(all: readonly Engine[]): Promise<{ port: number; taken: SocketChannel[][] }> {
  const taken: SocketChannel[][] = all.map(() => []);
  const listenAt = (port: number) =>
    Promise.all(
      all.map((engine, n) =>
        engine.listenStream(
          { host: '127.0.0.1', port },
          acceptor((channel) => {
            accepted.push(channel);
            taken[n]?.push(channel);
          }),
        ),
      ),
    );
  const { port } = await onPort(listenAt);
  return { port, taken };
}

async function connect(port: number, count: number): Promise<void> {
  for (let n = 0; n < count; n++) await once(client(port), 'connect');
}

describe('engines that listen on the same socket', { skip }, () => {
  afterEach(async () => {
    closePeers();
    for (const socket of bound.values()) await (await socket).release();
    bound.clear();
  });

  it('share a few long connections evenly', async (t) => {
    const { all } = start(t, 2);
    const { port, taken } = await listen(all);
    await connect(port, 16);
    await until(() => taken.flat().length === 16);
    const [first = 0, second = 0] = taken.map(({ length }) => length);
    ok(Math.abs(first - second) <= 2, `${first} and ${second}`);
    for (const { ends } of taken.flat()) ok(ends && ends.remotePort > 0 && ends.localPort === port);
  });

  it('give back what they had, so that later ones go where there is less', async (t) => {
    const { all } = start(t, 2);
    const { port, taken } = await listen(all);
    await connect(port, 16);
    await until(() => taken.flat().length === 16);
    for (const channel of taken[0] ?? []) channel.close({ kind: 'reset', message: '' });
    const left = taken[1]?.length ?? 0;
    await connect(port, left);
    await until(() => taken.flat().length === 16 + left);
    const now = (taken[1]?.length ?? 0) - left;
    ok(now <= 2, `${now} of ${left} went to the one that had ${left}`);
  });

  it('share with many as well as with few', async (t) => {
    const { all } = start(t, 3);
    const { port, taken } = await listen(all);
    await connect(port, 300);
    await until(() => taken.flat().length === 300);
    for (const { length } of taken) ok(length > 85 && length < 115, `${taken.map((one) => one.length)}`);
  });

  it('keep what another one has no listener for', async (t) => {
    const { all } = start(t, 2);
    const [first, second] = all as [Engine, Engine];
    // It listens elsewhere, so that it takes part.
    await listen([second]);
    const { port, taken } = await listen([first]);
    await connect(port, 6);
    await until(() => taken[0]?.length === 6);
    ok(taken[0]?.every(({ open }) => open));
  });

  it('pass nothing on to one that has ended', async (t) => {
    const { all, siblings } = start(t, 2);
    const { port, taken } = await listen(all);
    await connect(port, 8);
    await until(() => taken.flat().length === 8);
    siblings.ended(1);
    await connect(port, 4);
    await until(() => taken.flat().length === 12);
    equal(taken[0]?.length, 12 - (taken[1]?.length ?? 0));
    ok((taken[0]?.length ?? 0) >= 7);
  });
});
