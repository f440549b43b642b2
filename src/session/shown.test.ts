import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Json, Metadata } from '../core/metadata.ts';
import { shownMetadata } from './shown.ts';

const LIMIT = 4096;

/** Bytes as the default layout writes it. */
const laidOut = (value: unknown): number => Buffer.byteLength(JSON.stringify(value, null, 4));

function nested(depth: number, make: (inner: Json) => Json): Json {
  let value: Json = 'end';
  for (let n = 0; n < depth; n++) value = make(value);
  return value;
}

test('what is small is shown as it is', () => {
  const metadata = { IP: { src_addr: '::1' }, HTTP: { headers: { a: ['b', 'c'] }, n: [1, true, null, {}, []] } };
  assert.deepEqual(shownMetadata(metadata, LIMIT), { metadata, cut: false });
  assert.deepEqual(shownMetadata(metadata), { metadata, cut: false });
});

test('credentials are shown nowhere, whatever the case of the name, its place and its value', () => {
  const secrets = {
    Authorization: 'Bearer s',
    cookie: ['s', 's'],
    'SET-COOKIE': { a: 's' },
    'proxy-authorization': 's',
  };
  const metadata = {
    HTTP: { headers: { ...secrets, accept: 'x' } },
    JSONSocket: { header: [{ HTTP: { headers: secrets } }] },
    cookie: 's',
  };
  const { metadata: shown, cut } = shownMetadata(metadata);
  assert.doesNotMatch(JSON.stringify(shown), /"[^"<]*\bs"/);
  assert.equal(JSON.stringify(shown).match(/<redacted>/g)?.length, 9);
  assert.deepEqual([(shown.HTTP as { headers: Metadata }).headers.accept, cut], ['x', false]);
  assert.equal(metadata.HTTP.headers.cookie[0], 's', 'what the rules see stays');
});

test('a name such as __proto__ is shown as any other', () => {
  const metadata = JSON.parse('{"__proto__": {"a": 1}, "constructor": 2}');
  assert.equal(JSON.stringify(shownMetadata(metadata, LIMIT).metadata), '{"__proto__":{"a":1},"constructor":2}');
});

const LARGE: Readonly<Record<string, Json>> = {
  'a long text': 'x'.repeat(60_000),
  'a text of which each character is escaped': '\u0001'.repeat(60_000),
  'a text of large characters': '😀'.repeat(20_000),
  'many texts': Array.from({ length: 20_000 }, () => 'x'),
  'many numbers': Array.from({ length: 20_000 }, (_, n) => n / 7),
  'many names': Object.fromEntries(Array.from({ length: 5000 }, (_, n) => [`name-${n}`, null])),
  'a long name': { ['x'.repeat(60_000)]: 1 },
  'nested lists': nested(30_000, (inner) => [inner]),
  'nested objects': nested(10_000, (inner) => ({ a: inner })),
  'a wide tree': nested(6, (inner) => Array.from({ length: 8 }, () => inner)),
};

for (const [what, value] of Object.entries(LARGE)) {
  test(`${what}: cut in a list, and what comes before it is there`, () => {
    const { metadata, cut } = shownMetadata({ IP: { src_addr: '127.0.0.1' }, JSONSocket: value, last: 1 }, LIMIT);
    assert.equal(cut, true);
    assert.deepEqual(metadata.IP, { src_addr: '127.0.0.1' });
    assert.ok(laidOut(metadata) <= LIMIT + 64, `${laidOut(metadata)} bytes`);
  });
}

test('by itself a session is shown as a whole, but for what is deeper than 64 levels', () => {
  const wide = { JSONSocket: LARGE['many texts'] as Json };
  assert.deepEqual(shownMetadata(wide), { metadata: wide, cut: false });
  const { metadata, cut } = shownMetadata({ deep: LARGE['nested lists'] as Json });
  assert.equal(cut, true);
  assert.equal(JSON.stringify(metadata), `{"deep":${'['.repeat(63)}"…"${']'.repeat(63)}}`);
});
