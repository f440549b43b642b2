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

test('deep nesting is refused in both, without running out of stack', () => {
  for (const depth of [65, 100_000]) {
    const nested = `${'['.repeat(depth)}${']'.repeat(depth)}`;
    assert.throws(() => parse(nested, 'json'), { code: 'E_PARSE', message: /64 levels/ });
    assert.throws(() => parse(nested, 'yaml'), { code: 'E_PARSE', message: /64 levels/ });
  }
  const indented = Array.from({ length: 300 }, (_, n) => `${' '.repeat(n)}a:`).join('\n');
  assert.throws(() => parse(indented, 'yaml'), { code: 'E_PARSE', message: /64 levels/ });
});

test('brackets in texts are no nesting', () => {
  const list = Array.from({ length: 100 }, () => `- '^\\[{'  # [{\n- "[{"`).join('\n');
  assert.equal((parse(list, 'yaml') as unknown[]).length, 200);
  assert.equal(parse(JSON.stringify('['.repeat(1000)), 'json'), '['.repeat(1000));
});

test('bytes are UTF-8, with or without a mark at the start', () => {
  for (const format of ['json', 'yaml'] as const) {
    assert.deepEqual(parse(Buffer.from('\ufeff{"a": "ä€😀"}'), format), { a: 'ä€😀' });
    assert.throws(() => parse(Buffer.from('{"a": "ä"}', 'latin1'), format), {
      code: 'E_PARSE',
      message: 'not valid UTF-8',
    });
    assert.throws(() => parse(Buffer.from('{"a": 1}', 'utf16le'), format), { code: 'E_PARSE' });
  }
});

test('a number that JSON has no word for is refused, at any depth', () => {
  for (const text of ['1e999', '[-1e999]', '{"a": [{"b": 1e999}]}']) {
    assert.throws(() => parse(text, 'json'), { code: 'E_PARSE', message: /number/ }, text);
  }
  assert.equal(parse('1e308', 'json'), 1e308);
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
