/** What a pod is to the mesh: a proxy, an endpoint, both, or neither. */
import type { Container, Pod } from './objects.ts';

/** Names the container that is the proxy, where its ports do not tell. */
export const PROXY_CONTAINER = 'l7mp.io/proxy-container';

/** The port of the proxy's REST API, in place of the operator's `--proxy-port`. */
export const PROXY_PORT = 'l7mp.io/proxy-port';

/** Whether the proxy's REST API is served by https: `"true"`. */
export const PROXY_TLS = 'l7mp.io/proxy-tls';

/** Whether the pod's proxy serves its API with TLS. */
export function hasTlsApi({ metadata }: Pod): boolean {
  return metadata.annotations[PROXY_TLS] === 'true';
}

/** Where the pod's proxy serves its API; `port` where it does not say, or says what is no port. */
export function apiPort({ metadata }: Pod, port: number): number {
  return parsePort(metadata.annotations[PROXY_PORT] ?? '') ?? port;
}

/** Undefined for what is no number from 1 to 65535. */
export function parsePort(text: string): number | undefined {
  const number = Number(text);
  return /^\d{1,5}$/.test(text) && number >= 1 && number <= 65_535 ? number : undefined;
}

/** A pod that has ended keeps its address in its status, though another pod may have it by now. */
export function hasEnded({ status }: Pod): boolean {
  return status.phase === 'Succeeded' || status.phase === 'Failed';
}

/** Whether it takes new sessions: ready, and not about to end. */
export function isReady({ metadata, status }: Pod): boolean {
  if (metadata.deletionTimestamp !== undefined) return false;
  return status.conditions?.some(({ type, status: is }) => type === 'Ready' && is === 'True') ?? false;
}

/** The container, or native sidecar (KEP-753), that is the proxy: the annotated one, or the first that declares the API's port. */
export function proxyContainer({ metadata, spec }: Pod, port: number): string | undefined {
  const sidecars = (spec.initContainers ?? []).filter(({ restartPolicy }) => restartPolicy === 'Always');
  const candidates = [...spec.containers, ...sidecars];
  const annotated = metadata.annotations[PROXY_CONTAINER];
  const isProxy = (container: Container): boolean =>
    annotated === undefined ? declares(container, port) : container.name === annotated;
  return candidates.find(isProxy)?.name;
}

function declares({ ports = [] }: Container, port: number): boolean {
  return ports.some(({ containerPort, protocol = 'TCP' }) => containerPort === port && protocol === 'TCP');
}

/** Another one after each start of the container; undefined before the first. */
export function containerId({ status }: Pod, container: string): string | undefined {
  const all = [...(status.containerStatuses ?? []), ...(status.initContainerStatuses ?? [])];
  return all.find(({ name }) => name === container)?.containerID;
}
