import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { Lines } from './lines.ts';

test('lines come out whole, however they are cut', () => {
  const line = fc.string({ unit: 'grapheme' }).filter((text) => text !== '' && !text.includes('\n'));
  fc.assert(
    fc.property(fc.array(line), fc.array(fc.nat(20)), (lines, sizes) => {
      const bytes = Buffer.from(lines.map((text) => `${text}\n`).join(''));
      const out: string[] = [];
      const cutter = new Lines((text) => out.push(text));
      let from = 0;
      for (const size of sizes) {
        cutter.push(bytes.subarray(from, from + size));
        from += size;
      }
      cutter.push(bytes.subarray(from));
      assert.deepEqual(out, lines);
    }),
  );
});

test('empty lines are none', () => {
  const out: string[] = [];
  new Lines((text) => out.push(text)).push(Buffer.from('\na\n\n\nb\n'));
  assert.deepEqual(out, ['a', 'b']);
});

test('a line without an end is an error', () => {
  const cutter = new Lines(() => undefined);
  const piece = Buffer.alloc(8 << 20, 'x');
  assert.throws(() => {
    for (let n = 0; n < 5; n++) cutter.push(piece);
  }, /a line of more than/);
});
