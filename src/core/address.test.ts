import assert from 'node:assert/strict';
import { networkInterfaces } from 'node:os';
import { test } from 'node:test';
import {
  authority,
  checkHost,
  checkIp,
  hostPort,
  isLoopback,
  isWildcard,
  matchesAddress,
  plainAddress,
} from './address.ts';

test('an address has one plain form', () => {
  for (const [text, plain] of [
    ['192.0.2.1', '192.0.2.1'],
    ['host.example', 'host.example'],
    ['::', '::'],
    ['[::1]', '::1'],
    ['0:0:0:0:0:0:0:1', '::1'],
    ['2001:DB8:0:0:1:0:0:1', '2001:db8::1:0:0:1'],
    ['::ffff:192.0.2.1', '192.0.2.1'],
    ['::FFFF:C000:201', '192.0.2.1'],
    ['[::ffff:127.0.0.1]', '127.0.0.1'],
    ['::192.0.2.1', '::c000:201'],
    ['fe80::1%eth0', 'fe80::1%eth0'],
    ['[FE80:0::1%eth0]', 'fe80::1%eth0'],
    ['fe80::1%99999', 'fe80::1%99999'],
    ['ff02::fb%eth0', 'ff02::fb%eth0'],
    ['::1%lo', '::1'],
    ['[2001:db8::1%eth0]', '2001:db8::1'],
    ['ff05::2%eth0', 'ff05::2'],
    ['::ffff:192.0.2.1%eth0', '192.0.2.1'],
    ['nonsense:x', 'nonsense:x'],
  ] as const) {
    assert.equal(plainAddress(text), plain, text);
  }
});

test('a zone that is given by its number has the name of its interface', (t) => {
  for (const [name, addresses] of Object.entries(networkInterfaces())) {
    const link = addresses?.find(({ scopeid }) => scopeid);
    if (!link) continue;
    assert.equal(plainAddress(`fe80::1%${link.scopeid}`), `fe80::1%${name}`);
    return;
  }
  t.skip('there is no link-local address here');
});

test('an address without a zone is that of any link, one with a zone of its own', () => {
  assert.ok(matchesAddress('fe80::1', 'fe80::1%eth0'));
  assert.ok(matchesAddress('fe80::1%eth0', 'fe80::1%eth0'));
  assert.ok(!matchesAddress('fe80::1%eth0', 'fe80::1%eth1'));
  assert.ok(!matchesAddress('fe80::1%eth0', 'fe80::1'));
  assert.ok(!matchesAddress('192.0.2.1', '192.0.2.10'));
});

test('wildcards and loopback addresses are known in each form', () => {
  for (const host of ['0.0.0.0', '::', '[::]', '0:0::0', '::ffff:0.0.0.0']) assert.ok(isWildcard(host), host);
  for (const host of ['0.0.0.1', '::1', 'host.example', '']) assert.ok(!isWildcard(host), host);
  for (const host of [
    '127.0.0.1',
    '127.9.9.9',
    '::1',
    '[::1]',
    '0::1',
    '::ffff:127.0.0.1',
    'localhost',
    'LocalHost',
    'a.localhost',
  ])
    assert.ok(isLoopback(host), host);
  for (const host of ['0.0.0.0', '128.0.0.1', '127.example', 'localhost.example', '::2', '::'])
    assert.ok(!isLoopback(host), host);
});

test('a port follows an IPv6 address in brackets', () => {
  assert.equal(hostPort('192.0.2.1', 80), '192.0.2.1:80');
  assert.equal(hostPort('::1', 80), '[::1]:80');
  assert.equal(hostPort('[::1]', 80), '[::1]:80');
  assert.equal(hostPort('fe80::1%eth0', 80), '[fe80::1%eth0]:80');
  assert.equal(hostPort('host.example', 80), 'host.example:80');
  assert.equal(authority('[fe80::1%eth0]', 80), '[fe80::1]:80');
});

test('what is neither an address nor a name is refused, with the field and a hint', () => {
  for (const host of [
    '127.0.0.1',
    '::1',
    '[::1]',
    'fe80::1%eth0',
    '[fe80::1%2]',
    'localhost',
    'a_b.example',
    'host.example.',
    'münchen.example',
    'xn--mnchen-3ya.example',
    '1.example',
    'a-b',
    `${'x'.repeat(63)}.example`,
    `${'x.'.repeat(126)}x`,
  ])
    checkHost(host);
  for (const [host, why] of [
    ['127.1', 'is no IPv4 address: four numbers up to 255'],
    ['127.0.0.300', 'is no IPv4 address: four numbers up to 255'],
    ['1.2.3.4.5', 'is no IPv4 address: four numbers up to 255'],
    ['0x7f.1', 'is no IPv4 address: four numbers up to 255'],
    ['2130706433', 'is no IPv4 address: four numbers up to 255'],
    ['0x7f000001', 'is no IPv4 address: four numbers up to 255'],
    ['127.0.0.1:9000', 'has a port in it: the address is 127.0.0.1, and 9000 belongs into the field "port"'],
    ['host.example:80', 'has a port in it: the address is host.example, and 80 belongs into the field "port"'],
    ['[::1]:80', 'has a port in it: the address is [::1], and 80 belongs into the field "port"'],
    ['::1::2', 'is no IPv6 address'],
    ['[127.0.0.1', 'is no IPv6 address'],
    ['1:2:3:4:5:6:7:8:9', 'is no IPv6 address'],
    ['fe80::1%', 'names no interface after the %'],
    ['[fe80::1%]', 'names no interface after the %'],
    ['127.0.0.1%lo', 'has a zone, which only IPv6 addresses have'],
    ['127.0.0.1%', 'has a zone, which only IPv6 addresses have'],
    ['host.example%eth0', 'is no IPv6 address'],
    ['http://host', 'is no IPv6 address'],
    ['10.0.0.0/8', 'is no name of a host'],
    ['a host', 'is no name of a host'],
    ['-a.example', 'is no name of a host'],
    ['a..b', 'is no name of a host'],
    [' 127.0.0.1', 'is no IPv4 address: four numbers up to 255'],
    [`${'x'.repeat(64)}.example`, 'is no name of a host'],
    [`${'x.'.repeat(126)}xx`, 'is no name of a host'],
  ] as const) {
    const message = `/address: ${JSON.stringify(host)} ${why}`;
    assert.throws(() => checkHost(host, '/address'), { code: 'E_INVALID', message }, host);
  }
  assert.throws(() => checkIp('localhost', '/bind/address'), {
    code: 'E_INVALID',
    message: '/bind/address: "localhost" is a name, and must be an IP address',
  });
  checkIp('[::1]');
});
