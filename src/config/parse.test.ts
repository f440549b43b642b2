import assert from 'node:assert/strict';
import { test } from 'node:test';
import { formatOf, locate, parse } from './parse.ts';

test('a file is YAML or JSON by its ending, else by what is in it', () => {
  assert.deepEqual(['a.yaml', 'a.YML', 'a.json', 'a'].map(formatOf), ['yaml', 'yaml', 'json', undefined]);
});

test('JSON and YAML give the same values', () => {
  assert.deepEqual(parse('{"a": [1, "x", null]}', 'json'), parse('a: [1, "x", null]', 'yaml'));
});

test('empty text is null in both', () => {
  assert.equal(parse('', 'json'), null);
  assert.equal(parse('', 'yaml'), null);
});

test('broken text is refused with its place', () => {
  assert.throws(() => parse('{"a": }', 'json'), {
    code: 'E_PARSE',
    message: 'not valid JSON: line 1, column 7: unexpected "}"',
  });
  assert.throws(() => parse('{\n  "a": [', 'json'), {
    code: 'E_PARSE',
    message: 'not valid JSON: line 2, column 9: the text ends too early',
  });
  assert.throws(() => parse('a: [1\nb: 2', 'yaml'), {
    code: 'E_PARSE',
    message: 'not valid YAML: line 2, column 1: deficient indentation',
  });
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

test('a key that comes twice is refused in both, with its path and its place', () => {
  const twice = '{"a": [{"b": 1},\n {"c": {"d": 1, "x\\"{": ",d", "\\u0064": 2}}]}';
  for (const format of ['json', 'yaml'] as const) {
    assert.throws(() => parse(twice, format), {
      code: 'E_PARSE',
      message: `not valid ${format.toUpperCase()}: line 2, column 31: duplicate key "d", at /a/1/c/d`,
    });
    assert.throws(() => parse('{"__proto__": 1, "__proto__": 2}', format), {
      code: 'E_PARSE',
      message: /at \/__proto__$/,
    });
    const fine = '[{"a": 1, "b": "a"}, {"a": "\\"a\\": 1,"}, "a", "a", {"a": {"a": ["a", {"a": 1}]}}, {"": 1}, {}, []]';
    assert.deepEqual(parse(fine, format), JSON.parse(fine));
  }
});

const TEXTS = {
  json: '{\n  "a": [1, {"b/c": {"d": [ ]}}],\n  "e": "x"\n}',
  yaml: 'a:\n  - 1\n  - b/c:\n      d: [ ]\ne: x\n',
};

for (const format of ['json', 'yaml'] as const) {
  test(`a place in ${format.toUpperCase()} is that of the key, of the item, or of what is around it`, () => {
    const at = (...pointer: string[]) => {
      const { line, column } = locate(TEXTS[format], format, pointer);
      return `${line}:${column}`;
    };
    const places = [at(), at('a'), at('a', '0'), at('a', '1'), at('a', '1', 'b/c'), at('a', '1', 'b/c', 'd'), at('e')];
    assert.deepEqual(
      places,
      format === 'json'
        ? ['1:1', '2:3', '2:9', '2:12', '2:13', '2:21', '3:3']
        : ['1:1', '1:1', '2:5', '3:5', '3:5', '4:7', '5:1'],
    );
    assert.deepEqual(
      [at('nix'), at('a', '7'), at('a', '1', 'b/c', 'nix', 'x'), at('e', 'x')],
      [at(), at('a'), at('a', '1', 'b/c'), at('e')],
    );
  });
}

test('what came by an alias or a merge is where that stands', () => {
  const text = 'a: &a { x: { y: 1 } }\nb: *a\nc:\n  <<: *a\n  z: 1\n';
  const { line, column } = locate(text, 'yaml', ['b', 'x', 'y']);
  assert.deepEqual([line, column], [2, 1]);
  assert.equal(locate(text, 'yaml', ['c', 'x']).line, 3);
});

test('broken JSON is refused where the mistake is', () => {
  const broken: Record<string, string> = {
    "{'a': 1}": 'line 1, column 2: unexpected "\'"',
    '[1, 2,]': 'line 1, column 7: unexpected "]"',
    '{"a": 1,\n}': 'line 2, column 1: unexpected "}"',
    '{"a" 1}': 'line 1, column 6: unexpected "1"',
    '[1 2]': 'line 1, column 4: unexpected "2"',
    '[01]': 'line 1, column 3: unexpected "1"',
    '["a\\x"]': 'line 1, column 2: unexpected "\\""',
    '["a\tb"]': 'line 1, column 2: unexpected "\\""',
    '["a': 'line 1, column 2: unexpected "\\""',
    '{} {}': 'line 1, column 4: unexpected "{"',
    '[}': 'line 1, column 2: unexpected "}"',
    '[tru]': 'line 1, column 2: unexpected "t"',
    '"a" 😀': 'line 1, column 5: unexpected "😀"',
    '[': 'line 1, column 2: the text ends too early',
  };
  for (const [text, message] of Object.entries(broken)) {
    assert.throws(() => parse(text, 'json'), { code: 'E_PARSE', message: `not valid JSON: ${message}` }, text);
  }
});
