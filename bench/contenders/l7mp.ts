import { readFileSync, writeFileSync } from 'node:fs';
import { connect } from 'node:net';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
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
      carries.startsWith('udp') && carries !== 'udp-websocket-udp' && !id.startsWith('memory')
        ? undefined
        : 'the kernel carries UDP traffic only',
  },
];

export const l7mp: readonly Contender[] = VARIANTS.map((variant) => contender(variant, HERE));

/** The l7mp of another checkout, which is measured in the same rounds. */
export function beside(root: string): readonly Contender[] {
  return VARIANTS.map((variant) => ({ ...contender(variant, root), name: `beside: ${variant.name}` }));
}

function contender({ name, args, rung, unfit }: Variant, root: string): Contender {
  const start = (place: Place, role: string, parts: Parts, api = true): Command => ({
    file: join(root, 'bin', 'l7mp'),
    args: ['-c', configure(place, role, parts, api), '-l', 'error', ...args(place)],
  });
  const straight = (place: Place, protocol: string): Command => {
    const { network, listen, upstream } = place;
    const parts = { ...listener(protocol, listen, network.proxy), ...cluster(protocol, upstream, network.server) };
    return start(place, 'proxy', parts);
  };
  return {
    name,
    group: 'l7mp',
    version: () => version(root),
    carries: {
      udp: (place) => [straight(place, 'UDP')],
      tcp: (place) => [straight(place, 'TCP')],
      'udp-websocket-udp': (place) => {
        const { listen, middle, upstream } = place;
        const far = { ...listener('WebSocket', middle), ...cluster('UDP', upstream) };
        const near = { ...listener('UDP', listen), ...cluster('WebSocket', middle) };
        return [start(place, 'far', far, false), start(place, 'near', near)];
      },
      'udp-namespaces': (place) => [straight(place, 'UDP')],
    },
    ...(unfit && { unfit }),
    api: ({ control }) => control,
    verify: (place) => verify(place, rung),
  };
}

async function version(root: string): Promise<string> {
  const { version } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'));
  const commit = await output('git', '-C', root, 'describe', '--always', '--dirty').catch(() => 'no git');
  return `${version} (${commit})`;
}

interface Parts {
  readonly listener: object;
  readonly cluster: object;
}

function listener(protocol: string, port: number, address = '127.0.0.1'): Pick<Parts, 'listener'> {
  const rules = [{ action: { route: { destination: 'load' } } }];
  return { listener: { name: 'bench', spec: { protocol, port, address }, rules } };
}

function cluster(protocol: string, port: number, address = '127.0.0.1'): Pick<Parts, 'cluster'> {
  return { cluster: { name: 'load', spec: { protocol, port }, endpoints: [{ spec: { address } }] } };
}

/** Returns the name of the file. */
function configure({ folder, control }: Place, role: string, parts: Parts, api: boolean): string {
  const controller = {
    name: 'controller',
    spec: { protocol: 'HTTP', port: control, address: '127.0.0.1' },
    rules: [{ action: { route: { destination: 'controller' } } }],
  };
  const file = join(folder, `${role}.json`);
  const text = {
    listeners: [parts.listener, ...(api ? [controller] : [])],
    clusters: [parts.cluster, { name: 'controller', spec: { protocol: 'L7mpController' } }],
  };
  writeFileSync(file, JSON.stringify(text));
  return file;
}

/** Looks at the sessions that carry this row's traffic, or at one that is opened for it. */
async function verify({ control, carries, listen }: Place, rung: string): Promise<void> {
  if (carries === 'udp-websocket-udp') return;
  const held = carries === 'tcp' ? connect(listen, '127.0.0.1').on('error', () => {}) : undefined;
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
