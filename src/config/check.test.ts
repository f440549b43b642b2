import assert from 'node:assert/strict';
import { test } from 'node:test';
import Type from 'typebox';
import { L7mpError } from '../core/errors.ts';
import { strict } from '../core/schema.ts';
import { below, check } from './check.ts';

const Inner = strict({
  n: Type.Integer(),
  s: Type.Optional(Type.String({ pattern: '^x', description: 'Begins with x.' })),
});
const Outer = strict({
  ref: Type.Union([Type.String(), Inner, Type.Array(Inner)]),
  kind: Type.Optional(Type.Enum(['a', 'b'])),
  flag: Type.Optional(Type.Union([Type.Literal(true), Inner])),
});

const refuses = (value: unknown, message: string, path = '/o'): void => {
  assert.throws(() => check(Outer, value, path), { code: 'E_INVALID', message });
};

test('what fits is given back as it is', () => {
  const value = { ref: [{ n: 1 }] };
  assert.equal(check(Outer, value, ''), value);
});

test('the field that was meant is named, where a value could be several things', () => {
  refuses({ ref: { n: 'x' } }, '/o/ref/n: must be integer');
  refuses({ ref: [{ n: 1 }, { n: 1, m: 2 }] }, '/o/ref/1/m: unknown field');
  refuses({ ref: [{}] }, '/o/ref/0/n: missing');
  refuses({ ref: 5 }, '/o/ref: must be string, object, or array');
});

test('the whole value has a path too', () => {
  refuses(5, '/: must be object', '');
  refuses({}, '/ref: missing', '');
});

test('a pattern is explained', () => {
  refuses({ ref: { n: 1, s: 'y' } }, '/o/ref/s: must match pattern "^x" (Begins with x.)');
});

test('the values of an enumeration are listed', () => {
  refuses({ ref: 'x', kind: 'c' }, '/o/kind: must be one of a, b');
});

test('the only value that there may be is said', () => {
  refuses({ ref: 'x', flag: false }, '/o/flag: must be true');
});

test('a field that is not known is named with the one that was meant, which is not missing then', () => {
  refuses({ rfe: 'x' }, '/o/rfe: unknown field; did you mean ref?');
  refuses({ ref: 'x', knid: 'a' }, '/o/knid: unknown field; did you mean kind?');
  refuses({ ref: 'x', kind: 'a', kinds: 'a' }, '/o/kinds: unknown field');
  const Open = Type.Object({ protocol: Type.String() });
  assert.equal(check(Open, { protocol: 'x', protocl: 1 }, '/o').protocol, 'x');
  assert.throws(() => check(Open, { protocl: 'x', port: 1 }, '/o'), {
    message: '/o/protocl: unknown field; did you mean protocol?',
  });
});

test('everything that is wrong is told at once, up to ten things', () => {
  refuses(
    { x: 1, ref: [{ n: 'x' }, { n: 1, s: 'y' }], kind: 'c' },
    '/o/x: unknown field; /o/ref/0/n: must be integer; /o/ref/1/s: must match pattern "^x" (Begins with x.); /o/kind: must be one of a, b',
  );
  const many = { ref: Array.from({ length: 100_000 }, () => ({})) };
  assert.throws(
    () => check(Outer, many, '/o'),
    (error: L7mpError) => {
      assert.deepEqual(
        error.problems.map(({ path }) => path),
        Array.from({ length: 10 }, (_, n) => `/o/ref/${n}/n`),
      );
      return true;
    },
  );
});

test('odd field names are escaped as in a JSON pointer, and those of prototypes are fields like others', () => {
  refuses({ ref: 'x', 'a/b~c': 1 }, '/o/a~1b~0c: unknown field');
  refuses(JSON.parse('{"ref": "x", "__proto__": 1}'), '/o/__proto__: unknown field');
  refuses({ ref: 'x', toString: 1 }, '/o/toString: unknown field');
});

test('a check of its own names its field below the path', () => {
  const fail = (message: string) => () => {
    throw new L7mpError('E_INVALID', message);
  };
  assert.throws(() => below('/o', fail('/x: bad')), { message: '/o/x: bad' });
  assert.throws(() => below('/o', fail('bad')), { message: '/o: bad' });
});
