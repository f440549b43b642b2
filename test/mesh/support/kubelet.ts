/** What runs pods, on the one node that there is: a kubelet with a scheduler. */
import { until } from '../../../src/testing/until.ts';
import type { Api, KubeObject, Watch } from './api.ts';
import { NODE_ADDRESS } from './node.ts';
import { RunningPod } from './pod.ts';

export const NODE_NAME = 'node';

export class Kubelet {
  readonly #api: Api;
  readonly #pods = new Map<string, RunningPod>();
  readonly #ending = new Map<string, Promise<void>>();
  readonly #watch: Watch;
  #started = 0;

  private constructor(api: Api) {
    this.#api = api;
    this.#watch = api.watch(
      '/api/v1/pods',
      (pod) => this.#changed(pod),
      (pod) => this.#gone(pod, 'SIGKILL'),
    );
  }

  /** Makes the node, and from then on runs what is in the cluster. */
  static async start(api: Api): Promise<Kubelet> {
    await api.request('POST', '/api/v1/nodes', { apiVersion: 'v1', kind: 'Node', metadata: { name: NODE_NAME } });
    // A new node is tainted until somebody has looked at it.
    await api.patch(`/api/v1/nodes/${NODE_NAME}`, { spec: { taints: null } });
    await api.patch(`/api/v1/nodes/${NODE_NAME}/status`, {
      status: {
        addresses: [{ type: 'InternalIP', address: NODE_ADDRESS }],
        conditions: [{ type: 'Ready', status: 'True', reason: 'Test', message: 'it runs pods' }],
        capacity: { cpu: '8', memory: '16Gi', pods: '1000' },
        allocatable: { cpu: '8', memory: '16Gi', pods: '1000' },
      },
    });
    return new Kubelet(api);
  }

  /** The pod of that name, or the only one whose name begins so, that is not about to end; waits for it. */
  pod(name: string, namespace = 'default'): Promise<RunningPod> {
    return until(() => this.pods(name, namespace)[0], `the pod ${namespace}/${name}`);
  }

  /** All whose names begin so, and that are not about to end. */
  pods(name: string, namespace = 'default'): RunningPod[] {
    return [...this.#pods.values()].filter((pod) => pod.name.startsWith(`${namespace}/${name}`));
  }

  #changed(pod: KubeObject): void {
    const { uid, name, namespace, deletionTimestamp } = pod.metadata;
    if (pod.spec.nodeName === undefined) {
      if (deletionTimestamp === undefined) this.#bind(namespace, name);
    } else if (pod.spec.nodeName !== NODE_NAME) {
      // Somebody else says that it runs.
      return;
    } else if (deletionTimestamp !== undefined) {
      this.#gone(pod, 'SIGTERM');
    } else if (!this.#pods.has(uid) && !this.#ending.has(uid)) {
      const running = new RunningPod(this.#api, pod, ++this.#started);
      this.#pods.set(uid, running);
      running.start().catch((error) => {
        // What a kubelet says in an event.
        console.error(`${running.name} does not start: ${error.message}`);
      });
    }
  }

  #bind(namespace: string, name: string): void {
    const binding = {
      apiVersion: 'v1',
      kind: 'Binding',
      metadata: { name },
      target: { kind: 'Node', name: NODE_NAME },
    };
    // Where it is bound or gone already, there is nothing to do.
    this.#api.request('POST', `/api/v1/namespaces/${namespace}/pods/${name}/binding`, binding).catch(() => {});
  }

  #gone(pod: KubeObject, signal: NodeJS.Signals): void {
    const { uid, name, namespace } = pod.metadata;
    if (this.#ending.has(uid)) return;
    const running = this.#pods.get(uid);
    this.#pods.delete(uid);
    const end = async (): Promise<void> => {
      await running?.stop(signal);
      const now = { gracePeriodSeconds: 0, preconditions: { uid } };
      if (signal === 'SIGTERM') await this.#api.request('DELETE', `/api/v1/namespaces/${namespace}/pods/${name}`, now);
    };
    this.#ending.set(
      uid,
      end().catch(() => {}),
    );
  }

  async stop(): Promise<void> {
    this.#watch.stop();
    await Promise.all(this.#ending.values());
    await Promise.all([...this.#pods.values()].map((pod) => pod.stop('SIGKILL')));
  }
}
