/**
 * The process's own metrics, by the names that prom-client and others give them. The library's own set watches the garbage
 * collector and the event loop all the time, which costs a busy proxy a third of its throughput: these are read when they
 * are asked for.
 */
import { readdirSync, readFileSync } from 'node:fs';
import { getHeapSpaceStatistics } from 'node:v8';
import type { Sample } from './counters.ts';
import type { Metric } from './metric.ts';

const MICROSECONDS = 1e6;

function one(type: Metric['type'], name: string, help: string, value: () => number): Metric {
  return { type, name, help, labels: [], samples: () => [{ labels: {}, value: value() }] };
}

function cpu(which: 'user' | 'system'): number {
  return process.cpuUsage()[which] / MICROSECONDS;
}

/** Of /proc (proc(5)); nothing where the system has none. */
function fromProc(name: string, help: string, read: () => number | undefined): Metric {
  const samples = (): Sample[] => {
    try {
      const value = read();
      return value === undefined ? [] : [{ labels: {}, value }];
    } catch {
      return [];
    }
  };
  return { type: 'gauge', name, help, labels: [], samples };
}

/** The soft limit; none is no number. */
function mostDescriptors(): number | undefined {
  const [, limit] = /^Max open files\s+(\d+)/m.exec(readFileSync('/proc/self/limits', 'utf8')) ?? [];
  return limit === undefined ? undefined : Number(limit);
}

function heapSpaces(name: string, help: string, field: 'space_size' | 'space_used_size'): Metric {
  const samples = () =>
    getHeapSpaceStatistics().map((space) => ({ labels: { space: space.space_name }, value: space[field] }));
  return { type: 'gauge', name, help, labels: ['space'], samples };
}

const started = Date.now() / 1000 - process.uptime();

export const PROCESS_METRICS: readonly Metric[] = [
  one('counter', 'process_cpu_user_seconds_total', 'CPU time spent in user mode, in seconds.', () => cpu('user')),
  one('counter', 'process_cpu_system_seconds_total', 'CPU time spent in the kernel, in seconds.', () => cpu('system')),
  one('counter', 'process_cpu_seconds_total', 'CPU time spent, in seconds.', () => cpu('user') + cpu('system')),
  one('gauge', 'process_resident_memory_bytes', 'Resident memory.', () => process.memoryUsage.rss()),
  one('gauge', 'process_start_time_seconds', 'Start, in seconds since the epoch.', () => started),
  fromProc('process_open_fds', 'Open file descriptors.', () => readdirSync('/proc/self/fd').length),
  fromProc('process_max_fds', 'Open file descriptors at most.', mostDescriptors),
  {
    type: 'gauge',
    name: 'nodejs_version_info',
    help: 'The version of Node that runs the proxy.',
    labels: ['version'],
    samples: () => [{ labels: { version: process.version }, value: 1 }],
  },
  one(
    'counter',
    'nodejs_eventloop_active_seconds_total',
    'Time in which the event loop of the main thread was not idle, in seconds.',
    () => performance.eventLoopUtilization().active / 1000,
  ),
  one(
    'gauge',
    'nodejs_heap_size_total_bytes',
    'Size of the heap of the main thread.',
    () => process.memoryUsage().heapTotal,
  ),
  one(
    'gauge',
    'nodejs_heap_size_used_bytes',
    'What is used of the heap of the main thread.',
    () => process.memoryUsage().heapUsed,
  ),
  one(
    'gauge',
    'nodejs_external_memory_bytes',
    'Memory of buffers of the main thread, which lies outside its heap.',
    () => {
      return process.memoryUsage().external;
    },
  ),
  heapSpaces('nodejs_heap_space_size_total_bytes', 'Size of a part of the heap of the main thread.', 'space_size'),
  heapSpaces(
    'nodejs_heap_space_size_used_bytes',
    'What is used of a part of the heap of the main thread.',
    'space_used_size',
  ),
];
