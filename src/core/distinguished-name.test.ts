import assert from 'node:assert/strict';
import { test } from 'node:test';
import { alternativesIn, attributesOf } from './distinguished-name.ts';

test('a distinguished name is taken apart, with what is escaped in it', () => {
  assert.deepEqual(attributesOf('CN=ops'), [['CN', 'ops']]);
  assert.deepEqual(attributesOf(' CN = a b , O=A\\, B,1.2.3=x=y'), [
    ['CN', 'a b'],
    ['O', 'A, B'],
    ['1.2.3', 'x=y'],
  ]);
  for (const none of ['', 'ops', 'CN=', 'CN=a,', 'CN=a,,O=b', ',CN=a', '=a', 'CN=a\\', 'CN=a,b']) {
    assert.deepEqual(attributesOf(none), [], none);
  }
});

test('alternative names are those that the certificate has, whatever is written in one of them', () => {
  assert.deepEqual(alternativesIn('DNS:a.example, IP Address:192.0.2.1, URI:spiffe://x/y'), [
    'DNS:a.example',
    'IP Address:192.0.2.1',
    'URI:spiffe://x/y',
  ]);
  assert.deepEqual(alternativesIn('DNS:"evil, DNS:ops.example"'), ['DNS:evil, DNS:ops.example']);
  assert.deepEqual(alternativesIn(''), []);
});
