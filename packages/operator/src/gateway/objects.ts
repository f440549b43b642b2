/**
 * The Gateway API's objects, with the fields that the operator looks at. Their CRDs have validated and defaulted them; a field
 * that a default fills in is optional here nevertheless, since an older CRD may not have the default.
 * Source: sigs.k8s.io/gateway-api, apis/v1.
 */
import type { Condition, Metadata } from '../resources/objects.ts';

export const GATEWAY_GROUP = 'gateway.networking.k8s.io';

/** What a GatewayClass names in order to be ours. */
export const CONTROLLER = 'l7mp.io/gateway-operator';

export const ROUTE_KINDS = ['UDPRoute', 'TCPRoute'] as const;
export type RouteKind = (typeof ROUTE_KINDS)[number];

interface Reference {
  readonly group: string;
  readonly kind: string;
  readonly name: string;
}

export interface GatewayClass {
  readonly kind: 'GatewayClass';
  readonly metadata: Metadata;
  readonly spec: { readonly controllerName: string; readonly parametersRef?: Reference };
  readonly status?: { readonly conditions?: readonly Condition[] };
}

export interface LabelSelector {
  readonly matchLabels?: Readonly<Record<string, string>>;
  readonly matchExpressions?: readonly {
    readonly key: string;
    readonly operator: 'In' | 'NotIn' | 'Exists' | 'DoesNotExist';
    readonly values?: readonly string[];
  }[];
}

export interface RouteGroupKind {
  readonly group?: string;
  readonly kind: string;
}

/** A Secret, where nothing else is said. */
export interface CertificateReference {
  readonly group?: string;
  readonly kind?: string;
  readonly namespace?: string;
  readonly name: string;
}

export interface GatewayListener {
  readonly name: string;
  readonly hostname?: string;
  readonly port: number;
  /** HTTP, HTTPS, TLS, TCP, UDP, or a prefixed name of somebody's own. */
  readonly protocol: string;
  readonly tls?: {
    readonly mode?: 'Terminate' | 'Passthrough';
    readonly certificateRefs?: readonly CertificateReference[];
  };
  readonly allowedRoutes?: {
    readonly namespaces?: { readonly from?: 'All' | 'Selector' | 'Same' | 'None'; readonly selector?: LabelSelector };
    readonly kinds?: readonly RouteGroupKind[];
  };
}

export interface GatewayAddress {
  readonly type?: string;
  readonly value?: string;
}

export interface Gateway {
  readonly kind: 'Gateway';
  readonly metadata: Metadata;
  readonly spec: {
    readonly gatewayClassName: string;
    /** A later version of the API may allow none. */
    readonly listeners?: readonly GatewayListener[];
    readonly addresses?: readonly GatewayAddress[];
    readonly infrastructure?: {
      readonly labels?: Readonly<Record<string, string>>;
      readonly annotations?: Readonly<Record<string, string>>;
      readonly parametersRef?: Reference;
    };
  };
  readonly status?: GatewayStatus;
}

export interface GatewayStatus {
  readonly addresses?: readonly GatewayAddress[];
  readonly conditions?: readonly Condition[];
  readonly listeners?: readonly ListenerStatus[];
}

export interface ListenerStatus {
  readonly name: string;
  readonly supportedKinds: readonly RouteGroupKind[];
  readonly attachedRoutes: number;
  readonly conditions: readonly Condition[];
}

export interface ParentReference {
  readonly group?: string;
  readonly kind?: string;
  readonly namespace?: string;
  readonly name: string;
  readonly sectionName?: string;
  readonly port?: number;
}

export interface BackendReference {
  readonly group?: string;
  readonly kind?: string;
  readonly namespace?: string;
  readonly name: string;
  readonly port?: number;
  readonly weight?: number;
}

export interface RouteParentStatus {
  readonly parentRef: ParentReference;
  readonly controllerName: string;
  readonly conditions: readonly Condition[];
}

/** UDPRoute and TCPRoute are alike. */
export interface Route {
  readonly kind: RouteKind;
  readonly metadata: Metadata;
  readonly spec: {
    readonly parentRefs?: readonly ParentReference[];
    /** One, as the CRDs demand; where an older one lets more through, the first counts: there is nothing to match on. */
    readonly rules?: readonly { readonly backendRefs?: readonly BackendReference[] }[];
  };
  readonly status?: { readonly parents?: readonly RouteParentStatus[] };
}
