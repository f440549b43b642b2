/**
 * What the operator's translation costs: 1,000 proxy pods, 50 VirtualServices and 50 Targets with five backends each. Once with all
 * proxies selected alike, once with a VirtualService more for each proxy alone, so that no two have the same wish.
 * Prints for each change the CPU time (median of 21, ms) and how many proxies and objects it concerned, and the heap in MB.
 * Usage: node_modules/.bin/node --conditions=l7mp-source --expose-gc bench/translation.ts
 */
import type { AnyObject } from '../packages/operator/src/resources/objects.ts';
import type { Concerned } from '../packages/operator/src/translation/contract.ts';
import { complete, FakeCluster, pod, type Written } from '../packages/operator/src/translation/testing.ts';
import { makeTranslation } from '../packages/operator/src/translation/translation.ts';

const PROXIES = 1000;
const SERVICES = 50;
const BACKENDS = 5;
const ROUNDS = 21;

const OPTIONS = { proxyPort: 1234, allowCrossNamespace: false };

const object = (kind: Written['kind'], name: string, spec: object): AnyObject =>
  complete({ kind, metadata: { name }, spec });

const virtualService = (name: string, matchLabels: Record<string, string>, port: number, destination: string) =>
  object('VirtualService', name, {
    selector: { matchLabels },
    listener: {
      spec: { UDP: { port } },
      rules: [{ action: { route: { destination, retry: { retry_on: 'always' } } } }],
    },
  });

const target = (n: number) =>
  object('Target', `t-${n}`, {
    cluster: { spec: { UDP: { port: 53 } }, endpoints: [{ selector: { matchLabels: { app: `backend-${n}` } } }] },
  });

const proxy = (n: number) =>
  pod(`proxy-${n}`, { app: 'ingress', node: `${n}`, tier: 'edge' }, `10.1.${n >> 8}.${n & 255}`);

function backend(service: number, n: number, ready: boolean): AnyObject {
  const conditions = [{ type: 'Ready', status: ready ? 'True' : 'False' }];
  return pod(`backend-${service}-${n}`, { app: `backend-${service}`, tier: 'back' }, `10.2.${service}.${n}`, {
    spec: { containers: [{ name: 'dns' }] },
    status: { phase: 'Running', podIP: `10.2.${service}.${n}`, conditions },
  });
}

function range<T>(length: number, make: (n: number) => T): T[] {
  return Array.from({ length }, (_, n) => make(n));
}

function measure(apart: boolean): void {
  globalThis.gc?.();
  const empty = process.memoryUsage().heapUsed;
  const cluster = new FakeCluster();
  const keys = cluster.put(
    ...range(PROXIES, proxy),
    ...range(SERVICES, (n) => virtualService(`v-${n}`, { app: 'ingress' }, 1000 + n, `t-${n}`)),
    ...range(SERVICES, target),
    ...range(SERVICES, (service) => range(BACKENDS, (n) => backend(service, n, true))).flat(),
    ...(apart ? range(PROXIES, (n) => virtualService(`own-${n}`, { node: `${n}` }, 5000, `t-${n % SERVICES}`)) : []),
  );
  globalThis.gc?.();
  const objects = process.memoryUsage().heapUsed;
  const translation = makeTranslation(cluster, OPTIONS);
  const all = timed(() => translation.update(keys));
  globalThis.gc?.();
  const heap = (process.memoryUsage().heapUsed - objects) / 2 ** 20;
  print('all objects for the first time', [all]);

  const update = (what: string, change: (round: number) => ReturnType<FakeCluster['put']>): void => {
    const rounds = range(ROUNDS, (n) => {
      const changed = change(n);
      return timed(() => translation.update(changed));
    });
    print(what, rounds);
  };
  update('a backend is ready, or not', (n) => cluster.put(backend(7, 3, n % 2 === 1)));
  update('a route of a VirtualService', (n) =>
    cluster.put(virtualService('v-3', { app: 'ingress' }, 1003, `t-${n % SERVICES}`)),
  );
  update('a new VirtualService on all', (n) =>
    cluster.put(virtualService(`new-${n}`, { app: 'ingress' }, 2000 + n, 't-1')),
  );
  update('one with a selector of its own', (n) =>
    cluster.put(virtualService(`tier-${n}`, { tier: 'edge' }, 3000 + n, 't-1')),
  );
  update('a new VirtualService on one proxy', (n) =>
    cluster.put(virtualService(`one-${n}`, { node: '17' }, 4000 + n, 't-1')),
  );
  update('a new proxy', (n) => cluster.put(proxy(PROXIES + n)));
  console.log(`heap: ${heap.toFixed(1)} MB beside ${((objects - empty) / 2 ** 20).toFixed(1)} MB of objects\n`);
}

interface Timed {
  /** ms */
  readonly time: number;
  readonly concerned: Concerned;
}

function timed(action: () => Concerned): Timed {
  const before = process.cpuUsage();
  const concerned = action();
  const { user, system } = process.cpuUsage(before);
  return { time: (user + system) / 1000, concerned };
}

function print(what: string, rounds: readonly Timed[]): void {
  const times = rounds.map(({ time }) => time).sort((a, b) => a - b);
  const { concerned } = rounds.at(-1) as Timed;
  const median = (times[times.length >> 1] as number).toFixed(2).padStart(9);
  console.log(`${what.padEnd(36)}${median} ms  ${concerned.proxies.size} proxies, ${concerned.objects.size} objects`);
}

for (const apart of [false, true]) {
  console.log(apart ? 'Every proxy apart' : 'All proxies alike');
  measure(apart);
}
