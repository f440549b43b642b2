import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { L7mpError } from '../../core/errors.ts';
import { collect } from '../../testing/collector.ts';
import { dialLocal, fakeClusterHost, openCluster } from '../../testing/fake-cluster-host.ts';
import { metric } from './index.ts';

test('bytes and messages are counted for each session and cluster', async () => {
  const host = fakeClusterHost({ name: 'm' });
  const dialer = await openCluster(metric, {}, host);
  const first = collect(dialLocal(dialer, {}, 'first'));
  const second = collect(dialLocal(dialer, {}, 'second'));
  first.write('abc', '', 'd');
  second.write('xy');
  assert.deepEqual([first.texts, second.texts], [['abc', '', 'd'], ['xy']]);
  const { counters } = host.services;
  assert.deepEqual(counters.get('session_byte_counter_total')?.labels, ['sessionName', 'clusterName']);
  assert.deepEqual(counters.get('session_byte_counter_total')?.samples(), [
    { labels: { sessionName: 'first', clusterName: 'm' }, value: 4 },
    { labels: { sessionName: 'second', clusterName: 'm' }, value: 2 },
  ]);
  assert.deepEqual(
    counters
      .get('session_packet_counter_total')
      ?.samples()
      .map(({ value }) => value),
    [3, 1],
  );
});

test('the counters take other names', async () => {
  const host = fakeClusterHost();
  await openCluster(metric, { byteCounterName: 'b:total', packetCounterName: '_p' }, host);
  assert.deepEqual([...host.services.counters.keys()], ['b:total', '_p']);
});

test('a session that has ended is watched no more', async () => {
  const host = fakeClusterHost();
  const channel = dialLocal(await openCluster(metric, {}, host));
  channel.close({ kind: 'end', message: '' });
  for (const counter of host.services.counters.values()) assert.deepEqual(counter.samples(), []);
});

for (const [field, name] of [
  ['byteCounterName', '1st'],
  ['byteCounterName', ''],
  ['packetCounterName', 'a-b'],
  ['packetCounterName', 'session_byte_counter_total'],
] as const) {
  test(`${field} ${JSON.stringify(name)} is refused by name`, async () => {
    const refused = (error: L7mpError) => error.code === 'E_INVALID' && error.message.startsWith(`/${field}: `);
    await assert.rejects(openCluster(metric, { [field]: name }), refused);
  });
}
