/** A pod that runs: its network, its volumes, its containers, and what is said of them in its status. */
import { randomUUID } from 'node:crypto';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { until } from '../../../src/testing/until.ts';
import { run } from '../../support/programs.ts';
import { type Api, ApiError, type KubeObject } from './api.ts';
import { startContainer } from './container.ts';
import type { Daemon } from './daemon.ts';
import { imageOf } from './images.ts';
import { makePodNetwork, NODE_ADDRESS, removePodNetwork, SCRATCH } from './node.ts';
import { probe } from './probes.ts';
import { expanded, makeVolumes, mountsOf, variablesOf } from './volumes.ts';

/** Milliseconds between the end of a container and its next start. A kubelet waits ten seconds, and longer each time. */
const RESTART = 200;
/** Between probes, whatever the pod says. */
const PROBE = 200;

interface Container {
  readonly spec: KubeObject;
  readonly init: boolean;
  readonly id: string;
  readonly daemon: Daemon;
  readonly startedAt: string;
  readonly restarts: number;
  ready: boolean;
}

export class RunningPod {
  readonly object: KubeObject;
  readonly address: string;
  /** Its namespace's name; none with `hostNetwork`. */
  readonly network: string | undefined;
  readonly #api: Api;
  readonly #path: string;
  readonly #containers = new Map<string, Container>();
  readonly #timers = new Set<NodeJS.Timeout>();
  #volumes: Map<string, string> = new Map();
  #ending = false;
  #telling: Promise<void> = Promise.resolve();

  constructor(api: Api, object: KubeObject, number: number) {
    const { namespace, name } = object.metadata;
    this.#api = api;
    this.object = object;
    this.#path = `/api/v1/namespaces/${namespace}/pods/${name}`;
    // The addresses below 10.244.1.0 are the bridge's.
    this.address = object.spec.hostNetwork ? NODE_ADDRESS : `10.244.${1 + (number >> 8)}.${number & 255}`;
    this.network = object.spec.hostNetwork ? undefined : `pod-${number}`;
  }

  get name(): string {
    return `${this.object.metadata.namespace}/${this.object.metadata.name}`;
  }

  async start(): Promise<void> {
    if (this.network) makePodNetwork(this.network, this.address);
    this.#volumes = await makeVolumes(this.#api, this.object, join(SCRATCH, 'volumes', this.object.metadata.uid));
    writeFileSync(this.#resolver, `nameserver ${CLUSTER_DNS}\nsearch ${this.#searched}\noptions ndots:5\n`);
    for (const spec of this.object.spec.initContainers ?? []) {
      const { daemon } = await this.#startContainer(spec, true);
      if (spec.restartPolicy !== 'Always') await until(() => daemon.over, `${daemon.name} ends`);
    }
    for (const spec of this.object.spec.containers) await this.#startContainer(spec, false);
    this.tell();
  }

  get #resolver(): string {
    return join(SCRATCH, `${this.object.metadata.uid}.resolv.conf`);
  }

