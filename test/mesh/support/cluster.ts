/** A whole cluster of one node for a test file: an API server with its controllers, a kubelet, a DNS service, kubectl, helm. */
import { execFile } from 'node:child_process';
import { after, before } from 'node:test';
import { program } from '../../support/programs.ts';
import type { Api } from './api.ts';
import { ControlPlane, writeKubeconfig } from './control-plane.ts';
import { Kubelet } from './kubelet.ts';
import { makeNode, SCRATCH } from './node.ts';
import type { RunningPod } from './pod.ts';

export class Cluster {
  readonly plane: ControlPlane;
  readonly kubelet: Kubelet;
  /** Of an administrator, as `admin.conf` of a real one. */
  readonly kubeconfig: string;

  private constructor(plane: ControlPlane, kubelet: Kubelet) {
    this.plane = plane;
    this.kubelet = kubelet;
    this.kubeconfig = writeKubeconfig('admin', 'admin');
  }

  static async start(): Promise<Cluster> {
    makeNode();
    const plane = await ControlPlane.start();
    return new Cluster(plane, await Kubelet.start(plane.api));
  }

  get api(): Api {
    return this.plane.api;
  }

  /** What kubectl has written; rejects with what it says where it fails. */
  kubectl(...args: string[]): Promise<string> {
    return this.#run('kubectl', args, '');
  }

  helm(...args: string[]): Promise<string> {
    return this.#run('helm', args, '');
  }

  /** `kubectl apply -f - <<EOF`, as documents print it. */
  apply(yaml: string, ...args: string[]): Promise<string> {
    return this.#run('kubectl', ['apply', '-f', '-', ...args], yaml);
  }

  /** `kubectl delete -f -`, without waiting for the end of what has finalizers or a grace period. */
  delete(yaml: string): Promise<string> {
    return this.#run('kubectl', ['delete', '--wait=false', '-f', '-'], yaml);
  }

  #run(name: string, args: readonly string[], input: string): Promise<string> {
    const env = { ...process.env, KUBECONFIG: this.kubeconfig, HOME: SCRATCH };
    return new Promise((resolve, reject) => {
      const child = execFile(program(name), args, { env, maxBuffer: 1 << 26 }, (error, stdout, stderr) => {
        if (error) reject(new Error(`${name} ${args.join(' ')}: ${stderr || error.message}`));
        else resolve(stdout);
      });
      child.stdin?.on('error', () => {});
      child.stdin?.end(input);
    });
  }

  /** A pod that is ready: the only one whose name begins so. */
  async readyPod(name: string, namespace = 'default'): Promise<RunningPod> {
    const pod = await this.kubelet.pod(name, namespace);
    await this.kubectl(
      'wait',
      '--for=condition=Ready',
      '--timeout=60s',
      '-n',
      namespace,
      `pod/${pod.object.metadata.name}`,
    );
    return pod;
  }

  async stop(): Promise<void> {
    await this.kubelet.stop();
    await this.plane.stop();
  }
}

/**
 * The cluster of a test file: it is there when the first test begins, and goes after the last. `prepare`: what the file's
 * tests need of it; another `before` would not wait for this one.
 */
export function useCluster(prepare?: (cluster: Cluster) => Promise<void>): () => Cluster {
  let cluster: Cluster | undefined;
  before(async () => {
    cluster = await Cluster.start();
    await prepare?.(cluster);
  });
  after(() => cluster?.stop());
  return () => {
    if (!cluster) throw new Error('the cluster is there from the first test on');
    return cluster;
  };
}
