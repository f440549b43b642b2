import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { type Channel, type CloseReason, type MessageAttributes, TEXT } from './channel.ts';
import { L7mpError } from './errors.ts';
import { FLUSH_TIMEOUT, LayerChannel } from './layer.ts';
import type { Metadata } from './metadata.ts';
import { begun, FakeChannel, watch } from './testing.ts';

/** Touches nothing. */
class PlainLayer extends LayerChannel {}

/** Each side says `hi` first; every message has a `>` before it. */
class GreetingLayer extends LayerChannel {
  releases = 0;

  constructor(lower: Channel) {
    super(lower, 1);
  }

  protected override about(): Metadata {
    return { Greeting: 'hi' };
  }

  protected override start(): void {
    this.lower.write(Buffer.from('hi'));
  }

  protected override shake(bytes: Uint8Array, attributes: MessageAttributes): void {
    const text = Buffer.from(bytes).toString();
    if (text === 'throw') throw new Error('cannot read this');
    if (!text.startsWith('hi')) this.fail(new L7mpError('E_HANDSHAKE', 'not polite'));
    else if (text.length > 2) this.deliver(bytes.subarray(2), attributes, false);
    this.complete();
  }

  protected override received(bytes: Uint8Array, attributes: MessageAttributes, owned: boolean): void {
    if (bytes[0] !== 0x3e) throw new Error('no mark');
    this.deliver(bytes.subarray(1), attributes, owned);
  }

  protected override send(bytes: Uint8Array, attributes: MessageAttributes): boolean {
    return this.lower.write(Buffer.concat([Buffer.from('>'), bytes]), attributes, true);
  }

  protected override released(): void {
    this.releases++;
  }
}

function plain(lower: FakeChannel) {
  const { layer, outcome } = begun(new PlainLayer(lower));
  assert.deepEqual(outcome, ['completed']);
  return layer;
}

function greeted(lower: FakeChannel): GreetingLayer {
  const { layer, outcome } = begun(new GreetingLayer(lower));
  lower.receive('hi');
  assert.deepEqual(outcome, ['completed']);
  return layer;
}

