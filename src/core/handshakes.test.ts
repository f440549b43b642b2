import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { type FakeAttempt, attempt as fakeAttempt } from '../testing/fake-cluster-host.ts';
import type { Channel, MessageAttributes } from './channel.ts';
import type { L7mpError } from './errors.ts';
import { dialLayer, type HandshakeHost, Handshakes, listenOnLayer } from './handshakes.ts';
import { LayerChannel } from './layer.ts';
import { SILENT } from './log.ts';
import type { Attempt, ListenerHost, ListenerOptions } from './protocol.ts';
import { FakeChannel } from './testing.ts';

/** Waits for `hi`. */
class HiLayer extends LayerChannel {
  protected override start(): void {}

  protected override shake(bytes: Uint8Array, _attributes: MessageAttributes): void {
    if (bytes[0] !== 0x68) throw new Error('not polite');
    this.complete();
  }
}

const wrap = (lower: Channel): LayerChannel => new HiLayer(lower);

class TestHost implements HandshakeHost {
  readonly name = 'l';
  options: ListenerOptions = {};
  readonly log = SILENT;
  readonly io = { connections: { scarce: false } };
  readonly accepted: Channel[] = [];
  readonly rejects: string[] = [];
  /** Called after each rejection. */
  onReject: (() => void) | undefined;
  most = Number.POSITIVE_INFINITY;

  admit(): boolean {
    if (this.accepted.length < this.most) return true;
    this.reject('max-sessions');
    return false;
  }

  accept(channel: Channel): void {
    this.accepted.push(channel);
  }

  reject(why: string): void {
    this.rejects.push(why);
    this.onReject?.();
  }
}

describe('handshakes of a listener', () => {
  test('make no session before they are over', () => {
    const host = new TestHost();
    const handshakes = new Handshakes(host);
    const lower = new FakeChannel();
    handshakes.take(lower, wrap);
    assert.deepEqual([host.accepted.length, handshakes.pending], [0, 1]);
    lower.receive('hi');
    assert.deepEqual([host.accepted.length, handshakes.pending, host.rejects], [1, 0, []]);
    assert.ok(host.accepted[0]?.open);
  });

  test('that break are counted, and concern nobody else', () => {
    const host = new TestHost();
    const handshakes = new Handshakes(host);
    const [bad, good] = [new FakeChannel(), new FakeChannel()];
    handshakes.take(bad, wrap);
    handshakes.take(good, wrap);
    bad.receive('you there');
    good.receive('hi');
    assert.deepEqual([host.accepted.length, host.rejects, bad.open, good.open], [1, ['broken-handshake'], false, true]);
  });

  test('are bounded in number: the oldest one gives way', () => {
    const host = new TestHost();
    const handshakes = new Handshakes(host, 2);
    const lowers = [0, 1, 2].map(() => new FakeChannel());
    for (const lower of lowers) handshakes.take(lower, wrap);
    assert.deepEqual(
      lowers.map(({ open }) => open),
      [false, true, true],
    );
    assert.deepEqual([host.rejects, handshakes.pending], [['too-many-handshakes'], 2]);
    assert.equal(lowers[0]?.closeReason?.kind, 'refused');
    lowers[1]?.receive('hi');
    handshakes.take(new FakeChannel(), wrap);
    assert.equal(handshakes.pending, 2);
  });

  test('of an address that has more than its share give way to its own next ones only', () => {
    const host = new TestHost();
    const handshakes = new Handshakes(host, 16);
    const of = (address: string): FakeChannel => {
      const lower = new FakeChannel({ metadata: { IP: { src_addr: address } } });
      handshakes.take(lower, wrap);
      return lower;
    };
    const first = of('192.0.2.7');
    for (let n = 0; n < 100; n++) of('192.0.2.1');
    for (let n = 0; n < 100; n++) of(`2001:db8::${n.toString(16)}`);
    assert.ok(first.open);
    first.receive('hi');
    assert.deepEqual([host.accepted.length, handshakes.pending], [1, 15]);
  });

  test('give way where hardly a descriptor is left', () => {
    const host = new TestHost();
    host.io.connections.scarce = true;
    const handshakes = new Handshakes(host);
    const lowers = [0, 1, 2].map(() => new FakeChannel());
    for (const lower of lowers) handshakes.take(lower, wrap);
    assert.deepEqual([handshakes.pending, lowers.at(-1)?.open], [1, true]);
  });

  test('are bounded in time, each by its own', async (t) => {
    // Their timer alone does not keep a process alive; listeners do.
    const alive = setInterval(() => {}, 1000);
    t.after(() => clearInterval(alive));
    const host = new TestHost();
    host.options = { handshake_timeout: 5 };
    const handshakes = new Handshakes(host);
    const [first, second, done] = [new FakeChannel(), new FakeChannel(), new FakeChannel()];
    const expired = (lower: FakeChannel, next?: FakeChannel) =>
      new Promise<void>((resolve) => {
        host.onReject = () => {
          assert.deepEqual([lower.open, lower.closeReason?.kind], [false, 'refused']);
          if (next) handshakes.take(next, wrap);
          resolve();
        };
      });
    handshakes.take(done, wrap);
    handshakes.take(first, wrap);
    done.receive('hi');
    await expired(first, second);
    await expired(second);
    assert.deepEqual(
      [host.rejects, done.open, handshakes.pending],
      [['handshake-timeout', 'handshake-timeout'], true, 0],
    );
  });

  test('have the time that the options say now', async (t) => {
    const alive = setInterval(() => {}, 1000);
    t.after(() => clearInterval(alive));
    const host = new TestHost();
    host.options = { connect_timeout: 2_000_000_000 };
    const handshakes = new Handshakes(host);
    const lower = new FakeChannel();
    handshakes.take(lower, wrap);
    const late = new Promise<void>((resolve) => {
      host.onReject = resolve;
    });
    host.options = { connect_timeout: 2_000_000_000, handshake_timeout: 1 };
    await late;
    assert.deepEqual([host.rejects, lower.open], [['handshake-timeout'], false]);
  });

  test('that end together do not exceed the sessions allowed, and each refusal is counted once', () => {
    const host = new TestHost();
    host.most = 1;
    const handshakes = new Handshakes(host);
    const lowers = [new FakeChannel(), new FakeChannel()];
    for (const lower of lowers) handshakes.take(lower, wrap);
    for (const lower of lowers) lower.receive('hi');
    assert.deepEqual([host.accepted.length, host.rejects], [1, ['max-sessions']]);
    assert.deepEqual(
      lowers.map(({ open, closeReason }) => [open, closeReason?.kind]),
      [
        [true, undefined],
        [false, 'refused'],
      ],
    );
  });

  test('are broken off with the listener, which is no rejection; sessions go on', async () => {
    const host = new TestHost();
    let emit: (lower: Channel) => void = () => {};
    let closed = false;
    const listenOn: ListenerHost['listenOn'] = async (_spec, accept) => {
      emit = accept;
      return {
        close: async () => {
          closed = true;
        },
      };
    };
    const full = Object.assign(host, { options: {}, listenOn }) as unknown as ListenerHost;
    const listening = await listenOnLayer(full, { protocol: 'Fake' }, wrap);
    const [live, pending, late] = [new FakeChannel(), new FakeChannel(), new FakeChannel()];
    emit(live);
    live.receive('hi');
    emit(pending);
    await listening.close();
    assert.deepEqual([closed, live.open, pending.open, pending.closeReason?.kind], [true, true, false, 'deleted']);
    assert.deepEqual(host.rejects, []);
    emit(late);
    assert.deepEqual([late.open, host.accepted.length], [false, 1]);
  });
});

