import assert from 'node:assert/strict';
import { test } from 'node:test';
import { checkForwarded, distrust, forward, trustOf } from './forwarded.ts';

const session = (address: string, more: object = {}) => ({
  IP: { src_addr: address, dst_addr: '10.0.0.1' },
  HTTP: { headers: { host: 'h.example:8080' } },
  ...more,
});

test('an element of RFC 7239 is quoted where it must be', () => {
  const told = (metadata: object) => forward({}, metadata as never, 'forwarded').forwarded;
  assert.equal(told(session('192.0.2.1')), 'for=192.0.2.1;host="h.example:8080";proto=http');
  assert.equal(told(session('2001:db8::1', { TLS: {} })), 'for="[2001:db8::1]";host="h.example:8080";proto=https');
  assert.equal(told({ UNIX: { filename: '/x' } }), 'for=unknown');
});

test('a hop is added behind those that are there; what the first one has said of scheme and host stays', () => {
  const before = { 'x-forwarded-for': ['192.0.2.1', '192.0.2.2'], 'x-forwarded-proto': 'https', forwarded: 'for=a' };
  assert.deepEqual(forward({ ...before }, session('::1'), 'both'), {
    'x-forwarded-for': '192.0.2.1,192.0.2.2, ::1',
    'x-forwarded-proto': 'https',
    'x-forwarded-host': 'h.example:8080',
    forwarded: 'for=a, for="[::1]";host="h.example:8080";proto=http',
  });
});

test('a session that is not HTTP’s has neither scheme nor host', () => {
  assert.deepEqual(forward({}, { IP: { src_addr: '192.0.2.1' } }, 'x-forwarded'), { 'x-forwarded-for': '192.0.2.1' });
});

test('what others have said is taken away, and nothing else', () => {
  const headers = { forwarded: 'a', 'x-forwarded-for': 'b', 'x-forwarded-prefix': 'c', 'x-forward': 'd', via: 'e' };
  distrust(headers);
  assert.deepEqual(headers, { 'x-forward': 'd', via: 'e' });
});

test('who is trusted: addresses, networks, peers without an address, and nobody by default', () => {
  const trust = trustOf({ forwarded: { trusted: ['10.0.0.0/8', '2001:db8::/32', '192.0.2.1'] } });
  for (const address of ['10.1.2.3', '::ffff:10.1.2.3', '2001:db8::5', '192.0.2.1']) assert.ok(trust(address), address);
  for (const address of ['11.1.2.3', '192.0.2.2', '::1', undefined]) assert.ok(!trust(address), String(address));
  assert.ok(trustOf({ forwarded: { trusted: ['unix'] } })(undefined));
  assert.ok(!trustOf({})(undefined));
  assert.ok(!trustOf({})('127.0.0.1'));
});

test('whom to trust is checked', () => {
  const check = (...trusted: string[]) => checkForwarded({ forwarded: { trusted } });
  check('unix', '10.0.0.0/8', '::1');
  for (const wrong of ['10.0.0.0/33', 'example.org', '', '10.0.0', 'UNIX']) {
    assert.throws(() => check('::1', wrong), { code: 'E_INVALID', message: /^\/forwarded\/trusted\/1: / });
  }
});
