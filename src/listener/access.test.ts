import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Access } from './access.ts';

test('without lists everybody is taken', () => {
  for (const address of ['192.0.2.1', '::1', undefined]) assert.ok(new Access({}).has(address));
});

test('with an allow list, those in it alone', () => {
  const access = new Access({ allow: ['192.0.2.0/24', '2001:db8::/32', '::ffff:198.51.100.1'] });
  for (const address of ['192.0.2.255', '::ffff:192.0.2.1', '2001:db8::7', '2001:db8::7%eth0', '198.51.100.1']) {
    assert.ok(access.has(address), address);
  }
  for (const address of ['192.0.3.1', '2001:db9::', 'host', '', undefined])
    assert.ok(!access.has(address), String(address));
  assert.ok(!new Access({ allow: [] }).has('192.0.2.1'));
});

test('with a deny list, those in it are not taken, whatever the allow list says', () => {
  assert.ok(!new Access({ deny: ['192.0.2.1'] }).has('::ffff:192.0.2.1'));
  assert.ok(new Access({ deny: ['192.0.2.1'] }).has('192.0.2.2'));
  assert.ok(new Access({ deny: ['0.0.0.0/0'] }).has(undefined));
  const both = new Access({ allow: ['192.0.2.0/24'], deny: ['192.0.2.128/25'] });
  assert.deepEqual(
    ['192.0.2.127', '192.0.2.128', '192.0.1.1'].map((address) => both.has(address)),
    [true, false, false],
  );
});
