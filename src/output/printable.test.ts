import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { cutToBytes, oneLine, printable } from './printable.ts';

/** What begins a command to a terminal, ends a line for some reader, or turns the direction of text. */
const HARMFUL = ['\u0000', '\u0007', '\u0008', '\u001b', '\u007f', '\u0085', '\u009b', '\u009d', '\u202e', '\u2066'];

for (const character of HARMFUL) {
  const name = `U+${character.charCodeAt(0).toString(16).padStart(4, '0')}`;
  test(`${name} is not written as it is`, () => {
    for (const form of [oneLine, printable]) {
      const text = form(`a${character}b`);
      assert.equal(text.includes(character), false);
      assert.equal(JSON.parse(`"${text}"`), `a${character}b`);
    }
  });
}

test('line ends stay in text, and a line has none', () => {
  assert.deepEqual([printable('a\r\nb\tc\n'), oneLine('a\r\nb\tc\n\u2028')], ['a\r\nb\tc\n', 'a\\r\\nb\\tc\\n\\u2028']);
});

test('a carriage return that would overwrite a line is not one', () => {
  assert.equal(printable('true\rfalse'), 'true\\rfalse');
});

test('other text stays as it is', () => {
  for (const form of [oneLine, printable]) assert.equal(form('Grüße 😀 "\\'), 'Grüße 😀 "\\');
});

describe('a text that is cut', () => {
  test('has at most so many bytes, and whole characters', () => {
    assert.deepEqual(
      [5, 4, 3, 2, 1, 0].map((bytes) => cutToBytes('a😀b', bytes)),
      ['a😀', 'a', 'a', 'a', 'a', ''],
    );
    assert.deepEqual([cutToBytes('éé', 3), cutToBytes('éé', 4), cutToBytes('éé', 9)], ['é', 'éé', 'éé']);
  });
});
