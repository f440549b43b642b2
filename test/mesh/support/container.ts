/** A container: a process with a root of its own above that of the machine, which brings the programs. */
import { existsSync, mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { ROOT } from '../../support/command.ts';
import { Daemon } from './daemon.ts';
import { SCRATCH } from './node.ts';

export interface Mount {
  readonly from: string;
  readonly to: string;
}

export interface ContainerOptions {
  /** Of its log; unique among the containers that run. */
  readonly name: string;
  /** The network namespace; that of the node where it is left out. */
  readonly network?: string | undefined;
  readonly command: readonly string[];
  readonly workingDir: string;
  readonly env: Readonly<Record<string, string>>;
  readonly mounts: readonly Mount[];
  /** Its /etc/resolv.conf. */
  readonly resolver: string;
  /** Milliseconds from SIGTERM to SIGKILL. */
  readonly grace: number;
}

/** What images of l7mp have: the checkout, in the folder that the seed's images have it in. */
const APP = '/app';
const FILES = ['bin', 'dist', 'node_modules', 'package.json', 'packages', 'l7mp-proxy.js', 'openapi.yaml', 'src'];
const NODE = join(ROOT, 'node_modules', '.bin');

/**
 * Each container has a mount namespace of its own (`ip netns exec` makes one), and becomes its program without a fork: its
 * process is the one that was started. What it writes is in memory, and seen by it alone. $1: its folder, $2: the working
 * directory, $3: what to mount, as lines of two words; then the command.
 */
const ENTER = `
set -e
cd "$1"; folder=$2; mounts=$3; shift 3
mkdir -p changed work root
mount -t overlay overlay -o "lowerdir=/,upperdir=$PWD/changed,workdir=$PWD/work" root
for each in dev proc sys; do mount --rbind "/$each" "root/$each"; done
# From outside of the root, its /var/run would lead to the machine's /run: a relative link stays inside.
if [ -L root/var/run ]; then ln -sfn ../run root/var/run; fi
echo "$mounts" | while read -r from to; do
  if [ -d "$from" ]; then mkdir -p "root$to"; else mkdir -p "root\${to%/*}"; : >"root$to"; fi
  mount --bind "$from" "root$to"
done
mkdir -p "root$folder"
exec chroot root sh -c 'cd "$0" && exec "$@"' "$folder" "$@"
`;

let started = 0;

export function startContainer(options: ContainerOptions): Daemon {
  const folder = join(SCRATCH, 'containers', `${++started}`);
  mkdirSync(folder, { recursive: true });
  const app = FILES.filter((name) => existsSync(join(ROOT, name)));
  const mounts = [
    { from: ROOT, to: ROOT },
    ...app.map((name) => ({ from: join(ROOT, name), to: join(APP, name) })),
    { from: options.resolver, to: '/etc/resolv.conf' },
    ...options.mounts,
  ];
  const lines = mounts.map(({ from, to }) => `${from} ${to}`).join('\n');
  const enter = ['sh', '-c', ENTER, 'container', folder, options.workingDir, lines, ...options.command];
  const env = { PATH: `${NODE}:${process.env.PATH}:/usr/sbin:/sbin`, HOME: '/root', ...options.env };
  const { network, grace } = options;
  return network === undefined
    ? new Daemon(options.name, 'unshare', ['--mount', ...enter], { env, grace })
    : new Daemon(options.name, 'ip', ['netns', 'exec', network, ...enter], { env, grace });
}
