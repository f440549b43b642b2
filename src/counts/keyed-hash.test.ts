import assert from 'node:assert/strict';
import { test } from 'node:test';
import { KeyedHash } from './keyed-hash.ts';

/** The reference's results for the bytes 0, 1, 2, … under the key 0, 1, …, 7; of texts there are even lengths only. */
const VECTORS: readonly (readonly [number, string])[] = [
  [0, '218d1f59b9b83cc8'],
  [2, '064f39ef7c50eb57'],
  [4, 'd5e78a175be52ea1'],
  [6, 'ce3e91358aa2bc25'],
];

test('the keyed hash of a text is HalfSipHash-2-4 of its UTF-16 units', () => {
  const hash = new KeyedHash(new Int32Array(Uint8Array.from({ length: 8 }, (_, n) => n).buffer));
  for (const [length, expected] of VECTORS) {
    hash.of(Buffer.from(Array.from({ length }, (_, n) => n)).toString('utf16le'));
    const result = Buffer.from(Int32Array.of(hash.low, hash.high).buffer).toString('hex');
    assert.equal(result, expected, `${length} bytes`);
  }
});