describe('a layer that touches nothing', () => {
  test('has the properties of the channel below', () => {
    for (const kind of ['datagram', 'stream'] as const) {
      const lower = new FakeChannel({ kind, lossy: true, halfClose: false, maxMessage: 77 });
      const { lossy, halfClose, maxMessage, answer, limits, kind: same } = plain(lower);
      assert.deepEqual([same, lossy, halfClose, maxMessage, answer], [kind, true, false, 77, { protocol: 'fake' }]);
      assert.equal(limits, lower.limits);
    }
  });

  test('hands messages on as they are, and keeps nothing of what is not its own', () => {
    const lower = new FakeChannel();
    const layer = plain(lower);
    lower.receive('before there is a reader', TEXT);
    const told = watch(layer);
    const seen: boolean[] = [];
    lower.receive('after');
    layer.read({ message: (_bytes, _attributes, owned) => seen.push(owned), end: () => {} });
    lower.receive('not owned');
    assert.deepEqual(told, ['text before there is a reader', 'after']);
    assert.deepEqual(seen, [false]);
    assert.deepEqual([layer.messagesIn, layer.bytesIn], [3, 38]);
  });

  test('writes with the attributes, and gives fullness and draining back', () => {
    const lower = new FakeChannel();
    const layer = plain(lower);
    const told = watch(layer);
    assert.equal(layer.write(Buffer.from('one'), TEXT), true);
    lower.takesMore = false;
    assert.equal(layer.write(Buffer.from('two')), false);
    assert.equal(layer.full, true);
    lower.drain();
    assert.equal(layer.full, false);
    assert.deepEqual([lower.sent, lower.attributes[0], told], [['one', 'two'], TEXT, ['drained']]);
  });

  test('passes pauses on, and loses nothing over them', () => {
    const lower = new FakeChannel({ kind: 'stream' });
    const layer = plain(lower);
    assert.equal(lower.flowing, false, 'nobody reads');
    const told = watch(layer);
    assert.equal(lower.flowing, true);
    layer.pause();
    assert.equal(lower.flowing, false);
    lower.receive('late');
    assert.deepEqual(told, []);
    layer.resume();
    assert.deepEqual([told, lower.flowing], [['late'], true]);
  });

  test('does not hold a lossy channel, and counts what its own queue has no room for', () => {
    const lower = new FakeChannel({ lossy: true });
    const layer = plain(lower);
    for (let n = 0; n <= layer.limits.messages; n++) lower.receive(`${n}`);
    assert.deepEqual([layer.queued, lower.queued], [layer.limits.messages, 0]);
    assert.deepEqual([...(layer.drops ?? [])], [['queue-full', 1]]);
  });

  test('shows the drops of the channel below as its own', () => {
    const lower = new FakeChannel();
    const layer = plain(lower);
    lower.drop('send-error');
    layer.write(new Uint8Array(layer.maxMessage + 1));
    assert.deepEqual(
      [...(layer.drops ?? [])],
      [
        ['send-error', 1],
        ['too-large', 1],
      ],
    );
  });

  test('ends one direction at a time', () => {
    const lower = new FakeChannel();
    const layer = plain(lower);
    const told = watch(layer);
    lower.peerEnds({ grpc: '0' });
    layer.write(Buffer.from('still'));
    layer.end({ trailer: 'x' });
    assert.deepEqual([told, lower.sent, lower.calls], [['end {"grpc":"0"}'], ['still'], ['end {"trailer":"x"}']]);
    assert.equal(layer.open, true);
  });

  test('closes the channel below, for the same reason', () => {
    const lower = new FakeChannel();
    const layer = plain(lower);
    const told = watch(layer);
    layer.close({ kind: 'deleted', message: 'by the API' });
    assert.deepEqual(lower.closeReason, { kind: 'deleted', message: 'by the API' });
    assert.deepEqual([told, layer.open], [[], false]);
  });

  test('reads all before an end, and nothing after a reset', () => {
    for (const kind of ['end', 'reset'] as const) {
      const lower = new FakeChannel({ lossy: true });
      const layer = plain(lower);
      lower.receive('queued');
      const told = watch(layer);
      layer.pause();
      lower.receive('held');
      lower.peerCloses({ kind, message: 'gone' });
      layer.resume();
      const expected =
        kind === 'end' ? ['queued', 'lingering', 'held', 'end', 'closed end: gone'] : ['queued', 'closed reset: gone'];
      assert.deepEqual(told, expected);
    }
  });

  test('passes on faults, heads, and what the session says', () => {
    const lower = new FakeChannel();
    const layer = plain(lower);
    const told = watch(layer);
    lower.owner?.head?.({ status: 204 });
    lower.owner?.fault?.(lower, 'ECONNREFUSED');
    layer.routed();
    layer.accept();
    layer.refuse(new L7mpError('E_NO_ROUTE', 'no rule matches'));
    assert.deepEqual(lower.calls, ['routed', 'accept', 'refuse E_NO_ROUTE']);
    assert.deepEqual([layer.open, lower.open], [false, false]);
    assert.deepEqual(told, ['head 204', 'fault ECONNREFUSED']);
  });

  test('tells its owner of a head that came before there was one', () => {
    const lower = new FakeChannel();
    const layer = plain(lower);
    lower.owner?.head?.({ status: 200 });
    const told = watch(layer);
    lower.receive('body');
    assert.deepEqual(told, ['head 200', 'body']);
  });
});

