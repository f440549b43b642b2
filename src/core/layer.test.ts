import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { type Channel, type MessageAttributes, TEXT } from './channel.ts';
import { L7mpError } from './errors.ts';
import { LayerChannel } from './layer.ts';
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
