/**
 * The Deployment and the Service that a Gateway gets (GEP-1762). They are applied server-side: fields that are not named here,
 * such as `replicas`, are left to whoever sets them.
 */
import type { Service } from '../resources/objects.ts';
import {
  CONFIGURATION_ANNOTATION,
  type ProxyOptions,
  proxyConfiguration,
  proxyContainer,
  proxyVolumes,
} from '../workload/proxy.ts';
import { type GatewayView, isAccepted } from './gateway.ts';
import { transportOf } from './listeners.ts';
import { GATEWAY_CLASS_LABEL, GATEWAY_NAME_LABEL, infrastructureName, labelValue } from './names.ts';
import { GATEWAY_GROUP, type Gateway, type GatewayAddress } from './objects.ts';

/** In `spec.infrastructure.annotations`, or of the Gateway: the type of its Service. */
export const SERVICE_TYPE_ANNOTATION = 'l7mp.io/service-type';

const SERVICE_TYPES = ['LoadBalancer', 'NodePort', 'ClusterIP'] as const;
type ServiceType = (typeof SERVICE_TYPES)[number];

export interface Infrastructure {
  /** Of both. */
  readonly name: string;
  readonly namespace: string;
  readonly deployment: Manifest;
  readonly service: Manifest;
}

/** An object as it is applied. */
export interface Manifest {
  readonly apiVersion: string;
  readonly kind: string;
  readonly metadata: object;
  readonly spec: object;
}

/** Undefined for a Gateway that is not accepted: what it has got then stays as it is. */
export function infrastructureOf(view: GatewayView, proxy: ProxyOptions): Infrastructure | undefined {
  if (!isAccepted(view)) return undefined;
  const { metadata, spec } = view.gateway;
  const name = infrastructureName(metadata.name, spec.gatewayClassName);
  const { namespace } = metadata;
  return { name, namespace, deployment: deployment(view.gateway, name, proxy), service: service(view, name) };
}

/** What tells a Gateway's pods from others. */
function podLabels({ metadata }: Gateway): Record<string, string> {
  return { [GATEWAY_NAME_LABEL]: labelValue(metadata.name) };
}

function metadataOf(gateway: Gateway, name: string) {
  const { metadata, spec } = gateway;
  return {
    name,
    namespace: metadata.namespace,
    labels: labelsOf(gateway),
    annotations: { ...spec.infrastructure?.annotations },
    // Without blockOwnerDeletion, which needs a right of its own.
    ownerReferences: [
      { apiVersion: `${GATEWAY_GROUP}/v1`, kind: 'Gateway', name: metadata.name, uid: metadata.uid, controller: true },
    ],
  };
}

/** What identifies us comes last: nobody's labels can take that away. */
function labelsOf(gateway: Gateway): Record<string, string> {
  return {
    ...gateway.spec.infrastructure?.labels,
    'app.kubernetes.io/name': 'l7mp-gateway',
    'app.kubernetes.io/managed-by': 'l7mp-operator',
    [GATEWAY_CLASS_LABEL]: labelValue(gateway.spec.gatewayClassName),
    ...podLabels(gateway),
  };
}

/** Nothing of it depends on the listeners: a change of theirs restarts no proxy. */
function deployment(gateway: Gateway, name: string, proxy: ProxyOptions): Manifest {
  const annotations = {
    ...gateway.spec.infrastructure?.annotations,
    [CONFIGURATION_ANNOTATION]: proxyConfiguration(proxy),
  };
  return {
    apiVersion: 'apps/v1',
    kind: 'Deployment',
    metadata: metadataOf(gateway, name),
    spec: {
      selector: { matchLabels: podLabels(gateway) },
      template: {
        metadata: { labels: labelsOf(gateway), annotations },
        spec: {
          automountServiceAccountToken: false,
          // Ports below 1024 without a privilege; safe, since it is of the pod's own network.
          securityContext: { sysctls: [{ name: 'net.ipv4.ip_unprivileged_port_start', value: '0' }] },
          containers: [proxyContainer(proxy)],
          volumes: proxyVolumes(proxy),
        },
      },
    },
  };
}

function service(view: GatewayView, name: string): Manifest {
  const { gateway } = view;
  const type = serviceType(gateway);
  const [address] = requestedAddresses(gateway);
  return {
    apiVersion: 'v1',
    kind: 'Service',
    metadata: metadataOf(gateway, name),
    spec: {
      type,
      selector: podLabels(gateway),
      ports: servicePorts(view),
      ...(address !== undefined && (type === 'LoadBalancer' ? { loadBalancerIP: address } : { clusterIP: address })),
    },
  };
}

/** One for each port and transport, whatever the number of listeners there. */
function servicePorts({ listeners }: GatewayView) {
  const ports = new Map<string, { name: string; port: number; targetPort: number; protocol: string }>();
  for (const { listener, isOpen } of listeners) {
    if (!isOpen) continue;
    const { port } = listener;
    const protocol = transportOf(listener) ?? 'TCP';
    const name = `${protocol.toLowerCase()}-${port}`;
    ports.set(name, { name, port, targetPort: port, protocol });
  }
  return [...ports.values()];
}

function serviceType({ metadata, spec }: Gateway): ServiceType {
  const wish =
    spec.infrastructure?.annotations?.[SERVICE_TYPE_ANNOTATION] ?? metadata.annotations[SERVICE_TYPE_ANNOTATION];
  return SERVICE_TYPES.find((type) => type === wish) ?? 'LoadBalancer';
}

// -------------------------------------------------------------------- addresses

/** Those that a Gateway asks for by value; one without leaves the choice to the cluster. */
export function requestedAddresses({ spec: { addresses = [] } }: Gateway): string[] {
  return addresses.flatMap(({ value }) => value || []);
}

/** Where its Service is reached. */
export function addressesOf({ spec, status }: Service): GatewayAddress[] {
  if (spec.type === 'LoadBalancer') {
    return (status?.loadBalancer?.ingress ?? []).flatMap(({ ip, hostname }): GatewayAddress[] => {
      if (ip) return [{ type: 'IPAddress', value: ip }];
      return hostname ? [{ type: 'Hostname', value: hostname }] : [];
    });
  }
  const ips = (spec.clusterIPs ?? [spec.clusterIP ?? '']).filter((ip) => ip !== '' && ip !== 'None');
  return ips.map((value) => ({ type: 'IPAddress', value }));
}
