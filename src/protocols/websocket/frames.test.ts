import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { GatheringLimit } from '../../core/gathering.ts';
import { type FrameHandler, FrameMaker, FrameReader, Opcode } from './frames.ts';

const LIMITS = { maxMessage: 1 << 20, gathering: new GatheringLimit() };

/** A handler that notes what it is told. */
class Notes implements FrameHandler {
  readonly said: unknown[] = [];
  onMessage: (() => void) | undefined;

  message(bytes: Uint8Array, text: boolean): void {
    this.said.push([text ? 'text' : 'binary', Buffer.from(bytes).toString('latin1')]);
    this.onMessage?.();
  }

  ping(bytes: Uint8Array): void {
    this.said.push(['ping', Buffer.from(bytes).toString('latin1')]);
  }

  pong(): void {
    this.said.push(['pong']);
  }

  closed(code: number, text: string): void {
    this.said.push(['closed', code, text]);
  }

  broken(code: number): void {
    this.said.push(['broken', code]);
  }
}

interface FrameOptions {
  readonly fin?: boolean;
  readonly rsv?: number;
  readonly mask?: readonly number[];
}

/** A frame as RFC 6455 section 5.2 draws it. */
function frame(opcode: number, payload: Uint8Array | string, { fin = true, rsv = 0, mask }: FrameOptions = {}): Buffer {
  const bytes = Buffer.from(payload as string);
  const { length } = bytes;
  const head = Buffer.alloc(length < 126 ? 2 : length < 65_536 ? 4 : 10);
  head[0] = (fin ? 0x80 : 0) | rsv | opcode;
  head[1] = (mask ? 0x80 : 0) | (length < 126 ? length : length < 65_536 ? 126 : 127);
  if (head.length === 4) head.writeUInt16BE(length, 2);
  if (head.length === 10) head.writeBigUInt64BE(BigInt(length), 2);
  if (!mask) return Buffer.concat([head, bytes]);
  return Buffer.concat([head, Buffer.from(mask), bytes.map((byte, n) => byte ^ (mask[n & 3] as number))]);
}

function read(bytes: Uint8Array, piece = bytes.length, masked = false): unknown[] {
  const notes = new Notes();
  const reader = new FrameReader(notes, masked, LIMITS);
  for (let at = 0; at < bytes.length; at += piece) reader.push(Uint8Array.from(bytes.subarray(at, at + piece)));
  return notes.said;
}

const MASK = [1, 200, 3, 77];

describe('frames', () => {
  const sizes = [0, 1, 5, 63, 64, 65, 125, 126, 127, 1000, 65_535, 65_536, 70_001];
  for (const masked of [false, true]) {
    const mask = masked ? { mask: MASK } : {};
    const all = Buffer.concat([
      ...sizes.map((size, n) =>
        frame(n % 2 ? Opcode.Text : Opcode.Binary, 'abcdefg'.repeat(size).slice(0, size), mask),
      ),
      frame(Opcode.Ping, 'ping', mask),
      frame(Opcode.Text, 'fra', { fin: false, ...mask }),
      frame(Opcode.Pong, 'unasked', mask),
      frame(Opcode.Continuation, '', { fin: false, ...mask }),
      frame(Opcode.Continuation, 'gments', mask),
      frame(Opcode.Close, Buffer.from('\x0f\xa0bye', 'latin1'), mask),
    ]);
    const expected = [
      ...sizes.map((size, n) => [n % 2 ? 'text' : 'binary', 'abcdefg'.repeat(size).slice(0, size)]),
      ['ping', 'ping'],
      ['pong'],
      ['text', 'fragments'],
      ['closed', 4000, 'bye'],
    ];
    for (const piece of [1, 2, 3, 7, 13, 1000, 4096, 1 << 20]) {
      test(`come whole, ${masked ? 'masked' : 'bare'}, in pieces of ${piece}`, () => {
        assert.deepEqual(read(all, piece, masked), expected);
      });
    }
  }

  test('at any cut of two', () => {
    const bytes = Buffer.concat([
      frame(Opcode.Binary, 'x'.repeat(300), { mask: MASK }),
      frame(Opcode.Text, 'end', { mask: MASK }),
    ]);
    for (let cut = 0; cut <= bytes.length; cut++) {
      const notes = new Notes();
      const reader = new FrameReader(notes, true, LIMITS);
      reader.push(Uint8Array.from(bytes.subarray(0, cut)));
      reader.push(Uint8Array.from(bytes.subarray(cut)));
      assert.deepEqual(
        notes.said,
        [
          ['binary', 'x'.repeat(300)],
          ['text', 'end'],
        ],
        `cut at ${cut}`,
      );
    }
  });

  for (const [what, bytes, code] of [
    ['reserved bits', frame(1, 'x', { rsv: 0x40 }), 1002],
    ['an unknown opcode', frame(3, 'x'), 1002],
    ['an unknown control opcode', frame(11, 'x'), 1002],
    ['a mask where there is none', frame(1, 'x', { mask: MASK }), 1002],
    ['a control frame that is fragmented', frame(9, 'x', { fin: false }), 1002],
    ['a control frame that is too large', frame(9, 'x'.repeat(126)), 1002],
    ['a continuation of nothing', frame(0, 'x'), 1002],
    ['a message within another', Buffer.concat([frame(1, 'x', { fin: false }), frame(1, 'y')]), 1002],
    ['a text that is no UTF-8', frame(1, Buffer.from([0xc3, 0x28])), 1007],
    ['a close with half a code', frame(8, 'x'), 1002],
    ['a close with a code that cannot be sent', frame(8, Buffer.from([0x03, 0xee])), 1002],
    ['a close with a text that is no UTF-8', frame(8, Buffer.from([0x03, 0xe8, 0xff])), 1007],
    ['a message that is too large', frame(2, Buffer.alloc((1 << 20) + 1)), 1009],
    ['a message larger than any', Buffer.from([0x82, 127, 255, 255, 255, 255, 255, 255, 255, 255]), 1009],
    [
      'fragments that become too large',
      Buffer.concat([frame(2, Buffer.alloc(1 << 20), { fin: false }), frame(0, 'x')]),
      1009,
    ],
  ] as const) {
    test(`with ${what} are broken with ${code}, and nothing follows`, () => {
      const more = Buffer.concat([bytes, frame(1, 'more')]);
      for (const piece of [1 << 22, 1000]) assert.deepEqual(read(more, piece), [['broken', code]]);
    });
  }

  test('without a mask where one must be are broken', () => {
    assert.deepEqual(read(frame(1, 'x'), 100, true), [['broken', 1002]]);
  });

  test('cut within a character are one text', () => {
    const text = Buffer.from('täxt');
    const bytes = Buffer.concat([frame(1, text.subarray(0, 2), { fin: false }), frame(0, text.subarray(2))]);
    assert.deepEqual(read(bytes), [['text', text.toString('latin1')]]);
  });

  test('wait while they are held, and come in order afterwards', () => {
    const notes = new Notes();
    const reader = new FrameReader(notes, false, LIMITS);
    notes.onMessage = () => reader.hold();
    reader.push(Buffer.concat([frame(1, 'a'), frame(9, 'p'), frame(1, 'b'), frame(1, 'c')]));
    assert.deepEqual(notes.said, [['text', 'a']]);
    assert.ok(reader.full);
    reader.release();
    assert.deepEqual(notes.said.slice(1), [
      ['ping', 'p'],
      ['text', 'b'],
    ]);
    reader.push(Uint8Array.from(frame(1, 'd')));
    notes.onMessage = undefined;
    reader.release();
    assert.deepEqual(notes.said.slice(3), [
      ['text', 'c'],
      ['text', 'd'],
    ]);
    assert.ok(!reader.full);
  });

  test('are thrown away but for the close once nobody wants them', () => {
    const notes = new Notes();
    const reader = new FrameReader(notes, false, LIMITS);
    reader.push(frame(2, 'begun', { fin: false }));
    reader.skip();
    reader.push(Buffer.concat([frame(0, Buffer.alloc(2 << 20)), frame(1, 'x'), frame(8, '')]));
    assert.deepEqual(notes.said, [['closed', 1005, '']]);
  });
});

