/**
 * The objects as the API server has them, with the fields that the operator looks at. Ours were validated by the schemas of
 * their CRDs, so their shape is as said here. An object is never changed once it was read.
 */
import type { Kind } from './kinds.ts';

export interface Metadata {
  readonly name: string;
  /** Empty for kinds without one, such as GatewayClass. */
  readonly namespace: string;
  readonly uid: string;
  readonly resourceVersion: string;
  /** Grows with each change of the spec; 0 for kinds that have none, such as Pod. */
  readonly generation: number;
  /** RFC 3339. */
  readonly creationTimestamp: string;
  readonly deletionTimestamp?: string;
  readonly labels: Readonly<Record<string, string>>;
  readonly annotations: Readonly<Record<string, string>>;
  readonly ownerReferences?: readonly OwnerReference[];
}

export interface OwnerReference {
  readonly apiVersion: string;
  readonly kind: string;
  readonly name: string;
  readonly uid: string;
}

interface ObjectOfKind<K extends Kind> {
  readonly kind: K;
  readonly metadata: Metadata;
}

/** In a CRD a protocol is a key, `{UDP: {port: 1}}`; exactly one. Options, transports and so on stand below it. */
export type ProtocolSpec = Readonly<Record<string, Readonly<Record<string, unknown>>>>;

export interface Requirement {
  readonly key: string;
  readonly operator: 'In' | 'NotIn' | 'Exists' | 'DoesNotExist';
  readonly values?: readonly string[];
}

/** All that is given must match. Without `matchNamespace` it looks into the namespace of the object that has it. */
export interface Selector {
  readonly matchLabels?: Readonly<Record<string, string>>;
  readonly matchExpressions?: readonly Requirement[];
  /** As matchExpressions; the key is a dotted path into the pod, such as `metadata.namespace`. */
  readonly matchFields?: readonly Requirement[];
  readonly matchNamespace?: string;
  /** The pods behind the Service of that name. */
  readonly matchService?: string;
}

export interface EndpointSpec {
  readonly name?: string;
  readonly spec?: {
    readonly address?: string;
    readonly filename?: string;
    readonly port?: number;
    readonly weight?: number;
  };
  readonly weight?: number;
  readonly selector?: Selector;
}

export interface ClusterSpec {
  readonly spec: ProtocolSpec;
  readonly endpoints?: readonly EndpointSpec[];
  readonly loadbalancer?: Readonly<Record<string, unknown>>;
  readonly options?: Readonly<Record<string, unknown>>;
}

/** A bare string is a name or a reference: see names.ts. */
export type ClusterUse = string | ClusterSpec | { readonly cluster: ClusterSpec } | { readonly clusterRef: string };

export interface RouteSpec {
  readonly destination?: string | ClusterSpec;
  readonly destinationRef?: string;
  readonly ingress?: readonly ClusterUse[];
  readonly egress?: readonly ClusterUse[];
  readonly retry?: Readonly<Record<string, unknown>>;
}

export interface ActionSpec {
  readonly rewrite?: readonly {
    readonly path: string;
    readonly value?: unknown;
    readonly valueStr?: string;
    readonly from?: string;
  }[];
  readonly route?: RouteSpec;
  readonly routeRef?: string;
  readonly apply?: string;
}

export interface RuleSpec {
  readonly name?: string;
  readonly match?: Readonly<Record<string, unknown>>;
  readonly action: ActionSpec;
}

export interface OwnStatus {
  readonly conditions?: readonly Condition[];
  readonly proxies?: { readonly selected: number; readonly programmed: number; readonly text: string };
  readonly children?: { readonly applied?: Readonly<Record<string, number>> };
}

interface Own {
  readonly status?: OwnStatus;
}

export interface VirtualService extends ObjectOfKind<'VirtualService'>, Own {
  readonly spec: {
    readonly selector: Selector;
    readonly updateOwners?: boolean;
    readonly listener: {
      readonly spec: ProtocolSpec;
      readonly rules?: readonly RuleSpec[];
      readonly rulesRef?: string;
      readonly options?: Readonly<Record<string, unknown>>;
    };
    readonly rules?: readonly RuleSpec[];
    readonly rulesRef?: string;
  };
}

export interface Target extends ObjectOfKind<'Target'>, Own {
  readonly spec: {
    readonly selector?: Selector;
    readonly updateOwners?: boolean;
    readonly cluster?: Partial<ClusterSpec>;
    readonly linkedVirtualService?: string;
  };
}

export interface Route extends ObjectOfKind<'Route'>, Own {
  readonly spec: { readonly selector?: Selector; readonly updateOwners?: boolean; readonly route: RouteSpec };
}

