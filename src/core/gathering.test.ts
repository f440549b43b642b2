import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { Gathering, GatheringLimit } from './gathering.ts';

function gathering(limit: GatheringLimit) {
  const state = { lost: 0 };
  const one = new Gathering(limit, () => state.lost++);
  return { one, state };
}

describe('what is gathered', () => {
  test('comes out whole, in order, and is empty afterwards', () => {
    const { one } = gathering(new GatheringLimit());
    for (const piece of ['a', 'bc', '', 'def'.repeat(1000)]) one.push(Buffer.from(piece));
    assert.equal(one.length, 3003);
    assert.equal(Buffer.from(one.take()).toString(), `abc${'def'.repeat(1000)}`);
    assert.deepEqual([one.length, one.take().length], [0, 0]);
  });

  test('costs less than twice its bytes, in however many pieces it comes', () => {
    const limit = new GatheringLimit();
    const { one } = gathering(limit);
    const byte = new Uint8Array(1);
    for (let n = 1; n <= 1 << 20; n++) {
      one.push(byte);
      if (n > 64 && (n & 1023) === 0) assert.ok(limit.bytes < 2 * n);
    }
    one.clear();
    assert.equal(limit.bytes, 0);
  });

  test('is bounded in all: the oldest gives way to the latest', () => {
    const limit = new GatheringLimit(1000);
    const [a, b, c] = [gathering(limit), gathering(limit), gathering(limit)];
    const piece = new Uint8Array(400);
    assert.ok(a.one.push(piece) && b.one.push(piece) && c.one.push(piece));
    assert.deepEqual([a.state.lost, b.state.lost, c.state.lost], [1, 0, 0]);
    assert.deepEqual([a.one.length, limit.bytes], [0, 800]);
    assert.equal(a.one.push(piece.subarray(200)), true);
    assert.equal(b.one.push(piece), false);
    assert.deepEqual([b.one.length, b.state.lost], [0, 0]);
    assert.ok(limit.bytes <= 1000);
  });

  test('is refused where it alone is more than all may have, and costs the others nothing', () => {
    const limit = new GatheringLimit(1000);
    const [a, b] = [gathering(limit), gathering(limit)];
    a.one.push(new Uint8Array(500));
    assert.equal(b.one.push(new Uint8Array(1001)), false);
    assert.deepEqual([a.state.lost, limit.bytes], [0, 500]);
  });
});
