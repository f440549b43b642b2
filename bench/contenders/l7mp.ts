import { readFileSync, writeFileSync } from 'node:fs';
import { connect } from 'node:net';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { CERTIFIED, certificate } from '../harness/certificate.ts';
import type { Command, Contender, Place, Row } from '../harness/types.ts';
import { output } from '../harness/version.ts';

/** This checkout. */
const HERE = join(import.meta.dirname, '..', '..');

/** A session is made, and moves down to its rung, within this time. */
const VERIFY_TRIES = 10;
const VERIFY_PAUSE = 100;

interface Variant {
  readonly name: string;
  readonly args: (place: Place) => readonly string[];
  /** The rung of the pipes in a session that this variant is about, as the API shows it. */
  readonly rung: string;
  readonly unfit?: (row: Row) => string | undefined;
}

const VARIANTS: readonly Variant[] = [
  { name: 'l7mp (node)', args: () => ['--io', 'node', '-o', 'disable'], rung: 'userspace' },
  { name: 'l7mp (native)', args: () => ['--io', 'native', '-o', 'disable'], rung: 'native' },
  {
    name: 'l7mp (kernel)',
    args: ({ network }) => ['--io', 'auto', '-o', 'init', '-i', network.interfaces],
    rung: 'kernel',
    unfit: ({ carries, id }) =>
      ['udp', 'udp-namespaces'].includes(carries) && !id.startsWith('memory')
        ? undefined
        : 'the kernel carries UDP traffic only',
  },
];

/** How many workers the rows about them compare. */
const WORKERS = [1, 2];

const WORKER_VARIANTS: readonly Variant[] = WORKERS.map((workers) => ({
  name: `l7mp (${workers} ${workers > 1 ? 'workers' : 'worker'})`,
  args: () => ['--io', 'native', '-o', 'disable', '--threads', `${workers}`],
  rung: 'native',
}));

/** `threads`: of this checkout's l7mp, in all rows but those that compare it; undefined for its default. */
export function l7mp(threads: number | undefined): readonly Contender[] {
  return variants(HERE, threads === undefined ? [] : ['--threads', `${threads}`]);
}

/** The l7mp of another checkout, which is measured in the same rounds. */
export function beside(root: string): readonly Contender[] {
  return variants(root, []).map((contender) => ({ ...contender, name: `beside: ${contender.name}` }));
}

function variants(root: string, args: readonly string[]): readonly Contender[] {
  return [
    ...VARIANTS.map((variant) => contender(variant, root, carriesTraffic(starter(variant, root, args)))),
    ...WORKER_VARIANTS.map((variant) => contender(variant, root, comparesWorkers(starter(variant, root, [])))),
  ];
}

function contender({ name, rung, unfit }: Variant, root: string, carries: Contender['carries']): Contender {
  return {
    name,
    group: 'l7mp',
    version: () => version(root),
    carries,
    ...(unfit && { unfit }),
    api: ({ control }) => control,
    verify: (place) => verify(place, rung),
  };
}

type Start = (place: Place, config: Config) => Command;

function starter({ args }: Variant, root: string, more: readonly string[]): Start {
  return (place, config) => ({
    file: join(root, 'bin', 'l7mp'),
    args: ['-c', configure(place, config), '-l', 'error', ...args(place), ...more],
  });
}

function carriesTraffic(start: Start): Contender['carries'] {
  return {
    udp: (place) => [start(place, straight(place, 'UDP'))],
    tcp: (place) => [start(place, straight(place, 'TCP'))],
    http: (place) => [start(place, { ...listener('HTTP', place.listen), clusters: [virtual('load', 'Echo')] })],
    http2: (place) => [start(place, { ...listener('HTTP', place.listen), clusters: [virtual('load', 'Echo')] })],
    'http-proxied': (place) => [start(place, straight(place, 'HTTP'))],
    websocket: (place) => [start(place, straight(place, 'WebSocket'))],
    'udp-websocket-udp': (place) => {
      const { listen, middle, upstream } = place;
      const far = { role: 'far', ...listener('WebSocket', middle), ...cluster('UDP', upstream) };
      const near = { role: 'near', ...listener('UDP', listen), ...cluster('WebSocket', middle) };
      return [start(place, far), start(place, near)];
    },
    'udp-dtls-udp': (place) => {
      const { listen, middle, upstream } = place;
      const { cert, key } = certificate(place.folder);
      const far = {
        role: 'far',
        ...listener('UDP', middle, {}, 'bench', HOST, { cert, key }),
        ...cluster('UDP', upstream),
      };
      const to = cluster('UDP', middle, HOST, { ca: cert, servername: CERTIFIED });
      return [start(place, far), start(place, { role: 'near', ...listener('UDP', listen), ...to })];
    },
    'tcp-tls-tcp': (place) => [start(place, encrypted(place, false))],
    'tcp-tls-tcp-resumed': (place) => [start(place, encrypted(place, true))],
    'udp-namespaces': (place) => [start(place, straight(place, 'UDP'))],
  };
}

