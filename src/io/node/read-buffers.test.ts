import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ReadBuffers } from './read-buffers.ts';

test('what nobody keeps is given back after the call, not during it', () => {
  const buffers = new ReadBuffers();
  const bytes = new Uint8Array(8);
  buffers.lend(bytes, () => {
    assert.ok(buffers.isLent(bytes));
    assert.equal(bytes.length, 8);
  });
  assert.equal(bytes.length, 0);
  assert.ok(!buffers.isLent(bytes));
});

test('what is kept stays', () => {
  const buffers = new ReadBuffers();
  const bytes = new Uint8Array(8);
  buffers.lend(bytes, () => buffers.keep());
  assert.equal(bytes.length, 8);
});

test('another view of the bytes is not what was lent', () => {
  const buffers = new ReadBuffers();
  const bytes = new Uint8Array(8);
  buffers.lend(bytes, () => assert.ok(!buffers.isLent(bytes.subarray(0, 4))));
});

test('a part of an ArrayBuffer is never given back', () => {
  const whole = new Uint8Array(16);
  new ReadBuffers().lend(whole.subarray(0, 8), () => {});
  assert.equal(whole.length, 16);
});

test('a buffers within a buffers ends the outer one', () => {
  const buffers = new ReadBuffers();
  const outer = new Uint8Array(8);
  buffers.lend(outer, () => {
    buffers.lend(new Uint8Array(8), () => {});
    assert.ok(!buffers.isLent(outer));
  });
  assert.equal(outer.length, 8);
});
