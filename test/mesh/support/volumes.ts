/** What containers of a pod are given: volumes and variables. */
import { mkdirSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import type { Api, KubeObject } from './api.ts';
import type { Mount } from './container.ts';
import { API_PORT } from './control-plane.ts';
import { NODE_ADDRESS } from './node.ts';

/** Makes the pod's volumes below the folder; where each is, by name. */
export async function makeVolumes(api: Api, pod: KubeObject, folder: string): Promise<Map<string, string>> {
  const paths = new Map<string, string>();
  for (const volume of pod.spec.volumes ?? []) {
    const path = join(folder, volume.name);
    mkdirSync(path, { recursive: true });
    paths.set(volume.name, volume.hostPath?.path ?? path);
    for (const source of volume.projected?.sources ?? [volume]) {
      for (const [name, data] of await filesOf(api, pod, source)) {
        mkdirSync(dirname(join(path, name)), { recursive: true });
        writeFileSync(join(path, name), data);
      }
    }
  }
  return paths;
}

async function filesOf(api: Api, pod: KubeObject, source: KubeObject): Promise<[string, string | Buffer][]> {
  const { namespace } = pod.metadata;
  if (source.configMap || source.secret) {
    const { items, optional } = source.configMap ?? source.secret;
    const name = source.configMap?.name ?? source.secret.secretName ?? source.secret.name;
    const path = `/api/v1/namespaces/${namespace}/${source.configMap ? 'configmaps' : 'secrets'}/${name}`;
    const object = await api.get(path).catch((error) => {
      if (optional) return { data: {} };
      throw error;
    });
    const wanted = items ?? Object.keys(object.data ?? {}).map((key) => ({ key, path: key }));
    return wanted.map((item: { key: string; path: string }) => {
      const text = object.data[item.key];
      return [item.path, source.configMap ? text : Buffer.from(text, 'base64')];
    });
  }
  if (source.serviceAccountToken) return [[source.serviceAccountToken.path, await accountToken(api, pod, source)]];
  return (source.downwardAPI?.items ?? []).map((item: KubeObject) => [item.path, field(pod, item.fieldRef.fieldPath)]);
}

async function accountToken(api: Api, pod: KubeObject, { serviceAccountToken }: KubeObject): Promise<string> {
  const { name, namespace, uid } = pod.metadata;
  const account = pod.spec.serviceAccountName ?? 'default';
  const { status } = await api.request('POST', `/api/v1/namespaces/${namespace}/serviceaccounts/${account}/token`, {
    apiVersion: 'authentication.k8s.io/v1',
    kind: 'TokenRequest',
    spec: {
      expirationSeconds: serviceAccountToken.expirationSeconds,
      boundObjectRef: { apiVersion: 'v1', kind: 'Pod', name, uid },
    },
  });
  return status.token;
}

export function mountsOf(container: KubeObject, volumes: ReadonlyMap<string, string>): Mount[] {
  return (container.volumeMounts ?? []).map((mount: KubeObject) => {
    const volume = volumes.get(mount.name);
    if (volume === undefined) throw new Error(`there is no volume ${mount.name}`);
    return { from: mount.subPath ? join(volume, mount.subPath) : volume, to: mount.mountPath };
  });
}

/** The container's variables, and those by which programs in a cluster find the API server. */
export async function variablesOf(api: Api, pod: KubeObject, container: KubeObject): Promise<Record<string, string>> {
  const env: Record<string, string> = {
    HOSTNAME: pod.metadata.name,
    KUBERNETES_SERVICE_HOST: NODE_ADDRESS,
    KUBERNETES_SERVICE_PORT: String(API_PORT),
  };
  for (const { name, value, valueFrom } of container.env ?? []) {
    env[name] = valueFrom ? await variableFrom(api, pod, valueFrom) : expanded(value ?? '', env);
  }
  return env;
}

async function variableFrom(api: Api, pod: KubeObject, from: KubeObject): Promise<string> {
  if (from.fieldRef) return field(pod, from.fieldRef.fieldPath);
  const { namespace } = pod.metadata;
  if (from.secretKeyRef) {
    const { data } = await api.get(`/api/v1/namespaces/${namespace}/secrets/${from.secretKeyRef.name}`);
    return Buffer.from(data[from.secretKeyRef.key], 'base64').toString();
  }
  if (from.configMapKeyRef) {
    const { data } = await api.get(`/api/v1/namespaces/${namespace}/configmaps/${from.configMapKeyRef.name}`);
    return data[from.configMapKeyRef.key];
  }
  throw new Error(`nobody here knows a variable from ${JSON.stringify(from)}`);
}

/** `metadata.name`, or `metadata.annotations['a.b/c']`. */
function field(pod: KubeObject, path: string): string {
  const [, before = path, key] = /^(.+)\['(.+)'\]$/.exec(path) ?? [];
  const words = [...before.split('.'), ...(key === undefined ? [] : [key])];
  const value = words.reduce((object, word) => object?.[word], pod);
  if (typeof value !== 'string') throw new Error(`the pod has no ${path}`);
  return value;
}

/** `$(NAME)` in commands and variables; one that is not there stays as it is. */
export function expanded(text: string, env: Readonly<Record<string, string>>): string {
  return text.replace(/\$\(([^)]+)\)/g, (whole, name) => env[name] ?? whole);
}
