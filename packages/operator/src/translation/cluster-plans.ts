/** Clusters as they are written, and those that are made for a VirtualService or a Service. */
import type { ServicePort } from '../resources/endpoints.ts';
import type { ClusterSpec, EndpointSpec } from '../resources/objects.ts';
import { NO_PODS } from '../resources/selectors.ts';
import type { Definition } from './contract.ts';
import type { DerivedCluster } from './derived.ts';
import { InvalidObject } from './invalid.ts';
import { dialling, lowest, type Spec, withField } from './protocols.ts';
import type { Found, Problem, Scope } from './scope.ts';
import type { ClusterPlan, EndpointSource } from './unit.ts';

/** Of clusters that nobody wrote: all endpoints have their share, as those of a Service do. */
const SHARED: Definition = { policy: 'RoundRobin' };

export function planCluster(name: string, cluster: ClusterSpec | DerivedCluster, scope: Scope): ClusterPlan {
  const spec = withField(cluster.spec, 'cluster/spec');
  const endpoints = planEndpoints(name, cluster.endpoints ?? [], scope);
  const { filename } = lowest(spec);
  // The proxy would add it by itself, under a name of its own.
  if (endpoints.length === 0 && typeof filename === 'string') endpoints.push(atText(name, { address: filename }, 1));
  return { definition: define(spec, cluster), endpoints };
}

/** What dials the listener of a VirtualService, on the pods that have it. `own`: the name and the fields of a Target's cluster. */
export function planListenersCluster(
  { namespace, name: service, fullName }: Found,
  scope: Scope,
  { name, ...own }: Partial<ClusterSpec> & { readonly name: string } = { name: fullName, loadbalancer: SHARED },
): ClusterPlan | Problem {
  try {
    const { listener, selector } = scope.reader.object('VirtualService', namespace, service)?.spec ?? {};
    const spec = withField(listener?.spec ?? {}, 'listener/spec');
    const { filename } = lowest(spec);
    const behind = scope.within('VirtualService', namespace);
    const linked: EndpointSource =
      typeof filename === 'string'
        ? atText(name, { address: filename }, 1)
        : { from: 'pods', query: selector ? behind.select(selector) : NO_PODS, weight: 1 };
    return { definition: define(dialling(spec), own), endpoints: [linked] };
  } catch (error) {
    if (!(error instanceof InvalidObject)) throw error;
    return scope.fail('RefNotFound', `the VirtualService ${service} in ${namespace} is malformed: ${error.message}`);
  }
}

/** What dials the first port of a Service. */
export function planServiceCluster(found: Found, scope: Scope): ClusterPlan | Problem {
  const { namespace, name } = found;
  const [port] = scope.reader.object('Service', namespace, name)?.spec.ports ?? [];
  const protocol = port?.protocol ?? 'TCP';
  if (!port || (protocol !== 'TCP' && protocol !== 'UDP')) {
    return scope.fail('RefNotFound', `the Service ${name} in ${namespace} has no port of TCP or UDP`);
  }
  return {
    definition: define({ protocol, port: targetPort(port) }, { loadbalancer: SHARED }),
    endpoints: [{ from: 'service', namespace, name, port: port.port, protocol }],
  };
}

/** Where it is a name, its number is that of each pod, and the endpoints have it. */
function targetPort({ port, targetPort: target }: ServicePort): number {
  return typeof target === 'number' && target > 0 ? target : port;
}

function define(spec: Spec, { loadbalancer, options }: Omit<Partial<ClusterSpec>, 'endpoints'>): Definition {
  return { spec, ...(loadbalancer && { loadbalancer }), ...(options && { options }) };
}

function planEndpoints(cluster: string, endpoints: readonly EndpointSpec[], scope: Scope): EndpointSource[] {
  return endpoints.map((endpoint): EndpointSource => {
    const { name, spec = {}, selector } = endpoint;
    const weight = endpoint.weight ?? spec.weight ?? 1;
    if (selector) return { from: 'pods', query: scope.select(selector), weight };
    return atText(cluster, { address: spec.address ?? spec.filename ?? '', port: spec.port }, weight, name);
  });
}

interface Place {
  readonly address: string;
  readonly port?: number | undefined;
}

function atText(cluster: string, { address, port }: Place, weight: number, given?: string): EndpointSource {
  return {
    from: 'text',
    name: given === undefined ? endpointName(cluster, { address, port }) : `${cluster}/${given}`,
    definition: defineEndpoint({ address, port }, weight),
  };
}

/** By its address: it stays the same whatever stands before it. */
export function endpointName(cluster: string, { address, port }: Place): string {
  return `${cluster}/${address.replaceAll(/\s/g, '_')}${port === undefined ? '' : `:${port}`}`;
}

export function defineEndpoint({ address, port }: Place, weight: number): Definition {
  return { spec: { address, ...(port !== undefined && { port }) }, weight };
}
