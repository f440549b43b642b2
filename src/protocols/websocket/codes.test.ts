import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import type { CloseReason } from '../../core/channel.ts';
import { closeCode, closeReason, closeText } from './codes.ts';

const of = (kind: CloseReason['kind'], code?: number, message = ''): CloseReason =>
  code === undefined ? { kind, message } : { kind, message, code };

describe('the close code', () => {
  for (const [reason, code] of [
    [of('end'), 1000],
    [of('end', 1000), 1000],
    [of('end', 1003), 1003],
    [of('end', 1014), 1014],
    [of('end', 3000), 3000],
    [of('end', 4999), 4999],
    [of('end', 999), 1000],
    [of('end', 1004), 1000],
    [of('end', 1005), 1000],
    [of('end', 1006), 1000],
    [of('end', 1015), 1000],
    [of('end', 2999), 1000],
    [of('end', 5000), 1000],
    [of('deleted'), 1001],
    [of('shutdown'), 1001],
    [of('idle'), 1001],
    [of('refused'), 1008],
    [of('reset'), 1011],
    [of('error'), 1011],
  ] as const) {
    test(`of ${reason.kind}${reason.code ? ` ${reason.code}` : ''} is ${code}`, () => {
      assert.equal(closeCode(reason), code);
    });
  }
});

describe('the close text', () => {
  test('is the peer’s own where it had a code', () => {
    assert.equal(closeText(of('end', 4000, 'bye')), 'bye');
    assert.equal(closeText(of('end', undefined, 'both sides have ended')), '');
    assert.equal(closeText(of('deleted', undefined, 'deleted by the user')), 'deleted by the user');
  });

  test('fits a control frame, whole characters of it', () => {
    assert.equal(closeText(of('error', undefined, 'x'.repeat(200))), 'x'.repeat(123));
    assert.equal(closeText(of('error', undefined, '€'.repeat(200))), '€'.repeat(41));
    assert.equal(closeText(of('error', undefined, `x${'😀'.repeat(200)}`)), `x${'😀'.repeat(30)}`);
  });
});

describe('a peer’s close', () => {
  test('is an end with the code of its close frame', () => {
    assert.deepEqual(closeReason(4000, 'bye'), { kind: 'end', code: 4000, message: 'bye' });
  });

  test('is an end without a code where the frame has none', () => {
    assert.deepEqual(closeReason(1005, ''), { kind: 'end', message: 'closed by the peer' });
  });
});
