import assert from 'node:assert/strict';
import { test } from 'node:test';
import { expose } from './exposition.ts';
import { PROCESS_METRICS } from './process-metrics.ts';

async function samples(): Promise<Map<string, number>> {
  const { text } = await expose(PROCESS_METRICS, undefined);
  const lines = text.split('\n').filter((line) => line !== '' && !line.startsWith('#'));
  return new Map(
    lines.map((line) => [line.slice(0, line.lastIndexOf(' ')), Number(line.slice(line.lastIndexOf(' ') + 1))]),
  );
}

test('the process tells of its memory, time, descriptors and version', async () => {
  const now = await samples();
  assert.equal(now.get(`nodejs_version_info{version="${process.version}"}`), 1);
  const positive = [
    'process_cpu_seconds_total',
    'process_resident_memory_bytes',
    'process_open_fds',
    'process_max_fds',
    'nodejs_heap_size_used_bytes',
    'nodejs_external_memory_bytes',
    'nodejs_heap_space_size_used_bytes{space="old_space"}',
  ];
  for (const name of positive) assert.ok((now.get(name) ?? 0) > 0, name);
  assert.ok(now.has('nodejs_eventloop_active_seconds_total'));
  assert.ok(Math.abs((now.get('process_start_time_seconds') ?? 0) - Date.now() / 1000 + process.uptime()) < 60);
});

test('metrics are shown with the values of what they are read from', async () => {
  const metric = {
    type: 'counter' as const,
    name: 'c',
    help: 'h',
    labels: ['l'],
    samples: (value: number) => [{ labels: { l: 'x' }, value }],
  };
  const first = await expose([metric], 1);
  const second = await expose([metric], 2);
  assert.deepEqual(
    [first, second].map(({ text }) => /^c\{.*$/m.exec(text)?.[0]),
    ['c{l="x"} 1', 'c{l="x"} 2'],
  );
});
