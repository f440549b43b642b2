import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { test } from 'node:test';
import { SharedSecret } from '../../core/shared-secret.ts';
import { Cookies, PERIOD } from './cookies.ts';
import type { Hello } from './record.ts';

const hello = (cookie: Buffer = Buffer.alloc(0), vouched: Buffer = Buffer.from('what a client says')): Hello => ({
  random: randomBytes(32),
  cookie,
  vouched,
  sequence: Buffer.alloc(6),
  offered: { servername: undefined, alpn: [] },
});

test('a cookie is good for the same ClientHello from the same place only', () => {
  const cookies = new Cookies(new SharedSecret());
  const cookie = cookies.make(hello(), '192.0.2.1 4000');
  assert.equal(cookies.isGood(hello(cookie), '192.0.2.1 4000'), true);
  assert.equal(cookies.isGood(hello(cookie), '192.0.2.1 4001'), false);
  assert.equal(cookies.isGood(hello(cookie, Buffer.from('something else')), '192.0.2.1 4000'), false);
  assert.equal(cookies.isGood(hello(), '192.0.2.1 4000'), false);
  assert.equal(cookies.isGood(hello(randomBytes(32)), '192.0.2.1 4000'), false);
});

test('it is good in each worker, and in one that has just been started', () => {
  const secret = new SharedSecret();
  const cookie = new Cookies(secret).make(hello(), 'here');
  assert.equal(new Cookies(new SharedSecret(secret.memory)).isGood(hello(cookie), 'here'), true);
  assert.equal(new Cookies(new SharedSecret()).isGood(hello(cookie), 'here'), false);
});

test('it is good for one to two periods, whoever looks', () => {
  let now = PERIOD * 1000.5;
  const secret = new SharedSecret();
  const cookies = new Cookies(secret, () => now);
  const cookie = cookies.make(hello(), 'here');
  const good = () => [cookies, new Cookies(secret, () => now)].map((one) => one.isGood(hello(cookie), 'here'));
  now += PERIOD;
  assert.deepEqual(good(), [true, true]);
  now += PERIOD;
  assert.deepEqual(good(), [false, false]);
});

test('it is good while the secret of all workers is replaced', () => {
  const secret = new SharedSecret();
  const cookies = new Cookies(secret);
  const cookie = cookies.make(hello(), 'here');
  secret.replace();
  assert.equal(cookies.isGood(hello(cookie), 'here'), true);
});
