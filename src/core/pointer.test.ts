import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { L7mpError } from './errors.ts';
import type { Json } from './metadata.ts';
import { formatPointer, getAt, parsePointer, parseWritablePointer, setAt } from './pointer.ts';

type Tree = { [key: string]: Json };

const invalid = (message: RegExp) => (error: unknown) => {
  assert.ok(error instanceof L7mpError);
  assert.equal(error.code, 'E_INVALID');
  assert.match(error.message, message);
  return true;
};

function after(root: Tree, path: string, value: Json): Tree {
  setAt(root, parsePointer(path), value);
  return root;
}

describe('parsePointer', () => {
  test('takes a pointer with and without its leading slash', () => {
    assert.deepEqual(parsePointer('/IP/src_addr'), ['IP', 'src_addr']);
    assert.deepEqual(parsePointer('IP/src_addr'), ['IP', 'src_addr']);
  });

  test('takes the empty string and a lone slash as the whole document', () => {
    assert.deepEqual(parsePointer(''), []);
    assert.deepEqual(parsePointer('/'), []);
  });

  test('unescapes ~1 before ~0', () => {
    assert.deepEqual(parsePointer('/a~1b/m~0n/~01'), ['a/b', 'm~n', '~1']);
  });

  test('keeps empty keys inside', () => {
    assert.deepEqual(parsePointer('/a//b/'), ['a', '', 'b', '']);
  });

  test('refuses a tilde that escapes nothing', () => {
    for (const text of ['/a~2', '/a~', '~x/b']) assert.throws(() => parsePointer(text), invalid(/"~0" nor "~1"/));
  });

  test('is undone by formatPointer', () => {
    assert.equal(formatPointer(parsePointer('a~1b/m~0n/~01/')), '/a~1b/m~0n/~01/');
    assert.equal(formatPointer([]), '');
  });
});

describe('parseWritablePointer', () => {
  test('names the key that leads to a prototype', () => {
    assert.throws(() => parseWritablePointer('/a/__proto__/b'), invalid(/"__proto__"/));
    assert.throws(() => parseWritablePointer('constructor'), invalid(/"constructor"/));
    assert.throws(() => parseWritablePointer('/x/prototype'), invalid(/"prototype"/));
  });

  test('takes any other pointer', () => {
    assert.deepEqual(parseWritablePointer('/a/proto'), ['a', 'proto']);
  });
});

describe('getAt', () => {
  const root = { a: { b: [10, { c: null }], '': 'empty', 'x/y': 1, 'm~n': 2, '0': 'zero' } };
  const at = (path: string): Json | undefined => getAt(root, parsePointer(path));

  test('finds members, elements and null', () => {
    assert.equal(at('/a/b/0'), 10);
    assert.equal(at('/a/b/1/c'), null);
    assert.equal(at('/a/'), 'empty');
    assert.equal(at('/a/x~1y'), 1);
    assert.equal(at('/a/m~0n'), 2);
    assert.equal(at('/a/0'), 'zero');
    assert.equal(at(''), root);
  });

  test('finds nothing past a leaf, past the end or under an unknown name', () => {
    for (const path of ['/z', '/a/b/0/x', '/a/b/1/c/d', '/a/b/2', '/a/b/99999999999999999999', '/a//0']) {
      assert.equal(at(path), undefined, path);
    }
  });

  test('takes array indices in canonical decimal form only', () => {
    for (const key of ['00', '01', '-1', '+0', '0x0', '1e0', ' 0', '-', '0.0', '']) {
      assert.equal(getAt(root, ['a', 'b', key]), undefined, key);
    }
  });

  test('sees own properties only', () => {
    for (const path of ['/constructor', '/__proto__', '/toString/name', '/a/b/length', '/a/b/map', '/a/valueOf']) {
      assert.equal(at(path), undefined, path);
    }
  });

  test('reads a __proto__ key that JSON.parse made as plain data', () => {
    const parsed = JSON.parse('{"__proto__": {"admin": true}}') as Tree;
    assert.equal(getAt(parsed, ['__proto__', 'admin']), true);
    assert.equal(getAt(parsed, ['admin']), undefined);
  });
});

describe('setAt', () => {
  test('sets and replaces members', () => {
    assert.deepEqual(after({ a: 1 }, '/b', 2), { a: 1, b: 2 });
    assert.deepEqual(after({ a: { b: [1] } }, '/a/b', 'x'), { a: { b: 'x' } });
  });

  test('makes missing objects on the way', () => {
    assert.deepEqual(after({}, 'labels/session/id', 1), { labels: { session: { id: 1 } } });
    assert.deepEqual(after({}, '/a/0', 1), { a: { '0': 1 } });
  });

  test('replaces what is no container with an object', () => {
    for (const value of [null, 5, 'text', false]) assert.deepEqual(after({ a: value }, '/a/b', 1), { a: { b: 1 } });
  });

  test('replaces, appends by the next index and appends by a dash in arrays', () => {
    assert.deepEqual(after({ a: [1, 2] }, '/a/0', 'x'), { a: ['x', 2] });
    assert.deepEqual(after({ a: [1, 2] }, '/a/2', 'x'), { a: [1, 2, 'x'] });
    assert.deepEqual(after({ a: [1, 2] }, '/a/-', 'x'), { a: [1, 2, 'x'] });
    assert.deepEqual(after({ a: [] }, '/a/-/b', 'x'), { a: [{ b: 'x' }] });
    assert.deepEqual(after({ a: [null, [0]] }, '/a/1/0', 'x'), { a: [null, ['x']] });
  });

  test('refuses keys that an array cannot take and leaves the tree as it was', () => {
    for (const path of ['/a/3', '/a/4294967294', '/a/99999999999999999999/b', '/a/length', '/a/01', '/a/x/y']) {
      const root = { a: [1, 2] };
      assert.throws(() => after(root, path, 0), invalid(/at "\/a\/.*array of 2 elements/), path);
      assert.deepEqual(root, { a: [1, 2] });
    }
  });

  test('merges an object into the root', () => {
    assert.deepEqual(after({ a: 1, b: { c: 1 } }, '/', { b: 2, d: 3 }), { a: 1, b: 2, d: 3 });
  });

  test('refuses to make the root something other than an object', () => {
    for (const value of ['x', 1, null, [1]]) assert.throws(() => after({}, '', value), invalid(/object/));
  });

  test('copies what it sets', () => {
    const value = { list: [1] };
    const [one, two]: [Tree, Tree] = [{}, {}];
    after(one, '/v', value);
    after(two, '/', value);
    after(one, '/v/list/0', 'one');
    after(two, '/list/0', 'two');
    assert.deepEqual(value, { list: [1] });
  });

  test('never writes to a prototype', () => {
    const root: Tree = {};
    setAt(root, ['__proto__', 'polluted'], 1);
    setAt(root, ['constructor', 'prototype', 'polluted'], 1);
    setAt(root, ['list'], []);
    assert.throws(() => setAt(root, ['list', '__proto__', 'polluted'], 1), invalid(/array/));
    setAt(root, [], JSON.parse('{"__proto__": {"polluted": 1}}'));
    assert.equal(({} as { polluted?: unknown }).polluted, undefined);
    assert.equal((root as { polluted?: unknown }).polluted, undefined);
    assert.equal(Object.getPrototypeOf(root), Object.prototype);
  });
});
