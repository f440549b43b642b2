/**
 * The node of a cluster: the network namespace that the test itself runs in, so that its sockets are those of a program on the
 * node. Pods are namespaces beside it, on a bridge.
 */
import { execFileSync } from 'node:child_process';
import { mkdirSync } from 'node:fs';
import { program } from '../../support/programs.ts';

/** A folder in memory that only this test file sees. It goes with the file's process. */
export const SCRATCH = '/mnt';

/** The node's own address, and that of pods with `hostNetwork`. */
export const NODE_ADDRESS = '192.168.49.2';
export const POD_CIDR = '10.244.0.0/16';
/** The bridge, and the router of the pods. */
const ROUTER = '10.244.0.1';
const BRIDGE = 'pods';

export function ip(...args: string[]): void {
  execFileSync(program('ip'), args, { stdio: ['ignore', 'ignore', 'pipe'] });
}

function mountMemory(folder: string): void {
  mkdirSync(folder, { recursive: true });
  execFileSync(program('mount'), ['-t', 'tmpfs', 'l7mp-test', folder]);
}

let made = false;

/** Makes the node's network and folders, once in a process. */
export function makeNode(): void {
  if (process.env.L7MP_TEST_ISOLATED === undefined) {
    throw new Error('tests of the mesh run in namespaces of their own: start them with scripts/test mesh [FILE...]');
  }
  if (made) return;
  made = true;
  mountMemory(SCRATCH);
  mountMemory('/run/netns');
  ip('link', 'set', 'lo', 'up');
  ip('address', 'add', `${NODE_ADDRESS}/32`, 'dev', 'lo');
  ip('link', 'add', BRIDGE, 'type', 'bridge');
  ip('address', 'add', `${ROUTER}/16`, 'dev', BRIDGE);
  ip('link', 'set', BRIDGE, 'up');
}

/** The network of one pod, whose name must be short enough for an interface (15 bytes). */
export function makePodNetwork(name: string, address: string): void {
  const inside = ['-n', name];
  ip('netns', 'add', name);
  ip('link', 'add', name, 'type', 'veth', 'peer', 'name', 'eth0', 'netns', name);
  ip('link', 'set', name, 'master', BRIDGE, 'up');
  ip(...inside, 'link', 'set', 'lo', 'up');
  ip(...inside, 'address', 'add', `${address}/16`, 'dev', 'eth0');
  ip(...inside, 'link', 'set', 'eth0', 'up');
  ip(...inside, 'route', 'add', 'default', 'via', ROUTER);
}

export function removePodNetwork(name: string): void {
  ip('netns', 'delete', name);
}

/** Makes the address of a Service lead to one pod, as kube-proxy does; its port must be the pod's. */
export function routeService(serviceAddress: string, pod: string, podAddress: string): void {
  ip('-n', pod, 'address', 'replace', `${serviceAddress}/32`, 'dev', 'lo');
  ip('route', 'replace', `${serviceAddress}/32`, 'via', podAddress);
}