describe('a layer with a handshake', () => {
  test('completes it before any data, whoever comes first', () => {
    const lower = new FakeChannel({ kind: 'stream' });
    const { layer, outcome } = begun(new GreetingLayer(lower));
    assert.deepEqual([lower.sent, outcome], [['hi'], []]);
    lower.receive('hidata');
    assert.deepEqual([outcome, lower.flowing], [['completed'], false]);
    const told = watch(layer);
    lower.receive('>more');
    layer.write(Buffer.from('back'));
    assert.deepEqual(
      [told, lower.sent],
      [
        ['data', 'more'],
        ['hi', '>back'],
      ],
    );
  });

  test('counts the payload, and leaves room for what it adds', () => {
    const lower = new FakeChannel({ maxMessage: 5 });
    const layer = greeted(lower);
    watch(layer);
    layer.write(Buffer.from('four'));
    layer.write(Buffer.from('five!'));
    lower.receive('>in');
    assert.deepEqual([layer.maxMessage, layer.bytesOut, layer.bytesIn], [4, 4, 2]);
    assert.deepEqual([...(layer.drops ?? [])], [['too-large', 1]]);
  });

  test('adds to the metadata of the channel below', () => {
    assert.deepEqual(greeted(new FakeChannel()).describe(), { Fake: { side: 'lower' }, Greeting: 'hi' });
  });

  const breaches: [string, (lower: FakeChannel) => void, RegExp][] = [
    ['a breach', (lower) => lower.receive('pardon'), /^not polite$/],
    ['an error', (lower) => lower.receive('throw'), /^closed before the handshake was over: cannot read this$/],
    ['the end', (lower) => lower.peerEnds(), /^the peer ended the connection/],
    ['the close', (lower) => lower.peerCloses({ kind: 'reset', message: 'ECONNRESET' }), /over: ECONNRESET$/],
  ];
  for (const [what, breach, message] of breaches) {
    test(`fails once, and is closed, by ${what}`, () => {
      const lower = new FakeChannel();
      const { layer, outcome } = begun(new GreetingLayer(lower));
      breach(lower);
      layer.fail(new L7mpError('E_TIMEOUT', 'too late'));
      assert.equal(outcome.length, 1);
      const [error] = outcome as L7mpError[];
      assert.equal(error?.code, 'E_HANDSHAKE');
      assert.match(error?.message ?? '', message);
      assert.deepEqual([layer.open, lower.open, layer.releases], [false, false, 1]);
    });
  }

  test('fails where the channel below is closed already', () => {
    const lower = new FakeChannel();
    lower.close({ kind: 'end', message: 'closed' });
    const { layer, outcome } = begun(new GreetingLayer(lower));
    assert.equal((outcome[0] as L7mpError).code, 'E_DISCONNECT');
    assert.deepEqual([outcome.length, layer.open, layer.releases], [1, false, 1]);
  });

  test('closes with an error where what it receives later is broken', () => {
    const lower = new FakeChannel();
    const layer = greeted(lower);
    const told = watch(layer);
    lower.receive('unmarked');
    assert.deepEqual(told, ['closed error: no mark']);
    assert.deepEqual([layer.open, lower.open, layer.releases], [false, false, 1]);
  });

  test('releases what it holds once, whoever closes', () => {
    for (const close of [
      (lower: FakeChannel) => lower.peerCloses(),
      (_: FakeChannel, layer: LayerChannel) => layer.close({ kind: 'idle', message: '' }),
    ]) {
      const lower = new FakeChannel();
      const layer = greeted(lower);
      watch(layer);
      close(lower, layer);
      layer.close({ kind: 'end', message: '' });
      assert.deepEqual([layer.releases, layer.open], [1, false]);
    }
  });

  test('may abort: the lower channel is reset, and the owner is told why', () => {
    class Strict extends GreetingLayer {
      protected override ended(): void {
        this.abort({ kind: 'reset', message: 'cut off' });
      }
    }
    const lower = new FakeChannel({ kind: 'stream' });
    const { layer } = begun(new Strict(lower));
    lower.receive('hi');
    const told = watch(layer);
    lower.peerEnds();
    assert.deepEqual([told, lower.closeReason?.kind, layer.releases], [['closed reset: cut off'], 'reset', 1]);
    assert.equal(layer.open, false);
  });

  test('stands on another layer', () => {
    const lower = new FakeChannel({ maxMessage: 10 });
    const { layer: middle } = begun(new GreetingLayer(lower));
    lower.receive('hi');
    const { layer, outcome } = begun(new GreetingLayer(middle));
    lower.receive('>hi');
    const told = watch(layer);
    lower.receive('>>x');
    layer.write(Buffer.from('y'));
    lower.peerCloses();
    assert.deepEqual([outcome, layer.maxMessage, lower.sent], [['completed'], 8, ['hi', '>hi', '>>y']]);
    assert.deepEqual(told, ['x', 'end', 'closed end: closed by the peer']);
  });
});

/** As GreetingLayer, and says `bye` last: at once, or when it is told to. */
class PoliteLayer extends GreetingLayer {
  readonly #later: boolean;
  readonly reasons: string[] = [];

  constructor(lower: Channel, later = false) {
    super(lower);
    this.#later = later;
  }

