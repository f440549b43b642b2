import assert from 'node:assert/strict';
import { test } from 'node:test';
import { parseYaml } from './yaml.ts';

const parse = (text: string): unknown => parseYaml(text, 64);

const refuses = (text: string, message: string | RegExp): void => {
  assert.throws(() => parse(text), { code: 'E_PARSE', message }, text.slice(0, 80));
};

test('plain values are those of YAML 1.2, whatever the text says of its version', () => {
  const text = 'a: yes\nb: 2001-01-01\nc: 0o17\nd: 0x1F\ne: ~\nf: true\ng: 1e3\nh: !!str 5\ni: !!int "5"\n';
  const values = { a: 'yes', b: '2001-01-01', c: 15, d: 31, e: null, f: true, g: 1000, h: '5', i: 5 };
  assert.deepEqual(parse(text), values);
  assert.deepEqual(parse(`%YAML 1.1\n---\n${text}`), values);
});

test('what JSON has no word for is refused with its line', () => {
  refuses('a: 1\nb: .nan', 'not valid YAML: line 2, column 4: a number is too large, or none');
  for (const number of ['.inf', '-.Inf', '1e999', '[1, .NaN]']) refuses(`a: ${number}`, /line 1, column \d+: a number/);
  for (const tagged of [
    '!!binary aGVsbG8=',
    '!!timestamp 2001-01-01',
    '!!set {a, b}',
    '!!omap [a: 1]',
    '!foo x',
    '!!js/function x',
  ]) {
    refuses(`a: ${tagged}`, /line 1, column 4: unresolved tag/);
  }
  refuses('? [a]\n: b', /line 1, column 3: a list or a map cannot be a key/);
});

test('a second document is refused', () => {
  refuses('a: 1\n---\nb: 2\n', 'not valid YAML: line 3, column 1: a second document begins');
});

test('a key that comes twice is refused with its line, also where it only reads the same', () => {
  refuses('a: 1\nb: 2\na: 3\n', 'not valid YAML: line 3, column 1: duplicate key "a", at /a');
  refuses('1: a\n"1": b', /line 2, column 1: duplicate key "1"/);
  refuses('true: a\n"true": b', /duplicate key "true"/);
  refuses('a: &k x\n*k : 1\nx: 2', /line 3, column 1: duplicate key "x"/);
});

test('a key that comes twice further in is named with its path', () => {
  refuses(
    'a:\n  - b: 1\n  - { c/d: 1, x: { c/d: 1 }, c/d: 2 }',
    /line 3, column 30: duplicate key "c\/d", at \/a\/1\/c~1d$/,
  );
});

test('an alias stands for what its anchor marks, the last one before it', () => {
  assert.deepEqual(parse('a: &x { k: 1 }\nb: *x\nc: &x 2\nd: [*x, *x]'), { a: { k: 1 }, b: { k: 1 }, c: 2, d: [2, 2] });
  refuses('a: *x\nb: &x 1', /line 1, column \d+: there is no anchor before the alias \*x/);
  refuses('a: &x [1, *x]', /line 1, column \d+: there is no anchor before the alias \*x/);
});

test('<< merges maps: own keys count more than merged ones, earlier ones more than later ones', () => {
  const maps = 'a: &a { x: 1, y: 1 }\nb: &b { y: 2, z: 2 }\n';
  const { c, d, e, f } = parse(
    `${maps}c: { <<: *a, x: 3 }\nd: { x: 3, <<: *a }\ne: { <<: [*b, *a, { w: 4 }] }\nf: { "<<": 1 }`,
  ) as Record<string, unknown>;
  assert.deepEqual(
    [c, d],
    [
      { x: 3, y: 1 },
      { x: 3, y: 1 },
    ],
  );
  assert.deepEqual(e, { y: 2, z: 2, x: 1, w: 4 });
  assert.deepEqual(f, { '<<': 1 });
  refuses('a: { <<: 5 }', /line 1, column \d+: << takes maps/);
  refuses('a: { <<: [5] }', /line 1, column \d+: << takes maps/);
});

test('__proto__ is a key like any other, also in a merge', () => {
  const { a, b } = parse('a: &a { __proto__: { x: 1 }, constructor: 2 }\nb: { <<: *a }') as Record<string, object>;
  for (const value of [a, b] as object[]) {
    assert.deepEqual(Object.keys(value), ['__proto__', 'constructor']);
    assert.equal(Object.getPrototypeOf(value), Object.prototype);
  }
});

test('aliases and merges that stand for too much are refused', () => {
  const level = (n: number, more: (before: string) => string): string =>
    `l${n}: &l${n} ${n === 0 ? '{ x: 1 }' : more(`l${n - 1}`)}`;
  const levels = (more: (before: string) => string): string =>
    Array.from({ length: 40 }, (_, n) => level(n, more)).join('\n');
  refuses(
    levels((before) => `[*${before}, *${before}, *${before}]`),
    /aliases and merges stand for more than 100000 values/,
  );
  refuses(
    levels((before) => `{ p: { <<: *${before} }, q: { <<: *${before} } }`),
    /aliases and merges stand for more than 100000 values/,
  );
  refuses(`a: &a x\nb: [${'*a, '.repeat(1001)}]`, /more than 1000 aliases/);
  // Without any alias: each merge copies what the merges in it have brought.
  const keys = Array.from({ length: 50_000 }, (_, n) => `k${n}: 1`).join(', ');
  refuses(
    `${'{ <<: '.repeat(60)}{ ${keys} }${' }'.repeat(60)}`,
    /aliases and merges stand for more than 100000 values/,
  );
});

test('an anchor that is used often is no attack', () => {
  const uses = Array.from({ length: 900 }, () => '- *retry').join('\n');
  assert.equal((parse(`- &retry { retry_on: always, num_retries: 3 }\n${uses}`) as unknown[]).length, 901);
});

test('text that makes many errors, or many keys, takes time in proportion to its length', () => {
  // Each of these took a minute or more where the time grew with the square.
  refuses('!a '.repeat(100_000), /line 1, column \d+: /);
  refuses('&a '.repeat(100_000), /line 1, column \d+: /);
  refuses(Array.from({ length: 50_000 }, (_, n) => `- &a${n} x\n- *a${n}`).join('\n'), /more than 1000 aliases/);
  const keys = Array.from({ length: 50_000 }, (_, n) => `k${n}: 1`).join('\n');
  assert.equal(Object.keys(parse(keys) as object).length, 50_000);
});

test('nesting in blocks is refused as that in brackets is', () => {
  for (const text of ['- '.repeat(100_000), '? '.repeat(100_000), '['.repeat(100_000), '{a: '.repeat(50_000)]) {
    refuses(text, /64 levels/);
  }
});
