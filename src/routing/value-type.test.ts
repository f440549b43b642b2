import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import type { Json } from '../core/metadata.ts';
import { VALUE_TYPES } from './value-type.ts';

/** Values that are of a type, and values that are not. */
const CASES: Record<string, [are: (Json | undefined)[], areNot: (Json | undefined)[]]> = {
  number: [
    [0, -1.5, 1e300],
    ['1', null, true, undefined],
  ],
  string: [
    ['', 'x'],
    [1, null, ['x'], undefined],
  ],
  boolean: [
    [true, false],
    ['true', 0, null, undefined],
  ],
  object: [
    [{}, { a: 1 }],
    [null, [], 'x', undefined],
  ],
  array: [
    [[], [1]],
    [{ length: 0 }, 'x', null, undefined],
  ],
  null: [[null], [undefined, 0, '', {}]],
  undefined: [[undefined], [null, 0, '', {}]],
  date: [
    ['2010-10-10', '2024-02-29', '2000-02-29', '0000-01-01'],
    [
      '2023-02-29',
      '1900-02-29',
      '2010-13-01',
      '2010-00-10',
      '2010-04-31',
      '2010-1-1',
      '2010-10-10T10:10:10Z',
      20101010,
    ],
  ],
  time: [
    ['10:10:10Z', '10:10:10+05:30', '23:59:60Z', '00:00:00.123456789z', '10:10:10-00:00'],
    [
      '10:10:10',
      '24:00:00Z',
      '10:60:10Z',
      '10:10:61Z',
      '10:10:10+24:00',
      '10:10:10.Z',
      '10:10Z',
      '2010-10-10T10:10:10Z',
    ],
  ],
  'date-time': [
    ['2010-10-10T10:10:10Z', '2010-10-10T10:10:10.5+05:30', '2010-10-10t10:10:10z'],
    ['2010-10-10', '2010-10-10 10:10:10Z', '2010-10-32T10:10:10Z', '2010-10-10T10:10:10', '10:10:10Z', ''],
  ],
  lang: [
    ['en', 'en-US', 'zh-Hant-TW', 'sl-rozaj-nedis', 'de-CH-1996', 'zh-min-nan', 'en-a-myext-b-other', 'x-whatever'],
    ['', 'e', 'en_US', 'en-', '-en', 'en--US', 'abcdefghi', 'en-a', '*', 'de-419-DE', 2],
  ],
  'lang-range': [
    ['*', 'en', 'CH-de', 'CH-*', '*-CH', 'zh-Hant-*-x-a1'],
    ['', '**', 'en-', 'en*', 'abcdefghi', 'en-abcdefghi', '1a', 'en,de', 2],
  ],
  iri: [
    ['https://github.com/a/b?c=d#test', 'http://[::1]:80/x', '//host/path', '/a/b', 'a/b:c', '', '#top', '?q', '../x'],
    ['http://a b', 'a|b', 'http://[::g]/', '%zz', 'a\nb', ':x', 'x#a#b', 'http://h:port/', '<a>', 1],
  ],
  'absolute-iri': [
    [
      'http://例え.jp/引き割り?q=ü',
      'urn:isbn:0451450523',
      'mailto:a@b.c',
      'http://u:p@h:1/%20#f',
      'a:',
      'http://h?\u{e000}',
    ],
    ['/a/b', '//host/path', 'a/b', '', '1http://x', 'http://a b', 'http://h/\u{e000}', 'http://[fe80::1%eth0]/', null],
  ],
};

for (const [name, [are, areNot]] of Object.entries(CASES)) {
  describe(`type ${name}`, () => {
    for (const value of are) test(`is ${JSON.stringify(value)}`, () => assert.equal(VALUE_TYPES[name]?.(value), true));
    for (const value of areNot) {
      test(`is not ${JSON.stringify(value)}`, () => assert.equal(VALUE_TYPES[name]?.(value), false));
    }
  });
}

test('every type has its cases', () => {
  assert.deepEqual(Object.keys(CASES).toSorted(), Object.keys(VALUE_TYPES).toSorted());
});

test('irregular language tags that were registered once are known', () => {
  for (const tag of ['i-klingon', 'en-GB-oed', 'sgn-BE-FR']) assert.equal(VALUE_TYPES.lang?.(tag), true, tag);
});

test('long strings that almost fit are answered', () => {
  assert.equal(VALUE_TYPES.lang?.(`en${'-abcde'.repeat(20_000)}!`), false);
  assert.equal(VALUE_TYPES['lang-range']?.(`en${'-a'.repeat(50_000)}!`), false);
  assert.equal(VALUE_TYPES.iri?.(`http://${'a:'.repeat(50_000)}/${'a/'.repeat(50_000)}|`), false);
});
