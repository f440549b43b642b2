import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Cidrs, checkCidrs } from './cidr.ts';

test('a prefix counts bits of the form that it was written in', () => {
  const has = (cidr: string, address: string) => new Cidrs([cidr]).has(address);
  assert.ok(has('10.0.0.0/8', '10.255.0.1'));
  assert.ok(!has('10.0.0.0/8', '11.0.0.1'));
  assert.ok(has('0.0.0.0/0', '203.0.113.9'));
  assert.ok(has('::/0', '2001:db8::1'));
  assert.ok(!has('::/0', '203.0.113.9') && !has('0.0.0.0/0', '2001:db8::1'), 'families have nothing in common');
  assert.ok(has('192.0.2.1', '192.0.2.1'));
  assert.ok(!has('192.0.2.1', '192.0.2.2'));
  assert.ok(has('10.1.2.3/8', '10.9.9.9'), 'bits behind the prefix say nothing');
  assert.ok(has('fe80::/10', 'fe80::1%eth0'));
});

test('an IPv4-mapped address is that of IPv4, in a list and beside one', () => {
  assert.ok(new Cidrs(['192.0.2.0/24']).has('::ffff:192.0.2.7'));
  assert.ok(new Cidrs(['::ffff:192.0.2.7']).has('192.0.2.7'));
  assert.ok(new Cidrs(['::ffff:192.0.2.0/120']).has('192.0.2.7'));
  assert.ok(!new Cidrs(['::ffff:192.0.2.0/120']).has('192.0.3.7'));
});

test('what is no IP address is in none', () => {
  const all = new Cidrs(['0.0.0.0/0', '::/0']);
  for (const text of ['', 'localhost', '1.2.3', '1.2.3.4:80', '[::1', '@abstract', '/run/x'])
    assert.ok(!all.has(text), text);
});

test('what is no CIDR is named, with what it should be', () => {
  const wrong: [string, RegExp][] = [
    ['10.0.0.0/33', /an integer from 0 to 32/],
    ['::/129', /an integer from 0 to 128/],
    ['::/x', /an integer from 0 to 128/],
    ['10.0.0.0/', /an integer from 0 to 32/],
    ['10.0.0.0/8/8', /an IP address or a CIDR/],
    ['10.0.0/8', /an IP address or a CIDR/],
    ['host/8', /an IP address or a CIDR/],
    ['', /an IP address or a CIDR/],
  ];
  for (const [cidr, why] of wrong) {
    const message = new RegExp(`^/deny/1: ${JSON.stringify(cidr)} is not ${why.source}$`);
    assert.throws(() => checkCidrs(['::1', cidr], '/deny'), { code: 'E_INVALID', message });
  }
});
