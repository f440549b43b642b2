import assert from 'node:assert/strict';
import { test } from 'node:test';
import { format, STYLES, type Style } from './format.ts';

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
