import assert from 'node:assert/strict';
import { test } from 'node:test';
import { beginsHttp2 } from './preface.ts';

const PREFACE = 'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n';

test('the whole preface begins HTTP/2, with whatever comes behind it', () => {
  assert.equal(beginsHttp2(Buffer.from(PREFACE)), true);
  assert.equal(beginsHttp2(Buffer.from(`${PREFACE}\0\0\0`)), true);
});

test('a part of the preface may still become either', () => {
  for (let n = 0; n < PREFACE.length; n++) assert.equal(beginsHttp2(Buffer.from(PREFACE.slice(0, n))), undefined);
});

test('anything else is told at its first byte that differs', () => {
  assert.equal(beginsHttp2(Buffer.from('G')), false);
  assert.equal(beginsHttp2(Buffer.from('PUT')), false);
  assert.equal(beginsHttp2(Buffer.from('PRI * HTTP/1.1\r\n')), false);
});
