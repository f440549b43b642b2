/** The operator with a thousand proxies. See bench/README.md, and bench/mesh/run, which starts it. */
import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { Cluster } from '../../test/mesh/support/cluster.ts';
import { Daemon } from '../../test/mesh/support/daemon.ts';
import { ip } from '../../test/mesh/support/node.ts';
import { installKinds, operatorKubeconfig } from '../../test/mesh/support/operator.ts';
import { ROOT } from '../../test/support/command.ts';
import { median } from '../harness/statistics.ts';
import { backends, makePods, PROXY_NET, proxies, setReady } from './fleet.ts';
import { GROUPS, RESOURCES } from './resources.ts';
import type { Reached, Wait } from './standins.ts';

const { values } = parseArgs({
  options: {
    proxies: { type: 'string', default: '1000' },
    rounds: { type: 'string', default: '9' },
  },
});
const PROXIES = Number(values.proxies);
const LISTENERS = GROUPS;

const now = (): number => performance.timeOrigin + performance.now();

class StandIns {
  readonly #child: ChildProcess;

  private constructor(child: ChildProcess) {
    this.#child = child;
  }

  static async start(): Promise<StandIns> {
    ip('route', 'add', 'local', PROXY_NET, 'dev', 'lo');
    const child = fork(join(import.meta.dirname, 'standins.ts'), [String(PROXIES)]);
    await once(child, 'message');
    return new StandIns(child);
  }

  /** Begins to wait; what is given ends when all of them are there. */
  all(wait: Wait): Promise<Reached> {
    const reached = once(this.#child, 'message').then(([message]) => message as Reached);
    this.#child.send(wait);
    return reached;
  }

  stop(): void {
    this.#child.kill();
  }
}

/** Of a process, in MiB and seconds. */
function usage(pid: number): { resident: number; most: number; cpu: number } {
  const status = readFileSync(`/proc/${pid}/status`, 'utf8');
  const field = (name: string): number => Number(new RegExp(`^${name}:\\s+(\\d+)`, 'm').exec(status)?.[1]) / 1024;
  const stat = readFileSync(`/proc/${pid}/stat`, 'utf8')
    .replace(/^.*\) /, '')
    .split(' ');
  return { resident: field('VmRSS'), most: field('VmHWM'), cpu: (Number(stat[11]) + Number(stat[12])) / 100 };
}

/** What the published package runs, as its command runs it. */
async function startOperator(cluster: Cluster): Promise<Daemon> {
  const kubeconfig = await operatorKubeconfig(cluster, 'operator');
  const main = join(ROOT, 'packages', 'operator', 'dist', 'main.js');
  const env = { ...process.env, POD_NAME: 'operator', POD_NAMESPACE: 'default', MALLOC_ARENA_MAX: '2' };
  const flags = ['--max-semi-space-size=4', '--heap-growing-percent=25'];
  return new Daemon('operator', process.execPath, [...flags, main, '--kubeconfig', kubeconfig], { env });
}

const OWN = '/apis/l7mp.io/v1/namespaces/default';

async function applyAll({ api }: Cluster): Promise<void> {
  for (const [plural, object] of RESOURCES) await api.request('POST', `${OWN}/${plural}`, object);
}

const pause = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));
/** For what follows a change (statuses, looks at the proxies), which is no part of the next figure. */
const REST = 15_000;

interface Change {
  readonly first: number;
  readonly last: number;
  readonly cpu: number;
}

async function backendChanges(cluster: Cluster, standIns: StandIns, operator: Daemon): Promise<Change[]> {
  const changes: Change[] = [];
  const all = backends(GROUPS);
  for (let round = 0; round < Number(values.rounds); round++) {
    const told = standIns.all({ what: 'changes', count: 1 });
    const before = usage(operator.pid).cpu;
    const since = now();
    await setReady(cluster.api, all[round % all.length] as (typeof all)[number], false);
    const { first, last } = await told;
    changes.push({ first: first - since, last: last - since, cpu: (usage(operator.pid).cpu - before) * 1000 });
    await pause(3000);
  }
  return changes;
}

function report(name: string, value: number, unit: string): void {
  console.log(`${name.padEnd(64)} ${value.toFixed(value < 10 ? 2 : 0).padStart(8)} ${unit}`);
}

async function measure(cluster: Cluster, standIns: StandIns): Promise<void> {
  await makePods(cluster.api, [...proxies(PROXIES), ...backends(GROUPS)]);
  await installKinds(cluster);
  const operator = await startOperator(cluster);
  await pause(REST);
  const before = usage(operator.pid).cpu;
  const programmed = standIns.all({ what: 'listeners', count: LISTENERS });
  await applyAll(cluster);
  const applied = now();
  const { last, requests } = await programmed;
  report(`${RESOURCES.length} resources on ${PROXIES} proxies, from the last event to all`, last - applied, 'ms');
  report('  requests to the proxies from the first event to then', requests, '');
  report('  the operator has computed meanwhile', usage(operator.pid).cpu - before, 's');
  await pause(REST);
  const idle = usage(operator.pid);
  await pause(REST);
  report('idle: of a CPU', ((usage(operator.pid).cpu - idle.cpu) / REST) * 100_000, '%');
  report('memory (VmRSS)', usage(operator.pid).resident, 'MiB');
  const changes = await backendChanges(cluster, standIns, operator);
  report(
    'a backend is not ready: until the first proxy is told (median)',
    median(changes.map(({ first }) => first)),
    'ms',
  );
  report('  until the last proxy is told (median)', median(changes.map(({ last }) => last)), 'ms');
  report('  the operator has computed meanwhile (median)', median(changes.map(({ cpu }) => cpu)), 'ms');
  report('memory at the end (VmRSS)', usage(operator.pid).resident, 'MiB');
  report('  at most (VmHWM)', usage(operator.pid).most, 'MiB');
  await operator.stop();
}

const cluster = await Cluster.start();
const standIns = await StandIns.start();
try {
  await measure(cluster, standIns);
} finally {
  standIns.stop();
  await cluster.stop();
}
