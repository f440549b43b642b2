import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { L7mpError } from '../core/errors.ts';
import type { Json, Metadata } from '../core/metadata.ts';
import type { Rewrite } from '../model/rewrite.ts';
import { compileRewrite } from './rewrite.ts';

function rewritten(metadata: Metadata, ...list: Rewrite[]): Metadata {
  compileRewrite(list)(metadata);
  return metadata;
}

function refuses(list: unknown[], message: RegExp): void {
  assert.throws(
    () => compileRewrite(list as Rewrite[]),
    (error) => {
      assert.ok(error instanceof L7mpError);
      assert.equal(error.code, 'E_INVALID');
      assert.match(error.message, message);
      return true;
    },
  );
}

describe('a rewrite', () => {
  test('makes what is missing, with and without a leading slash', () => {
    const steps = [
      { path: 'labels/session_id', value: 1 },
      { path: '/HTTP/headers', value: { cookies: 'test: test' } },
    ];
    const expected = { HTTP: { version: 1.1, headers: { cookies: 'test: test' } }, labels: { session_id: 1 } };
    assert.deepEqual(rewritten({ HTTP: { version: 1.1, headers: { host: 'h' } } }, ...steps), expected);
  });

  test('takes its steps in order', () => {
    const steps = [
      { path: '/a', value: [] },
      { path: '/a/-', value: 'x' },
      { path: '/a/0', value: 'y' },
    ];
    assert.deepEqual(rewritten({}, ...steps), { a: ['y'] });
  });

  test('merges an object into the root', () => {
    assert.deepEqual(rewritten({ a: 1, b: 1 }, { path: '/', value: { b: 2 } }), { a: 1, b: 2 });
  });

  test('gives every session a tree of its own', () => {
    const value = { tags: ['from the rule'] };
    const apply = compileRewrite([{ path: '/x', value }]);
    const sessions: { x?: { tags: Json[] } }[] = [{}, {}];
    for (const metadata of sessions) apply(metadata as Metadata);
    sessions[0]?.x?.tags.push('from the session');
    assert.deepEqual(sessions[1], { x: { tags: ['from the rule'] } });
    assert.deepEqual(value, { tags: ['from the rule'] });
  });

  test('fails where the metadata has an array that cannot take the key', () => {
    const apply = compileRewrite([{ path: '/a/7', value: 1 }]);
    assert.throws(() => apply({ a: [] }), { code: 'E_INVALID', message: /at "\/a\/7": "7" is no place in an array/ });
  });

  test('copies what is elsewhere in the metadata, with and without a leading slash', () => {
    const metadata = { IP: { src_addr: '192.0.2.1' }, UDP: { src_port: 7 } };
    const steps = [
      { path: '/HTTP/headers/x-client', from: '/IP/src_addr' },
      { path: 'labels/port', from: 'UDP/src_port' },
      { path: '/second', from: '/labels/port' },
    ];
    assert.deepEqual(rewritten(metadata, ...steps), {
      ...metadata,
      HTTP: { headers: { 'x-client': '192.0.2.1' } },
      labels: { port: 7 },
      second: 7,
    });
  });

  test('is left out where nothing is at its source, and null is something', () => {
    const steps = [
      { path: '/a', from: '/b' },
      { path: '/c/d', from: '/e/constructor' },
      { path: '/f', from: '/e/none' },
    ];
    assert.deepEqual(rewritten({ a: 1, e: { none: null } }, ...steps), { a: 1, e: { none: null }, f: null });
  });

  test('copies, so that neither place changes with the other', () => {
    const metadata = rewritten({ a: { list: [1] } }, { path: '/b', from: '/a' }, { path: '/b/list/-', value: 2 });
    assert.deepEqual(metadata, { a: { list: [1] }, b: { list: [1, 2] } });
  });

  test('copies into itself, and the whole', () => {
    assert.deepEqual(rewritten({ a: { b: 1 } }, { path: '/a/c', from: '/a' }), { a: { b: 1, c: { b: 1 } } });
    assert.deepEqual(rewritten({ a: { b: 1 } }, { path: '/', from: '/a' }), { a: { b: 1 }, b: 1 });
    assert.deepEqual(rewritten({ a: 1 }, { path: '/x', from: '/' }), { a: 1, x: { a: 1 } });
  });

  test('fails where what it copies is no object for the root, or has become too large', () => {
    const root = compileRewrite([{ path: '/', from: '/a' }]);
    assert.throws(() => root({ a: 1 }), { code: 'E_INVALID', message: 'the whole document can only take an object' });
    const doubling = Array.from({ length: 60 }, (_, n) => ({ path: `/a/${n}`, from: '/a' }));
    assert.throws(() => compileRewrite(doubling)({ a: { x: 1 } }), {
      code: 'E_INVALID',
      message: 'what is at "/a" is too large to be copied',
    });
  });

  test('of nothing changes nothing', () => {
    assert.deepEqual(rewritten({ a: 1 }), { a: 1 });
  });
});

describe('a wrong step is refused with its place', () => {
  const good = { path: '/a', value: 1 };

  test('for a path that leads to a prototype', () => {
    refuses([{ path: '/__proto__/x', value: 1 }], /^\/0\/path: .*"__proto__"/);
    refuses([good, { path: 'a/constructor', value: 1 }], /^\/1\/path: .*"constructor"/);
  });

  test('for a path that is missing, of another type or no pointer', () => {
    refuses([{ value: 1 }], /^\/0\/path: missing$/);
    refuses([{ path: 1, value: 1 }], /^\/0\/path: must be a string$/);
    refuses([{ path: '/~', value: 1 }], /^\/0\/path: "\/~" has a "~"/);
  });

  test('for a source beside a value, of another type or no pointer', () => {
    refuses([good, { ...good, from: '/b' }], /^\/1\/from: has no place beside value$/);
    refuses([{ path: '/a', from: 1 }], /^\/0\/from: must be a string$/);
    refuses([{ path: '/a', from: '/~' }], /^\/0\/from: "\/~" has a "~"/);
  });

  test('for a value that is missing, too deep or nothing that the root can take', () => {
    refuses([good, { path: '/a' }], /^\/1\/value: missing$/);
    const value = JSON.parse('['.repeat(50_000) + ']'.repeat(50_000));
    refuses([{ path: '/a', value }], /^\/0\/value: nested deeper than 64$/);
    for (const text of ['x', 1, null, []]) refuses([{ path: '/', value: text }], /^\/0\/value: must be an object/);
  });
});
