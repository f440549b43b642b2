/** A cluster with the operator and an ingress proxy on its node, for a test file. */
import assert from 'node:assert/strict';
import { after, before } from 'node:test';
import { until } from '../../../src/testing/until.ts';
import { type ApiAnswer, request } from '../../support/proxy.ts';
import type { KubeObject } from './api.ts';
import { Cluster } from './cluster.ts';
import { NODE_ADDRESS } from './node.ts';
import { installKinds, Operator } from './operator.ts';
import { pasted } from './pasted.ts';
import type { RunningPod } from './pod.ts';

export class Mesh {
  readonly cluster: Cluster;
  readonly operator: Operator;

  constructor(cluster: Cluster, operator: Operator) {
    this.cluster = cluster;
    this.operator = operator;
  }

  /** Applies a file of `tutorials/` or `manifests/`, such as `tutorials/dns`. */
  async paste(path: string): Promise<void> {
    await this.cluster.apply(await pasted(path));
  }

  /** Deletes what is in such a file. */
  async unpaste(path: string): Promise<void> {
    await this.cluster.delete(await pasted(path));
  }

  object(plural: string, name: string, namespace = 'default'): Promise<KubeObject> {
    return this.cluster.api.get(`/apis/l7mp.io/v1/namespaces/${namespace}/${plural}/${name}`);
  }

  /** Waits until the object says that all of its proxies have its present generation. */
  async programmed(plural: string, name: string, namespace = 'default'): Promise<KubeObject> {
    let seen: KubeObject;
    return until(async () => {
      seen = await this.object(plural, name, namespace);
      return isProgrammed(seen) && seen;
    }, `${plural}/${name} is programmed`).catch((error) => {
      throw new Error(`${error.message}: ${JSON.stringify(seen?.status)}\n${this.operator.lastWords}`);
    });
  }

  /** Waits until the object has a condition like this, and gives its status. */
  async condition(plural: string, name: string, type: string, status: string, reason: string): Promise<KubeObject> {
    let seen: KubeObject;
    return until(async () => {
      seen = (await this.object(plural, name)).status;
      return conditionOf({ status: seen }, type, status, reason) && seen;
    }, `${plural}/${name} is ${type}=${status} (${reason})`).catch((error) => {
      throw new Error(`${error.message}: ${JSON.stringify(seen)}\n${this.operator.lastWords}`);
    });
  }
}

function conditionOf(object: KubeObject, type: string, status: string, reason?: string): KubeObject | undefined {
  return object.status?.conditions?.find(
    (one: KubeObject) => one.type === type && one.status === status && (reason ?? one.reason) === one.reason,
  );
}

function isProgrammed(object: KubeObject): boolean {
  const programmed = conditionOf(object, 'Programmed', 'True');
  return programmed?.observedGeneration === object.metadata.generation && programmed.reason !== 'NoProxies';
}

/** Milliseconds that a proxy has for an answer. */
const PATIENCE = 5000;

/** The proxy of a pod, through its REST API; `path` is below /api/v1. */
export function ask(pod: RunningPod | string, method: string, path: string, body?: object): Promise<ApiAnswer> {
  const host = typeof pod === 'string' ? pod : pod.address;
  const headers = { 'content-type': 'application/json' };
  const signal = AbortSignal.timeout(PATIENCE);
  return request({ host, port: 1234, method, path: `/api/v1/${path}`, headers, signal }, body && JSON.stringify(body));
}

/** Its configuration's entity tag, which every change changes. */
export async function tagOf(pod: RunningPod | string): Promise<string> {
  const { status, headers, text } = await ask(pod, 'GET', 'config');
  assert.equal(status, 200, text);
  assert(headers.etag, 'a configuration has an entity tag');
  return headers.etag;
}

/** The names of a kind of objects that the proxy has; empty where it does not answer. */
export async function namesOn(pod: RunningPod | string, kind: string): Promise<string[]> {
  const answer = await ask(pod, 'GET', kind).catch(() => undefined);
  return (answer?.body ?? []).map(({ name }: { name: string }) => name);
}

export interface MeshOptions {
  /** Of the operator, beside what it needs. */
  readonly args?: readonly string[];
  /** What is to be there before the first test. Hooks of a file do not wait for one another. */
  readonly prepare?: (mesh: Mesh) => Promise<void>;
}

/** The mesh of a test file: it is there when the first test begins, and goes after the last. */
export function useMesh({ args = [], prepare }: MeshOptions = {}): () => Mesh {
  let cluster: Cluster | undefined;
  let mesh: Mesh | undefined;
  before(async () => {
    cluster = await Cluster.start();
    await installKinds(cluster);
    mesh = new Mesh(cluster, await Operator.start(cluster, 'operator', ...args));
    await mesh.paste('tutorials/ingress');
    await mesh.paste('tutorials/sidecar');
    await until(
      () => namesOn(NODE_ADDRESS, 'listeners').then((names) => names.length > 0),
      'the ingress proxy answers',
    );
    await prepare?.(mesh);
  });
  after(async () => {
    await mesh?.operator.stop('SIGKILL');
    await cluster?.stop();
  });
  return () => {
    if (!mesh) throw new Error('the mesh is there from the first test on');
    return mesh;
  };
}

/** The pods of `manifests/edge.yaml`, which echo what comes on UDP 7000 (`manifests/echo.yaml`). */
export async function makeEdge(mesh: Mesh): Promise<RunningPod[]> {
  await mesh.paste('manifests/edge');
  await mesh.paste('manifests/echo');
  await mesh.cluster.kubectl('rollout', 'status', 'deployment/edge', '--timeout=60s');
  const { status } = await mesh.programmed('virtualservices', 'echo');
  assert.equal(status.proxies.text, '2/2');
  return mesh.cluster.kubelet.pods('edge-');
}

/** A VirtualService that echoes what comes on a UDP port, on pods with this label. */
export function echoOn(port: number, app: string, name: string): string {
  return `
apiVersion: l7mp.io/v1
kind: VirtualService
metadata: { name: ${name} }
spec:
  selector: { matchLabels: { app: ${app} } }
  listener:
    spec: { UDP: { port: ${port} } }
    rules: [{ action: { route: { destination: { spec: { Echo: {} } } } } }]
`;
}
