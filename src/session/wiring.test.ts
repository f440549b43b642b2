import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import type { Channel } from '../core/channel.ts';
import type { Engine, Relay, SocketChannel } from '../core/engine.ts';
import { SILENT } from '../core/log.ts';
import { FakeChannel } from '../core/testing.ts';
import { nullOffload } from '../offload/null.ts';
import { RungBytes } from './rung-bytes.ts';
import type { SessionHost } from './session.ts';
import type { Stage } from './stage.ts';
import { type Wired, Wiring } from './wiring.ts';

/** A channel that is a kernel socket. */
class FakeSocket extends FakeChannel {
  override get socket(): SocketChannel {
    return this as unknown as SocketChannel;
  }
}

/** A layer whose work is done when the test says so. */
class FakeLayer extends FakeChannel {
  readonly below = new FakeSocket({ kind: 'stream' });
  done = false;

  override get socket(): SocketChannel | undefined {
    return this.done ? this.below.socket : undefined;
  }
}

/** Between a client's channel and an endpoint's, over an engine that joins sockets, but for those that are busy. */
function wired(source: Channel, sink: Channel) {
  const joined: string[] = [];
  const busy = new Set<Channel>();
  const relay: Relay = { lastActive: () => 0, part: () => joined.push('parted') };
  const io = {
    relay: (a: Channel, b: Channel) => {
      if (busy.has(a) || busy.has(b)) return undefined;
      joined.push('joined');
      return relay;
    },
  } as unknown as Engine;
  const rungBytes = new RungBytes();
  const host = { io, rungBytes, log: SILENT, offload: nullOffload('off') } as unknown as SessionHost;
  const session: Wired = {
    name: 's',
    source,
    stages: [{ ready: true, channel: sink, cluster: { kind: sink.kind }, mends: false } as unknown as Stage],
    connected: true,
    over: false,
    active() {},
    sourceEnded: (pipe, tail) => pipe.finish(tail),
    sinkDrained: () => wiring.settle(),
    tooLarge: () => false,
    endUntold() {},
    boundariesLost() {},
  };
  const wiring = new Wiring(session, host);
  return { wiring, joined, busy, rungBytes };
}

const streams = () => [new FakeSocket({ kind: 'stream' }), new FakeSocket({ kind: 'stream' })] as const;

describe('wiring', () => {
  test('two sockets are joined by the engine', () => {
    const { wiring, joined } = wired(...streams());
    wiring.join();
    assert.deepEqual([joined, wiring.rungs], [['joined'], ['native', 'native']]);
  });

  test('what waits in JavaScript goes first; when it is gone the session moves down', () => {
    const [source, sink] = streams();
    const { wiring, joined, busy } = wired(source, sink);
    source.receive('first');
    sink.takesMore = false;
    busy.add(sink);
    wiring.join();
    assert.deepEqual([sink.sent, joined, wiring.rungs], [['first'], [], ['userspace', 'userspace']]);
    busy.delete(sink);
    sink.drain();
    assert.deepEqual([joined, wiring.rungs], [['joined'], ['native', 'native']]);
  });

  test('a layer is in JavaScript until its work is done, and what passes below it then is counted as its own', () => {
    const [source, sink] = [new FakeLayer({ kind: 'stream' }), new FakeSocket({ kind: 'stream' })];
    const { wiring, joined, rungBytes } = wired(source, sink);
    wiring.join();
    source.receive('12345');
    assert.deepEqual([sink.sent, wiring.rungs], [['12345'], ['userspace', 'userspace']]);
    source.below.bytesIn = 100;
    source.done = true;
    wiring.socketChanged();
    assert.deepEqual([joined, wiring.rungs], [['joined'], ['native', 'native']]);
    source.below.bytesIn += 7;
    source.below.messagesIn += 1;
    wiring.refresh();
    assert.deepEqual([source.bytesIn, source.messagesIn], [12, 2]);
    assert.deepEqual(rungBytes.totals, { kernel: 0, native: 7, userspace: 5 });
  });

  test('a layer that has something to do again has the session back in JavaScript', () => {
    const [source, sink] = [new FakeLayer({ kind: 'stream' }), new FakeSocket({ kind: 'stream' })];
    const { wiring, joined } = wired(source, sink);
    source.done = true;
    wiring.join();
    source.done = false;
    wiring.socketChanged();
    source.receive('seen');
    assert.deepEqual([joined, sink.sent], [['joined', 'parted'], ['seen']]);
    assert.deepEqual(wiring.rungs, ['userspace', 'userspace']);
  });

  test('what a layer has queued is read before the sockets are joined', () => {
    const [source, sink] = [new FakeLayer({ kind: 'stream' }), new FakeSocket({ kind: 'stream' })];
    const { wiring } = wired(source, sink);
    source.receive('early');
    source.done = true;
    wiring.join();
    assert.deepEqual([sink.sent, wiring.rungs], [['early'], ['native', 'native']]);
  });
});
