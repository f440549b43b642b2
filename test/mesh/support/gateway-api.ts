/** The Gateway API in a cluster of tests: its kinds, and what its objects say of themselves. */
import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { until } from '../../../src/testing/until.ts';
import type { KubeObject } from './api.ts';
import type { Cluster } from './cluster.ts';

/** Installs the kinds of the standard channel, from the folder that `scripts/kubernetes/gateway-api` has printed. */
export async function installGatewayApi(cluster: Cluster): Promise<void> {
  const folder = process.env.GATEWAY_API_CRDS;
  if (folder === undefined) throw new Error('GATEWAY_API_CRDS is not set: scripts/test mesh sets it');
  const standard = join(folder, 'standard');
  const files = readdirSync(standard).filter((name) =>
    /_(gateway|gatewayclass|udproute|tcproute|referencegrant)e?s\.yaml$/.test(name),
  );
  await cluster.kubectl('apply', '--server-side', ...files.flatMap((name) => ['-f', join(standard, name)]));
  await cluster.kubectl('wait', '--for=condition=Established', '--timeout=60s', 'crd', '--all');
}

export function gatewayObject(
  cluster: Cluster,
  plural: string,
  name: string,
  namespace = 'default',
): Promise<KubeObject> {
  return cluster.api.get(`/apis/gateway.networking.k8s.io/v1/namespaces/${namespace}/${plural}/${name}`);
}

/** Waits until what `find` gives of an object's status is so, of its present generation; gives the object. */
export async function says(
  cluster: Cluster,
  [plural, name, namespace = 'default']: readonly [plural: string, name: string, namespace?: string],
  find: (status: KubeObject) => KubeObject[] | undefined,
  expected: string,
): Promise<KubeObject> {
  let seen: KubeObject;
  const text = (object: KubeObject): string => {
    const conditions = find(object.status ?? {}) ?? [];
    const current = conditions.filter(({ observedGeneration }) => observedGeneration === object.metadata.generation);
    return current.map(({ type, status, reason }) => `${type}=${status} ${reason}`).join(', ');
  };
  return until(async () => {
    seen = await gatewayObject(cluster, plural, name, namespace).catch(() => undefined);
    return seen && text(seen) === expected && seen;
  }, `${plural}/${name} says ${expected}`).catch((error) => {
    throw new Error(`${error.message}; it says ${seen && text(seen)}: ${JSON.stringify(seen?.status)}`);
  });
}

/** Of a Gateway as a whole. */
export const whole = (status: KubeObject): KubeObject[] | undefined => status.conditions;

/** Of one of its listeners. */
export const listener =
  (name: string) =>
  (status: KubeObject): KubeObject[] | undefined =>
    status.listeners?.find((one: KubeObject) => one.name === name)?.conditions;

/** Of a route, for one of its parents. */
export const parent =
  (n: number) =>
  (status: KubeObject): KubeObject[] | undefined =>
    status.parents?.[n]?.conditions;
