import assert from 'node:assert/strict';
import { test } from 'node:test';
import { commonPort, hostPorts, parsePorts, portsOf } from './ports.ts';

test('a range is its first and its last port', () => {
  assert.deepEqual(parsePorts('10000-10999'), { first: 10_000, last: 10_999 });
  assert.deepEqual(parsePorts('1-65535'), { first: 1, last: 65_535 });
  assert.deepEqual(parsePorts('7-7'), { first: 7, last: 7 });
});

test('what is no range is refused, with the reason', () => {
  for (const text of ['', '7', '7-', '-7', '0-7', '7-8-9', ' 7-8', '7-008', '7..8', '7-123456'])
    assert.throws(() => parsePorts(text), { code: 'E_INVALID', message: '/ports: must be as 10000-10999' });
  assert.throws(() => parsePorts('8-7'), { message: '/ports: ends before it begins' });
  assert.throws(() => parsePorts('60000-65536', '/x'), { message: '/x: 65536 is no port: the highest is 65535' });
});

test('an address has one port, or all up to its last one, and is written so', () => {
  assert.deepEqual(portsOf({ host: '::', port: 7 }), { first: 7, last: 7 });
  assert.deepEqual(portsOf({ host: '::', port: 7, lastPort: 9 }), { first: 7, last: 9 });
  assert.equal(hostPorts({ host: '::', port: 7 }), '[::]:7');
  assert.equal(hostPorts({ host: '::', port: 7, lastPort: 9 }), '[::]:7-9');
});

test('the lowest port that two ranges have in common is found, if there is any', () => {
  const range = (first: number, last: number) => ({ first, last });
  assert.equal(commonPort(range(1, 5), range(5, 9)), 5);
  assert.equal(commonPort(range(3, 4), range(1, 9)), 3);
  assert.equal(commonPort(range(1, 4), range(5, 9)), undefined);
});