const attemptTo = (address: string): FakeAttempt => ({ ...fakeAttempt({}, 's', address), timeout: 100 });

/** Dials to `lower`, and waits until the handshake has begun. */
async function begin(lower: FakeChannel, attempt: Attempt): Promise<{ dialled: Promise<LayerChannel> }> {
  let dialled: Promise<LayerChannel> | undefined;
  await new Promise<void>((begun) => {
    dialled = dialLayer({ dial: async () => lower }, attempt, (channel) => {
      begun();
      return wrap(channel);
    });
  });
  return { dialled: dialled as Promise<LayerChannel> };
}

function fails(promise: Promise<unknown>, code: string, message: RegExp): Promise<void> {
  return assert.rejects(promise, (error: L7mpError) => {
    assert.equal(error.code, code);
    assert.match(error.message, message);
    return true;
  });
}

describe('dialling through a layer', () => {
  test('connects when the handshake is over', async () => {
    const lower = new FakeChannel();
    const attempt = attemptTo('a');
    const { dialled } = await begin(lower, attempt);
    lower.receive('hi');
    const layer = await dialled;
    attempt.cancel();
    assert.ok(layer.open);
  });

  test('takes a lower channel that is there at once', async () => {
    const lower = new FakeChannel();
    lower.receive('hi');
    assert.ok((await dialLayer({ dial: () => lower }, attemptTo('a'), wrap)).open);
  });

  test('fails as the channel below does', async () => {
    const dial = () => Promise.reject(new Error('nobody there'));
    await assert.rejects(dialLayer({ dial }, attemptTo('a'), wrap), /nobody there/);
  });

  test('leaves the attempt in charge of the lower dialler', async () => {
    const attempt = attemptTo('a');
    const lower = new FakeChannel();
    lower.receive('hi');
    let given: Attempt | undefined;
    const dial = (under: Attempt): Channel => {
      given = under;
      return lower;
    };
    const dialled = dialLayer({ dial }, attempt, wrap);
    assert.equal(given, attempt);
    assert.equal((await dialled).socket, undefined);
  });

  test('leaves nothing behind where the handshake breaks', async () => {
    const lower = new FakeChannel();
    lower.receive('you there');
    await fails(dialLayer({ dial: () => lower }, attemptTo('a'), wrap), 'E_HANDSHAKE', /not polite/);
    assert.equal(lower.open, false);
  });

  test('leaves nothing behind where the attempt is cancelled during the handshake', async () => {
    const lower = new FakeChannel();
    const attempt = attemptTo('a');
    const { dialled } = await begin(lower, attempt);
    attempt.cancel();
    await fails(dialled, 'E_TIMEOUT', /^a: no handshake within 100 ms$/);
    assert.equal(lower.open, false);
  });

  test('leaves nothing behind where the attempt was cancelled before it', async () => {
    const lower = new FakeChannel();
    const attempt = attemptTo('a');
    attempt.cancel();
    await fails(dialLayer({ dial: () => lower }, attempt, wrap), 'E_TIMEOUT', /^a: /);
    assert.equal(lower.open, false);
  });

  test('fails where the peer resets together with its last word', async () => {
    const lower = new FakeChannel();
    const { dialled } = await begin(lower, attemptTo('a'));
    lower.receive('hi');
    lower.peerCloses({ kind: 'reset', message: 'ECONNRESET' });
    await fails(dialled, 'E_DISCONNECT', /^a: closed right after/);
  });
});
