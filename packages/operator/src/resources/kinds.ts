/** The kinds of objects that the operator reads, and where the API server has them. */

export interface KindInfo {
  readonly group: string;
  readonly version: string;
  readonly plural: string;
}

const kind = (group: string, version: string, plural: string): KindInfo => ({ group, version, plural });

const GATEWAY = 'gateway.networking.k8s.io';

/** Our own kinds, in the order in which they may refer to one another. */
export const L7MP_KINDS = {
  Target: kind('l7mp.io', 'v1', 'targets'),
  Route: kind('l7mp.io', 'v1', 'routes'),
  Rule: kind('l7mp.io', 'v1', 'rules'),
  RuleList: kind('l7mp.io', 'v1', 'rulelists'),
  VirtualService: kind('l7mp.io', 'v1', 'virtualservices'),
} as const;

/** What every cluster has. Namespace is not namespaced: its objects have the namespace ''. */
export const CORE_KINDS = {
  Namespace: kind('', 'v1', 'namespaces'),
  Pod: kind('', 'v1', 'pods'),
  Service: kind('', 'v1', 'services'),
  EndpointSlice: kind('discovery.k8s.io', 'v1', 'endpointslices'),
} as const;

/** Of the Gateway API, whose kinds a cluster may lack. ReferenceGrant is v1 since Gateway API 1.5, v1beta1 before. */
export const GATEWAY_KINDS = {
  ReferenceGrant: kind(GATEWAY, 'v1', 'referencegrants'),
  GatewayClass: kind(GATEWAY, 'v1', 'gatewayclasses'),
  Gateway: kind(GATEWAY, 'v1', 'gateways'),
  UDPRoute: kind(GATEWAY, 'v1', 'udproutes'),
  TCPRoute: kind(GATEWAY, 'v1', 'tcproutes'),
} as const;

/** Read one by one, where a Gateway names them; never listed or watched. */
export const NAMED_KINDS = {
  Secret: kind('', 'v1', 'secrets'),
} as const;

export const KINDS = { ...L7MP_KINDS, ...CORE_KINDS, ...GATEWAY_KINDS, ...NAMED_KINDS } as const;

export type L7mpKind = keyof typeof L7MP_KINDS;
export type Kind = keyof typeof KINDS;