export interface RuleList extends ObjectOfKind<'RuleList'>, Own {
  readonly spec: { readonly selector?: Selector; readonly updateOwners?: boolean; readonly rules: readonly RuleSpec[] };
}

export interface Rule extends ObjectOfKind<'Rule'>, Own {
  readonly spec: {
    readonly selector?: Selector;
    readonly updateOwners?: boolean;
    readonly rulelist: string;
    readonly position?: number;
    readonly rule: RuleSpec;
  };
}

/** https://github.com/kubernetes/community/blob/master/contributors/devel/sig-architecture/api-conventions.md#typical-status-properties */
export interface Condition {
  readonly type: string;
  readonly status: 'True' | 'False' | 'Unknown';
  readonly reason: string;
  readonly message: string;
  readonly observedGeneration?: number;
  readonly lastTransitionTime?: string;
}

export interface Container {
  readonly name: string;
  readonly ports?: readonly { readonly name?: string; readonly containerPort: number; readonly protocol?: string }[];
  /** `Always` in a list of init containers makes it a native sidecar. */
  readonly restartPolicy?: string;
}

export interface ContainerStatus {
  readonly name: string;
  /** Another one after each restart; absent until it has started once. */
  readonly containerID?: string;
  readonly ready: boolean;
}

export interface Pod extends ObjectOfKind<'Pod'> {
  readonly spec: {
    readonly containers: readonly Container[];
    readonly initContainers?: readonly Container[];
    readonly nodeName?: string;
    readonly hostNetwork?: boolean;
  };
  readonly status: {
    readonly phase?: string;
    readonly podIP?: string;
    readonly conditions?: readonly { readonly type: string; readonly status: string }[];
    readonly containerStatuses?: readonly ContainerStatus[];
    readonly initContainerStatuses?: readonly ContainerStatus[];
  };
}

export interface Service extends ObjectOfKind<'Service'> {
  readonly spec: {
    readonly type?: string;
    readonly clusterIP?: string;
    readonly clusterIPs?: readonly string[];
    /** `IPv4`, `IPv6`; the first is the one that is preferred. */
    readonly ipFamilies?: readonly string[];
    readonly selector?: Readonly<Record<string, string>>;
    readonly ports?: readonly {
      readonly name?: string;
      readonly port: number;
      readonly targetPort?: number | string;
      readonly protocol?: string;
      readonly appProtocol?: string;
    }[];
  };
  readonly status?: {
    readonly loadBalancer?: { readonly ingress?: readonly { readonly ip?: string; readonly hostname?: string }[] };
  };
}

/** Its labels say whose routes a Gateway takes. */
export type Namespace = ObjectOfKind<'Namespace'>;

export interface EndpointSlice extends ObjectOfKind<'EndpointSlice'> {
  readonly addressType: string;
  readonly ports?: readonly { readonly name?: string; readonly port?: number; readonly protocol?: string }[];
  readonly endpoints?: readonly {
    readonly addresses: readonly string[];
    readonly conditions?: { readonly ready?: boolean; readonly serving?: boolean; readonly terminating?: boolean };
    readonly targetRef?: { readonly kind?: string; readonly name?: string; readonly uid?: string };
  }[];
}

/** What is looked at of one that holds a certificate and its key. */
export interface Secret extends ObjectOfKind<'Secret'> {
  readonly type: string;
  /** In base64. */
  readonly data: Readonly<Record<string, string>>;
  /** It may be there: why it could not be read, in words that go on behind its name. */
  readonly unreadable?: string;
}

export interface ReferenceGrant extends ObjectOfKind<'ReferenceGrant'> {
  readonly spec: {
    readonly from: readonly { readonly group: string; readonly kind: string; readonly namespace: string }[];
    readonly to: readonly { readonly group: string; readonly kind: string; readonly name?: string }[];
  };
}

/** Kinds of the Gateway API: src/gateway/ has their specs. */
export interface GatewayObject<K extends Kind> extends ObjectOfKind<K> {
  readonly spec: Readonly<Record<string, unknown>>;
  readonly status?: Readonly<Record<string, unknown>>;
}

export interface ObjectsByKind {
  VirtualService: VirtualService;
  Target: Target;
  Route: Route;
  RuleList: RuleList;
  Rule: Rule;
  Namespace: Namespace;
  Pod: Pod;
  Service: Service;
  EndpointSlice: EndpointSlice;
  Secret: Secret;
  ReferenceGrant: ReferenceGrant;
  GatewayClass: GatewayObject<'GatewayClass'>;
  Gateway: GatewayObject<'Gateway'>;
  UDPRoute: GatewayObject<'UDPRoute'>;
  TCPRoute: GatewayObject<'TCPRoute'>;
}

export type ObjectOf<K extends Kind> = ObjectsByKind[K];
export type AnyObject = ObjectsByKind[Kind];
