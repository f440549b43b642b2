import assert from 'node:assert/strict';
import { test } from 'node:test';
import { collect } from '../core/arrays.ts';
import { format, formatInParts, STYLES, type Style } from './format.ts';

const value = { a: [1, { b: 'x\ny' }], c: {}, d: [], e: null };

for (const style of Object.keys(STYLES) as Style[]) {
  test(`${style} is JSON with the same values`, () => {
    assert.deepEqual(JSON.parse(format(value, style)), value);
  });
}

test('plain is indented by four spaces', () => {
  assert.equal(format({ a: 1 }, 'plain'), '{\n    "a": 1\n}');
});

test('terse is one line without blanks', () => {
  assert.equal(format({ a: [1, 2] }, 'terse'), '{"a":[1,2]}');
});

test('space is one line with blanks', () => {
  assert.equal(format({ a: [1, 2] }, 'space'), '{ "a": [ 1, 2 ] }');
});

test('lines has one line for each outer entry', () => {
  assert.equal(format([{ a: 1 }, { b: 2 }], 'lines'), '[ { "a": 1 }\n, { "b": 2 }\n]');
  assert.equal(format({ a: 1, b: [2] }, 'lines'), '{ "a": 1\n, "b": [ 2 ]\n}');
});

test('diffy has leading commas, so that an added line changes no other', () => {
  assert.equal(format({ a: 1, b: [2, 3] }, 'diffy'), '{ "a": 1\n, "b": [ 2\n  , 3\n  ]\n}');
});

for (const style of Object.keys(STYLES) as Style[]) {
  test(`${style} is the same text where a long list is written in parts, and others have their turn`, async () => {
    const list = Array.from({ length: 1001 }, (_, n) => ({ n, ...value, list: [n, [value]] }));
    let turns = 0;
    let over = false;
    const count = (): void => {
      turns++;
      if (!over) setImmediate(count);
    };
    count();
    const parts = await collect(formatInParts(list, style) as AsyncIterable<string>);
    assert.equal(parts.join(''), format(list, style));
    over = true;
    assert.ok(turns >= 9, `${turns} turns`);
    for (const other of [[], [1], {}, null, 'x']) assert.equal(formatInParts(other, style), format(other, style));
  });

  test(`${style} is the same text for a list that is made while it is read`, async () => {
    async function* listOf(items: readonly unknown[]): AsyncIterable<unknown> {
      yield* items;
    }
    for (const items of [[], [value], Array.from({ length: 250 }, (_, n) => n)]) {
      const parts = await collect(formatInParts(listOf(items), style) as AsyncIterable<string>);
      assert.equal(parts.join(''), format(items, style));
    }
  });
}
