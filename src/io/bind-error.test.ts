import assert from 'node:assert/strict';
import { test } from 'node:test';
import { bindError } from './node/stream.ts';

const denied = Object.assign(new Error('x'), { code: 'EACCES' });

test('a port that is for the privileged is refused with the capability that it takes', () => {
  assert.match(
    bindError({ host: '::', port: 80 }, denied).message,
    /; a port below 1024 needs the capability CAP_NET_BIND_SERVICE$/,
  );
  for (const at of [{ host: '::', port: 1024 }, { path: '/x' }])
    assert.doesNotMatch(bindError(at, denied).message, /CAP_/);
  const taken = Object.assign(new Error('x'), { code: 'EADDRINUSE' });
  assert.equal(bindError({ host: '::', port: 80 }, taken).message.endsWith('the address is in use'), true);
});
