import assert from 'node:assert/strict';
import { test } from 'node:test';
import { cpuQuota, usableCpus } from './cpus.ts';

const quotaOf = (membership: string, files: Record<string, string>): number =>
  cpuQuota(membership, (path) => files[path] ?? '');

test('the quota is the least of the control group and those above it', () => {
  const files = { '/a/b/cpu.max': '250000 100000\n', '/a/cpu.max': '150000 100000\n', '/cpu.max': 'max 100000\n' };
  assert.equal(quotaOf('0::/a/b\n', files), 1.5);
  assert.equal(quotaOf('12:cpu:/x\n0::/a/b/c\n', { '/a/b/cpu.max': '50000 100000\n' }), 0.5);
  assert.equal(quotaOf('0::/\n', { '/cpu.max': '300000 100000\n' }), 3);
});

test('there is no quota where nothing says so', () => {
  assert.equal(quotaOf('0::/a\n', {}), Number.POSITIVE_INFINITY);
  assert.equal(quotaOf('0::/a\n', { '/a/cpu.max': 'max 100000\n' }), Number.POSITIVE_INFINITY);
  assert.equal(quotaOf('', { '/cpu.max': '100000 100000\n' }), Number.POSITIVE_INFINITY);
});

test('a process may use one CPU at least', () => {
  assert.ok(usableCpus() >= 1);
});
