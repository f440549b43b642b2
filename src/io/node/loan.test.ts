import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Loan } from './loan.ts';

/** Node 20 cannot give memory back. */
const skip = 'transfer' in ArrayBuffer.prototype ? false : 'this Node leaves it to the collector';

test('what nobody keeps is given back after the call, not during it', { skip }, () => {
  const loan = new Loan();
  const bytes = new Uint8Array(8);
  loan.lend(bytes, () => {
    assert.ok(loan.has(bytes));
    assert.equal(bytes.length, 8);
  });
  assert.equal(bytes.length, 0);
  assert.ok(!loan.has(bytes));
});

test('what is kept stays', () => {
  const loan = new Loan();
  const bytes = new Uint8Array(8);
  loan.lend(bytes, () => loan.keep());
  assert.equal(bytes.length, 8);
});

test('another view of the bytes is not what was lent', () => {
  const loan = new Loan();
  const bytes = new Uint8Array(8);
  loan.lend(bytes, () => assert.ok(!loan.has(bytes.subarray(0, 4))));
});

test('a part of an ArrayBuffer is never given back', () => {
  const whole = new Uint8Array(16);
  new Loan().lend(whole.subarray(0, 8), () => {});
  assert.equal(whole.length, 16);
});

test('a loan within a loan ends the outer one', () => {
  const loan = new Loan();
  const outer = new Uint8Array(8);
  loan.lend(outer, () => {
    loan.lend(new Uint8Array(8), () => {});
    assert.ok(!loan.has(outer));
  });
  assert.equal(outer.length, 8);
});
