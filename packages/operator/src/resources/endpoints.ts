/** The addresses behind a port of a Service. */
import type { EndpointSlice, Service } from './objects.ts';

/** https://kubernetes.io/docs/reference/labels-annotations-taints/#kubernetesioservice-name */
const SERVICE_NAME_LABEL = 'kubernetes.io/service-name';

export type ServicePort = NonNullable<Service['spec']['ports']>[number];

export interface Address {
  readonly address: string;
  readonly port: number;
  /** Takes new sessions. Otherwise it is drained: those that it has go on. */
  readonly taking: boolean;
}

/** The name of the Service that a slice is of; undefined for one that stands by itself. */
export function serviceOf({ metadata: { labels } }: EndpointSlice): string | undefined {
  return labels[SERVICE_NAME_LABEL];
}

/**
 * Each address once, with the port that a slice has for that of the Service: named target ports may differ from pod to pod.
 * Ready endpoints take sessions; where there are none, those that terminate and still serve do, as in kube-proxy (KEP-1669).
 * Of a Service with two address families only the first is used: its endpoints are the same pods once more.
 */
export function addressesOf(service: Service, port: ServicePort, slices: readonly EndpointSlice[]): Address[] {
  const found = new Map<string, { address: string; port: number; ready: boolean; serving: boolean }>();
  for (const { ports = [], endpoints = [] } of ofFamily(service, slices)) {
    const number = ports.find(({ name = '', protocol = 'TCP' }) => {
      return name === (port.name ?? '') && protocol === (port.protocol ?? 'TCP');
    })?.port;
    if (number === undefined) continue;
    for (const { addresses, conditions = {} } of endpoints) {
      const [address] = addresses;
      if (address === undefined) continue;
      // What is not said of an endpoint is true of it (discovery/v1 EndpointConditions).
      const ready = conditions.ready ?? true;
      const serving = conditions.serving ?? ready;
      const key = `${address} ${number}`;
      // While it moves from slice to slice, an endpoint may be in both: the better word counts.
      const before = found.get(key);
      found.set(key, { address, port: number, ready: ready || !!before?.ready, serving: serving || !!before?.serving });
    }
  }
  const all = [...found.values()];
  const anyReady = all.some(({ ready }) => ready);
  return all.map(({ address, port: number, ready, serving }) => {
    return { address, port: number, taking: anyReady ? ready : serving };
  });
}

/** A slice's `FQDN` addresses are names, deprecated, and used by nobody. */
function ofFamily({ spec: { ipFamilies } }: Service, slices: readonly EndpointSlice[]): readonly EndpointSlice[] {
  const addressed = slices.filter(({ addressType }) => addressType !== 'FQDN');
  const [first = 'IPv4'] = ipFamilies ?? [];
  const preferred = addressed.filter(({ addressType }) => addressType === first);
  return preferred.length ? preferred : addressed;
}
