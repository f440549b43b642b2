import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import type { Log } from '../core/log.ts';
import { sourceOfAddress } from '../core/source.ts';
import { Refusals } from './refusals.ts';
import { deriveLimits } from './system.ts';

const GIB = 1 << 30;

describe('limits', () => {
  test('are derived from descriptors and memory', () => {
    assert.deepEqual(deriveLimits({ descriptors: 1024, memory: GIB }), {
      max_sessions: 52_428,
      max_connections: 896,
      reserved_descriptors: 128,
      memory: 858_993_459,
    });
    const large = deriveLimits({ descriptors: 1 << 20, memory: 64 * GIB });
    assert.deepEqual([large.max_sessions, large.reserved_descriptors], [1_000_000, 256]);
    const small = deriveLimits({ descriptors: 64, memory: 1 << 20 });
    assert.deepEqual([small.max_sessions, small.max_connections, small.reserved_descriptors], [1000, 56, 8]);
  });

  test('that are given count, and those derived from them', () => {
    const { max_connections: connections, max_sessions: sessions } = deriveLimits(
      { descriptors: 1000, memory: GIB },
      { reserved_descriptors: 400, memory: 1 << 28 },
    );
    assert.deepEqual([connections, sessions], [600, 16_384]);
  });

  test('hold where the system says nothing of descriptors', () => {
    const limits = deriveLimits({ descriptors: Number.POSITIVE_INFINITY, memory: GIB });
    assert.ok(Object.values(limits).every(Number.isInteger));
  });
});

test('an address stands for itself, one of IPv6 for its network, a link-local one for itself', () => {
  for (const [address, source] of [
    ['192.0.2.1', '192.0.2.1'],
    ['2001:db8::1', '2001:db8:0:0::/64'],
    ['1:2:3:4:5:6:7:8', '1:2:3:4::/64'],
    ['1::8', '1:0:0:0::/64'],
    ['1:2:3::4:5:6:7', '1:2:3:0::/64'],
    ['::1', '0:0:0:0::/64'],
    ['fe80::1%eth0', 'fe80::1%eth0'],
  ] as const) {
    assert.equal(sourceOfAddress(address), source);
    assert.equal(sourceOfAddress(source), source);
  }
});

test('refusals are counted one by one, and said once in a while for each reason', () => {
  const lines: string[] = [];
  const log: Log = {
    enabled: () => true,
    write: (level, object, message) => lines.push(`${level} ${object} ${message}`),
  };
  let now = 0;
  const refusals = new Refusals(log, new Map(), () => now);
  for (let n = 0; n < 1000; n++) refusals.add('full', 'l', 'no room');
  refusals.add('other', 'l', 'no way', 3);
  now = 10_000;
  refusals.add('full', 'l', 'no room', 2);
  assert.deepEqual(lines, [
    'warn l no room (full)',
    'warn l no way (other)',
    'warn l no room (full, 999 more since it was last said)',
  ]);
  assert.deepEqual(
    [...refusals.counts],
    [
      ['full', 1002],
      ['other', 3],
    ],
  );
});
