/** Objects as they are kept: with what the operator looks at, and in the shape of resources/objects.ts. */
import type { RawObject } from '../kubernetes/list.ts';
import type { Kind } from '../resources/kinds.ts';
import type {
  AnyObject,
  Container,
  ContainerStatus,
  EndpointSlice,
  Metadata,
  ObjectOf,
  OwnerReference,
  Pod,
  Secret,
  Service,
} from '../resources/objects.ts';

type Json = Readonly<Record<string, unknown>>;

/** An object as the API server sends it: of any shape below its metadata. */
type Raw = RawObject & Json;

/** It has all of the object once more. */
const LAST_APPLIED = 'kubectl.kubernetes.io/last-applied-configuration';

export function trim<K extends Kind>(kind: K, raw: RawObject): ObjectOf<K> {
  return ((TRIMMERS as Partial<Record<Kind, (raw: Raw) => AnyObject>>)[kind] ?? own(kind))(raw as Raw) as ObjectOf<K>;
}

const TRIMMERS = {
  Pod: pod,
  Service: service,
  EndpointSlice: endpointSlice,
  Namespace: namespace,
  Secret: secret,
} as const;

/** Of our own kinds and the Gateway API's all is looked at. */
function own(kind: Kind): (raw: Raw) => AnyObject {
  return ({ metadata, spec = {}, status }) =>
    ({ kind, metadata: trimMetadata(metadata as Json), spec, ...(status !== undefined && { status }) }) as AnyObject;
}

/**
 * A selector's matchFields may ask for any scalar of a pod, at a dotted path: so they all stay. Of lists stays what the
 * operator looks at.
 */
function pod({ metadata, spec, status }: Raw): Pod {
  const { containers, initContainers } = (spec ?? {}) as { containers?: Json[]; initContainers?: Json[] };
  const { conditions, containerStatuses, initContainerStatuses } = (status ?? {}) as Record<string, Json[] | undefined>;
  const { managedFields: _, ...own } = metadata as unknown as Json;
  return {
    kind: 'Pod',
    metadata: { ...scalars(own), ...trimMetadata(own), generation: 0 },
    spec: {
      ...scalars(spec),
      containers: (containers ?? []).map(container),
      ...(initContainers && { initContainers: initContainers.map(container) }),
    },
    status: {
      ...scalars(status),
      ...(conditions && {
        conditions: conditions.map((one) => pick(one, 'type', 'status')),
      }),
      ...(containerStatuses && { containerStatuses: containerStatuses.map(containerStatus) }),
      ...(initContainerStatuses && { initContainerStatuses: initContainerStatuses.map(containerStatus) }),
    },
  } as unknown as Pod;
}

function container(raw: Json): Container {
  const ports = raw.ports as readonly Json[] | undefined;
  return {
    ...pick(raw, 'name', 'restartPolicy'),
    ...(ports && { ports: ports.map((port) => pick(port, 'name', 'containerPort', 'protocol')) }),
  } as unknown as Container;
}

function containerStatus(raw: Json): ContainerStatus {
  return pick(raw, 'name', 'containerID', 'ready') as unknown as ContainerStatus;
}

function service({ metadata, spec = {}, status }: Raw): Service {
  const { ports, ...rest } = spec as { ports?: readonly Json[] };
  const ingress = (status as { loadBalancer?: { ingress?: readonly Json[] } } | undefined)?.loadBalancer?.ingress;
  return {
    kind: 'Service',
    metadata: { ...trimMetadata(metadata as Json), generation: 0 },
    spec: {
      ...pick(rest, 'type', 'clusterIP', 'clusterIPs', 'ipFamilies', 'selector'),
      ...(ports && { ports: ports.map((port) => pick(port, 'name', 'port', 'targetPort', 'protocol', 'appProtocol')) }),
    },
    ...(ingress && { status: { loadBalancer: { ingress: ingress.map((one) => pick(one, 'ip', 'hostname')) } } }),
  } as unknown as Service;
}

function endpointSlice({ metadata, addressType, ports, endpoints }: Raw): EndpointSlice {
  return {
    kind: 'EndpointSlice',
    // The time of the last change is an annotation.
    metadata: { ...trimMetadata(metadata as Json), annotations: {}, generation: 0 },
    addressType,
    ports: ((ports ?? []) as Json[]).map((port) => pick(port, 'name', 'port', 'protocol')),
    endpoints: ((endpoints ?? []) as Json[]).map(({ addresses, conditions, targetRef }) => ({
      addresses,
      ...(conditions !== undefined && { conditions: pick(conditions as Json, 'ready', 'serving', 'terminating') }),
      ...(targetRef !== undefined && { targetRef: pick(targetRef as Json, 'kind', 'name', 'uid') }),
    })),
  } as EndpointSlice;
}

function namespace({ metadata }: Raw): ObjectOf<'Namespace'> {
  return { kind: 'Namespace', metadata: { ...trimMetadata(metadata as Json), generation: 0 } } as ObjectOf<'Namespace'>;
}

/** Labels and annotations may hold anything: kubectl keeps the whole object in one. */
function secret({ metadata, type, data }: Raw): Secret {
  return {
    kind: 'Secret',
    metadata: { ...trimMetadata(metadata as Json), labels: {}, annotations: {}, generation: 0 },
    type,
    data: pick((data ?? {}) as Json, 'tls.crt', 'tls.key'),
  } as Secret;
}

function trimMetadata(raw: Json): Metadata {
  const { annotations = {}, ownerReferences, labels = {} } = raw as Partial<Metadata>;
  const { [LAST_APPLIED]: _, ...rest } = annotations;
  return {
    namespace: '',
    generation: 0,
    ...pick(raw, 'name', 'namespace', 'uid', 'resourceVersion', 'generation', 'creationTimestamp', 'deletionTimestamp'),
    labels,
    annotations: rest,
    ...(ownerReferences && {
      ownerReferences: ownerReferences.map(
        (one) => pick(one as unknown as Json, 'apiVersion', 'kind', 'name', 'uid') as unknown as OwnerReference,
      ),
    }),
  } as unknown as Metadata;
}

function pick(from: Json, ...fields: readonly string[]): Json {
  const picked: Record<string, unknown> = {};
  for (const field of fields) if (from[field] !== undefined) picked[field] = from[field];
  return picked;
}

/** All that is text, number or truth, in objects of objects; no list, and nothing empty. */
function scalars(value: unknown): Json {
  const kept: Record<string, unknown> = {};
  for (const [name, field] of Object.entries((value ?? {}) as Json)) {
    if (typeof field !== 'object') kept[name] = field;
    else if (field !== null && !Array.isArray(field)) {
      const inner = scalars(field);
      if (Object.keys(inner).length > 0) kept[name] = inner;
    }
  }
  return kept;
}
