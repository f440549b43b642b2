import assert from 'node:assert/strict';
import { test } from 'node:test';
import { formatOf, parse } from './parse.ts';

test('a file is YAML by its ending, else JSON', () => {
  assert.deepEqual(['a.yaml', 'a.YML', 'a.json', 'a'].map(formatOf), ['yaml', 'yaml', 'json', 'json']);
});

test('JSON and YAML give the same values', () => {
  assert.deepEqual(parse('{"a": [1, "x", null]}', 'json'), parse('a: [1, "x", null]', 'yaml'));
});

test('empty text is null in both', () => {
  assert.equal(parse('', 'json'), null);
  assert.equal(parse('', 'yaml'), null);
});

test('broken text is refused with its place', () => {
  assert.throws(() => parse('{"a": }', 'json'), { code: 'E_PARSE', message: /not valid JSON/ });
  assert.throws(() => parse('a: [1\nb: 2', 'yaml'), { code: 'E_PARSE', message: /line \d/ });
});

test('a YAML key that comes twice is refused with its line', () => {
  assert.throws(() => parse('a: 1\nb: 2\na: 3\n', 'yaml'), { code: 'E_PARSE', message: /duplicate key "a" in line 3/ });
});

test('many different YAML keys are taken', () => {
  const text = Array.from({ length: 50_000 }, (_, n) => `k${n}: 1`).join('\n');
  assert.equal(Object.keys(parse(text, 'yaml') as object).length, 50_000);
});

test('an alias bomb is refused', () => {
  const levels = Array.from(
    { length: 12 },
    (_, n) =>
      `l${n}: &l${n} [${Array(9)
        .fill(n === 0 ? 'x' : `*l${n - 1}`)
        .join(', ')}]`,
  );
  assert.throws(() => parse(levels.join('\n'), 'yaml'), { code: 'E_PARSE', message: /alias/ });
});

test('deep nesting is refused in both, without running out of stack', () => {
  for (const depth of [65, 100_000]) {
    const nested = `${'['.repeat(depth)}${']'.repeat(depth)}`;
    assert.throws(() => parse(nested, 'json'), { code: 'E_PARSE', message: /64 levels/ });
    assert.throws(() => parse(nested, 'yaml'), { code: 'E_PARSE', message: /64 levels/ });
  }
  const indented = Array.from({ length: 300 }, (_, n) => `${' '.repeat(n)}a:`).join('\n');
  assert.throws(() => parse(indented, 'yaml'), { code: 'E_PARSE', message: /64 levels/ });
});

test('__proto__ is a key like any other', () => {
  for (const [text, format] of [
    ['{"__proto__": {"x": 1}}', 'json'],
    ['__proto__: { x: 1 }', 'yaml'],
  ] as const) {
    const value = parse(text, format) as object;
    assert.deepEqual(Object.keys(value), ['__proto__']);
    assert.equal(Object.getPrototypeOf(value), Object.prototype);
  }
});