  get #searched(): string {
    return `${this.object.metadata.namespace}.svc.cluster.local svc.cluster.local cluster.local`;
  }

  async #startContainer(spec: KubeObject, init: boolean, restarts = 0): Promise<Container> {
    const env = await variablesOf(
      this.#api,
      { ...this.object, status: { podIP: this.address, hostIP: NODE_ADDRESS } },
      spec,
    );
    const image = imageOf(spec.image);
    const words = [...(spec.command ?? image.entrypoint), ...(spec.args ?? (spec.command ? [] : image.command))];
    const daemon = startContainer({
      name: `${this.name}/${spec.name}`,
      network: this.network,
      command: words.map((word) => expanded(word, env)),
      workingDir: spec.workingDir ?? image.workingDir,
      env: { ...image.env, ...env },
      mounts: mountsOf(spec, this.#volumes),
      resolver: this.#resolver,
      grace: (this.object.spec.terminationGracePeriodSeconds ?? 30) * 1000,
    });
    const startedAt = new Date().toISOString();
    const container: Container = { spec, init, id: randomUUID(), daemon, startedAt, restarts, ready: false };
    this.#containers.set(spec.name, container);
    daemon.child.on('exit', () => this.#ended(container));
    this.#look(container);
    return container;
  }

  #ended(container: Container): void {
    if (this.#ending) return;
    container.ready = false;
    const { spec, init, restarts } = container;
    const again = init ? spec.restartPolicy === 'Always' : this.object.spec.restartPolicy !== 'Never';
    if (!again) return;
    this.tell();
    this.#later(RESTART, async () => {
      await this.#startContainer(spec, init, restarts + 1);
      this.tell();
    });
  }

  /** Probes it for as long as it runs. */
  #look(container: Container): void {
    this.#later(0, async () => {
      const ready =
        !container.daemon.over && (await probe(container.spec.readinessProbe, this.address, container.spec));
      if (this.#ending || container.daemon.over) return;
      if (ready !== container.ready) {
        container.ready = ready;
        this.tell();
      }
      if (container.spec.readinessProbe) this.#later(PROBE, async () => this.#look(container));
    });
  }

  #later(delay: number, work: () => Promise<void>): void {
    if (this.#ending) return;
    const timer = setTimeout(() => {
      this.#timers.delete(timer);
      work().catch((error) => {
        if (!this.#ending) throw error;
      });
    }, delay);
    this.#timers.add(timer);
  }

  #container(name: string): Container {
    const found = this.#containers.get(name);
    if (!found) throw new Error(`${this.name} has no container ${name}`);
    return found;
  }

  /** Sends a signal to a container's process; a container that ends is started again. */
  signal(container: string, signal: NodeJS.Signals): void {
    this.#container(container).daemon.signal(signal);
  }

  log(container: string): string {
    return this.#container(container).daemon.log;
  }

  /** Runs a command in the pod's network, outside of its containers; what it has written. */
  exec(...command: string[]): Promise<string> {
    const [name = '', ...args] = command;
    return this.network ? run('ip', ['netns', 'exec', this.network, ...command]) : run(name, args);
  }

  /** Says in the pod's status how it is now. */
  tell(): void {
    this.#telling = this.#telling.then(async () => {
      if (this.#ending) return;
      await this.#api.patch(`${this.#path}/status`, { status: this.#status() }, 'merge').catch((error) => {
        // It is gone, or the API server is: then this is told again when that is back.
        if (error instanceof ApiError) return;
        this.#later(PROBE, async () => this.tell());
      });
    });
  }

  #status(): object {
    const all = [...this.#containers.values()];
    const ready = all.every((container) => container.ready);
    const condition = (type: string, value: boolean) => ({ type, status: value ? 'True' : 'False' });
    return {
      phase: 'Running',
      hostIP: NODE_ADDRESS,
      podIP: this.address,
      podIPs: [{ ip: this.address }],
      conditions: [
        condition('Initialized', true),
        condition('PodScheduled', true),
        condition('ContainersReady', ready),
        condition('Ready', ready),
      ],
      containerStatuses: all.filter(({ init }) => !init).map(containerStatus),
      initContainerStatuses: all.filter(({ init }) => init).map(containerStatus),
    };
  }

  /** Ends its containers, as gently as they like, and all that it had. */
  async stop(signal: NodeJS.Signals = 'SIGTERM'): Promise<void> {
    this.#ending = true;
    for (const timer of this.#timers) clearTimeout(timer);
    await Promise.all([...this.#containers.values()].map(({ daemon }) => daemon.stop(signal)));
    await this.#telling;
    if (this.network) removePodNetwork(this.network);
  }
}

/** As kubeadm has it. */
export const CLUSTER_DNS = '10.96.0.10';

function containerStatus({ spec, id, daemon, startedAt, restarts, ready }: Container): object {
  return {
    name: spec.name,
    image: spec.image,
    imageID: '',
    containerID: `test://${id}`,
    ready,
    started: !daemon.over,
    restartCount: restarts,
    state: daemon.over
      ? { terminated: { exitCode: daemon.child.exitCode ?? 137, startedAt, finishedAt: new Date().toISOString() } }
      : { running: { startedAt } },
  };
}