  protected override flush({ kind }: CloseReason): void {
    this.reasons.push(kind);
    this.lower.write(Buffer.from('bye'));
    if (!this.#later) this.flushed();
  }

  finish(): void {
    this.flushed();
  }
}

function polite(later: boolean) {
  const lower = new FakeChannel({ kind: 'stream' });
  const begin = begun(new PoliteLayer(lower, later), true);
  lower.receive('hi');
  return { lower, told: watch(begin.layer), ...begin };
}

const EVERY = ['end', 'error', 'timeout', 'idle', 'deleted', 'shutdown', 'refused'] as const;

describe('the transport of an accepted layer', () => {
  test('is told to open before the handshake, and of the session no more', () => {
    const lower = new FakeChannel();
    lower.onSend = (bytes) => lower.calls.push(`sent ${bytes}`);
    const { layer } = begun(new GreetingLayer(lower), true);
    assert.deepEqual(lower.calls, ['routed', 'accept', `sent ${Buffer.from('hi')}`]);
    lower.receive('hi');
    layer.routed();
    layer.accept({ status: 200 });
    layer.head({ status: 200 });
    assert.equal(lower.calls.length, 3);
  });

  test('waits for the session where the layer has no handshake', () => {
    const lower = new FakeChannel();
    const { layer } = begun(new PlainLayer(lower), true);
    assert.deepEqual(lower.calls, []);
    layer.routed();
    layer.accept();
    assert.deepEqual(lower.calls, ['routed', 'accept']);
  });

  test('that closes when it is told to open breaks the handshake', () => {
    class ClosingChannel extends FakeChannel {
      override accept(): void {
        this.peerCloses({ kind: 'reset', message: 'gone' });
      }
    }
    const lower = new ClosingChannel();
    const { outcome, layer } = begun(new GreetingLayer(lower), true);
    assert.match((outcome[0] as L7mpError).message, /over: gone$/);
    assert.deepEqual([lower.sent, outcome.length, layer.releases], [[], 1, 1]);
  });
});

describe('what a layer says last', () => {
  for (const kind of EVERY) {
    test(`reaches the peer before the lower channel is closed (${kind})`, () => {
      const { lower, layer } = polite(false);
      lower.onSend = () => assert.equal(lower.closeReason, undefined);
      layer.close({ kind, message: '' });
      assert.deepEqual([lower.sent.at(-1), lower.closeReason?.kind, layer.releases], ['bye', kind, 1]);
    });
  }

  test('reaches the peer before the refusal', () => {
    const { lower, layer } = polite(false);
    layer.refuse(new L7mpError('E_NO_ROUTE', 'no route'));
    assert.deepEqual(lower.sent, ['hi', 'bye']);
    assert.deepEqual([lower.calls.at(-1), lower.open], ['refuse E_NO_ROUTE', false]);
  });

  test('is said of a broken handshake, too, whose observer is told once', () => {
    const lower = new FakeChannel();
    const { layer, outcome } = begun(new PoliteLayer(lower, true), true);
    lower.receive('pardon');
    lower.receive('hi');
    layer.fail(new L7mpError('E_TIMEOUT', 'too late'));
    assert.deepEqual([outcome.length, lower.sent, lower.open], [1, ['hi', 'bye'], true]);
    layer.finish();
    assert.deepEqual([lower.closeReason?.kind, layer.releases, outcome.length], ['error', 1, 1]);
  });

  test('is not said where the connection is reset, or gone', () => {
    const { lower, layer } = polite(false);
    layer.close({ kind: 'reset', message: '' });
    assert.deepEqual([layer.reasons, lower.closeReason?.kind], [[], 'reset']);
    const other = polite(false);
    other.lower.peerCloses();
    other.layer.close({ kind: 'end', message: '' });
    assert.deepEqual([other.layer.reasons, other.layer.releases], [[], 1]);
  });

  test('may take its time as long as the peer takes something, and is cut with a reset when it does not', (t) => {
    t.mock.timers.enable({ apis: ['setTimeout'] });
    const { lower, layer } = polite(true);
    lower.takesMore = false;
    layer.close({ kind: 'end', message: '' });
    for (let n = 0; n < 3; n++) {
      lower.write(Buffer.from('more'));
      t.mock.timers.tick(FLUSH_TIMEOUT - 1);
      assert.equal(lower.open, true);
      lower.drain();
      lower.takesMore = false;
    }
    t.mock.timers.tick(FLUSH_TIMEOUT);
    assert.deepEqual([lower.closeReason?.kind, layer.releases], ['reset', 1]);
    layer.finish();
    assert.equal(lower.closeReason?.kind, 'reset');
  });

  test('has no end that is waited for once it is said, or the peer has gone', (t) => {
    t.mock.timers.enable({ apis: ['setTimeout'] });
    for (const end of [
      (p: ReturnType<typeof polite>) => p.layer.finish(),
      (p: ReturnType<typeof polite>) => p.lower.peerCloses(),
    ]) {
      const all = polite(true);
      all.layer.close({ kind: 'idle', message: '' });
      end(all);
      const { closeReason } = all.lower;
      t.mock.timers.tick(2 * FLUSH_TIMEOUT);
      assert.deepEqual([all.lower.closeReason, all.layer.releases, all.told], [closeReason, 1, []]);
    }
  });

  test('closes the lower channel also where it cannot be said', () => {
    class BrokenLayer extends GreetingLayer {
      protected override flush(): void {
        throw new Error('no');
      }
    }
    const lower = new FakeChannel();
    const { layer } = begun(new BrokenLayer(lower));
    lower.receive('hi');
    layer.close({ kind: 'end', message: '' });
    assert.equal(lower.closeReason?.kind, 'end');
  });
});