describe('a message that is not whole', () => {
  test('costs no more than twice its bytes, in however many fragments it comes', () => {
    const gathering = new GatheringLimit();
    const notes = new Notes();
    const reader = new FrameReader(notes, false, { maxMessage: 1 << 20, gathering });
    reader.push(frame(Opcode.Binary, 'x', { fin: false }));
    const fragment = frame(Opcode.Continuation, 'x', { fin: false });
    for (let n = 2; n <= 1 << 18; n++) reader.push(Uint8Array.from(fragment));
    assert.ok(gathering.bytes <= 2 << 18, `${gathering.bytes} bytes are held`);
    reader.push(frame(Opcode.Continuation, ''));
    assert.deepEqual([notes.said, gathering.bytes], [[['binary', 'x'.repeat(1 << 18)]], 0]);
  });

  test('costs what has come of it, not what it says', () => {
    const gathering = new GatheringLimit();
    const reader = new FrameReader(new Notes(), false, { maxMessage: 1 << 30, gathering });
    reader.push(Buffer.from([0x82, 127, 0, 0, 0, 0, 0x3f, 0, 0, 0, 1, 2, 3]));
    assert.ok(gathering.bytes < 100);
  });

  test('is bounded in all: the oldest is broken with 1013', () => {
    const gathering = new GatheringLimit(10_000);
    const readers = [1, 2, 3].map(() => {
      const notes = new Notes();
      return { notes, reader: new FrameReader(notes, false, { maxMessage: 1 << 20, gathering }) };
    });
    for (const { reader } of readers) reader.push(frame(Opcode.Binary, Buffer.alloc(4000), { fin: false }));
    assert.deepEqual(
      readers.map(({ notes }) => notes.said),
      [[['broken', 1013]], [], []],
    );
    assert.ok(gathering.bytes <= 10_000);
    for (const { reader } of readers) reader.end();
    assert.equal(gathering.bytes, 0);
  });
});

describe('frames that are made', () => {
  for (const masked of [false, true]) {
    test(`are what a reader takes, ${masked ? 'masked' : 'bare'}, and change nothing that is given`, () => {
      const parts: Uint8Array[] = [];
      const sink = {
        reserve: (size: number) => {
          const place = new Uint8Array(size);
          parts.push(place);
          return place;
        },
        push: (bytes: Uint8Array) => parts.push(bytes),
      };
      const maker = new FrameMaker(masked);
      const payloads = [0, 1, 125, 126, 1024, 1025, 65_535, 65_536, 100_001].map((size) =>
        Buffer.alloc(size, 'payload'),
      );
      for (const owned of [true, false]) for (const one of payloads) maker.write(sink, Opcode.Binary, one, owned);
      const expected = payloads.map((one) => ['binary', one.toString('latin1')]);
      assert.deepEqual(read(Buffer.concat(parts), 10_000, masked), [...expected, ...expected]);
      for (const one of payloads) assert.deepEqual(one, Buffer.alloc(one.length, 'payload'));
    });
  }
});