/** Two hops, with TLS between them. `groups`: what the peers' OpenSSL agrees on; that of Node would agree on a dearer one. */
function encrypted({ listen, middle, upstream, folder }: Place, resumption: boolean): Config {
  const { cert, key } = certificate(folder);
  const alike = { resumption, groups: ['X25519'] };
  const far = listener('TCP', middle, { destination: 'far' }, 'far', HOST, { cert, key, ...alike });
  const to = cluster('TCP', middle, HOST, { ca: cert, servername: CERTIFIED, ...alike });
  const [behind] = cluster('TCP', upstream).clusters;
  const listeners = [...far.listeners, ...listener('TCP', listen).listeners];
  return { listeners, clusters: [...to.clusters, { ...behind, name: 'far' }] };
}

/** So much that the load, which makes datagrams for a third of a microsecond each, takes little beside it. */
const WORK = ['decap', 'again', 'decap', 'again'];

function comparesWorkers(start: Start): Contender['carries'] {
  return {
    'workers-javascript': (place) => {
      const { listeners } = listener('UDP', place.listen, { ingress: ['encap', ...WORK] });
      const metrics = listener('HTTP', place.middle, { destination: 'metrics' }, 'metrics');
      const clusters = [virtual('load', 'Discard'), virtual('metrics', 'Prometheus')];
      clusters.push(virtual('encap', 'JSONEncap'), virtual('again', 'JSONEncap'), virtual('decap', 'JSONDecap'));
      return [start(place, { listeners: [...listeners, ...metrics.listeners], clusters })];
    },
    'workers-tcp': (place) => [start(place, straight(place, 'TCP'))],
    'workers-tls': (place) => [start(place, encrypted(place, false))],
  };
}

async function version(root: string): Promise<string> {
  const { version } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'));
  const commit = await output('git', '-C', root, 'describe', '--always', '--dirty').catch(() => 'no git');
  return `${version} (${commit})`;
}

interface Config {
  /** Of a process, where there are two; the first, which has no REST API, is `far`. */
  readonly role?: string;
  readonly listeners: readonly object[];
  readonly clusters: readonly object[];
}

const HOST = '127.0.0.1';

function straight({ network, listen, upstream }: Place, protocol: string): Config {
  return { ...listener(protocol, listen, {}, 'bench', network.proxy), ...cluster(protocol, upstream, network.server) };
}

function listener(
  protocol: string,
  port: number,
  route: object = {},
  name = 'bench',
  address = HOST,
  tls: object | undefined = undefined,
) {
  const rules = [{ action: { route: { destination: 'load', ...route } } }];
  return { listeners: [{ name, spec: { protocol, port, address, tls }, rules }] };
}

function cluster(protocol: string, port: number, address = HOST, tls: object | undefined = undefined) {
  return { clusters: [{ name: 'load', spec: { protocol, port, tls }, endpoints: [{ spec: { address } }] }] };
}

const virtual = (name: string, protocol: string) => ({ name, spec: { protocol } });

/** Returns the name of the file. */
function configure({ folder, control }: Place, { role = 'proxy', listeners, clusters }: Config): string {
  const controller = listener('HTTP', control, { destination: 'controller' }, 'controller');
  const file = join(folder, `${role}.json`);
  const text = {
    listeners: [...listeners, ...(role === 'far' ? [] : controller.listeners)],
    clusters: [...clusters, virtual('controller', 'L7mpController')],
  };
  writeFileSync(file, JSON.stringify(text));
  return file;
}

/** Looks at the sessions that carry this row's traffic, or at one that is opened for it. */
async function verify({ control, carries, listen }: Place, rung: string): Promise<void> {
  if (!['udp', 'udp-namespaces', 'tcp', 'workers-tcp'].includes(carries)) return;
  const held = carries.endsWith('tcp') ? connect(listen, HOST).on('error', () => {}) : undefined;
  try {
    let seen: readonly string[] = [];
    for (let tries = 0; tries < VERIFY_TRIES; tries++) {
      seen = await rungs(control);
      if (seen.includes(rung)) return;
      await sleep(VERIFY_PAUSE);
    }
    throw new Error(`its sessions run on: ${seen.join(', ') || 'nothing, there are none'}`);
  } finally {
    held?.destroy();
  }
}

async function rungs(control: number): Promise<string[]> {
  const response = await fetch(`http://127.0.0.1:${control}/api/v1/sessions`, { signal: AbortSignal.timeout(10_000) });
  const sessions = (await response.json()) as { pipes?: readonly string[]; source: { origin: string } }[];
  return [...new Set(sessions.filter(({ source }) => source.origin === 'bench').flatMap(({ pipes = [] }) => pipes))];
}
