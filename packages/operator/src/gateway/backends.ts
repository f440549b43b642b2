/** Where the sessions of a route go: its backends, with the endpoints that they have and what is wrong with them. */
import type { Snapshot } from '../cluster/contract.ts';
import { type Address, addressesOf, type ServicePort } from '../resources/endpoints.ts';
import { mayRefer } from '../resources/grants.ts';
import type { Condition, EndpointSlice, Service } from '../resources/objects.ts';
import type { DerivedEndpoint } from '../translation/derived.ts';
import { grantsTopic, keyText } from './names.ts';
import type { BackendReference, Route, RouteKind } from './objects.ts';
import { endpointWeights } from './weights.ts';

/**
 * connect(2) refuses the address of all hosts at once and sends nothing: ENETUNREACH on TCP, EACCES on UDP. So it is where that
 * share of sessions goes that the specification wants refused: the share of a backend that is not there.
 */
const NOWHERE = '255.255.255.255';

export interface Backends {
  /** By name. Empty where the route has no backend with an endpoint: the proxy refuses its sessions. */
  readonly endpoints: readonly DerivedEndpoint[];
  /** Some sessions are meant to be refused: an endpoint that fails must not be avoided, nor tried again. */
  readonly refusing: boolean;
  /** ResolvedRefs */
  readonly resolved: Condition;
  /** What this was made of, beside the route: keys of Services, `slices/…` and `grants/…`. */
  readonly topics: ReadonlySet<string>;
}

export type SlicesOf = (namespace: string, service: string) => readonly EndpointSlice[];

export const slicesTopic = (namespace: string, service: string): string => `slices/${namespace}/${service}`;

interface Problem {
  readonly reason: string;
  readonly message: string;
}

interface Backend {
  readonly weight: number;
  readonly addresses: readonly (Address & { readonly name: string })[];
}

export function viewBackends(route: Route, snapshot: Snapshot, slicesOf: SlicesOf): Backends {
  const topics = new Set<string>();
  const problems: Problem[] = [];
  const backends = (route.spec.rules?.[0]?.backendRefs ?? []).map((ref): Backend => {
    const { weight = 1 } = ref;
    const found = lookUp(route, ref, snapshot, topics);
    if ('problem' in found) {
      problems.push(found.problem);
      return { weight, addresses: [] };
    }
    const { service, port } = found;
    const { namespace, name } = service.metadata;
    const prefix = `${namespace}/${name}:${port.port}`;
    const addresses = addressesOf(service, port, slicesOf(namespace, name));
    return { weight, addresses: addresses.map((one) => ({ ...one, name: `${prefix}/${hostPort(one)}` })) };
  });
  return { ...weigh(backends), resolved: resolvedRefs(problems), topics };
}

function hostPort({ address, port }: Address): string {
  return address.includes(':') ? `[${address}]:${port}` : `${address}:${port}`;
}

// -------------------------------------------------------------------- what a reference leads to

type Found = { readonly service: Service; readonly port: ServicePort } | { readonly problem: Problem };

function lookUp({ kind, metadata }: Route, ref: BackendReference, snapshot: Snapshot, topics: Set<string>): Found {
  const { name } = ref;
  const namespace = ref.namespace ?? metadata.namespace;
  const problem = (reason: string, message: string): Found => ({ problem: { reason, message } });
  if ((ref.group ?? '') !== '' || (ref.kind ?? 'Service') !== 'Service') {
    return problem('InvalidKind', `${ref.kind ?? ''} ${name}: a backend must be a Service`);
  }
  if (namespace !== metadata.namespace) topics.add(grantsTopic(namespace));
  topics.add(keyText('Service', namespace, name));
  topics.add(slicesTopic(namespace, name));
  const from = { kind, namespace: metadata.namespace };
  if (!mayRefer(from, { kind: 'Service', namespace, name }, (of) => snapshot.list('ReferenceGrant', of))) {
    return problem('RefNotPermitted', `no ReferenceGrant in ${namespace} lets this route refer to Service ${name}`);
  }
  const service = snapshot.get('Service', namespace, name);
  if (!service) return problem('BackendNotFound', `there is no Service ${namespace}/${name}`);
  return portOf(service, ref, kind);
}

const PROTOCOLS: Readonly<Record<RouteKind, string>> = { UDPRoute: 'UDP', TCPRoute: 'TCP' };

function portOf(service: Service, { port, name }: BackendReference, kind: RouteKind): Found {
  const problem = (reason: string, message: string): Found => ({ problem: { reason, message } });
  if (service.spec.type === 'ExternalName') {
    // It may lead anywhere (CVE-2021-25740): the specification advises against it.
    return problem('UnsupportedValue', `Service ${name} is of type ExternalName`);
  }
  const ports = (service.spec.ports ?? []).filter((one) => one.port === port);
  const found = ports.find(({ protocol = 'TCP' }) => protocol === PROTOCOLS[kind]);
  if (found) return { service, port: found };
  if (!ports.length) return problem('BackendNotFound', `Service ${name} has no port ${port ?? '(none is given)'}`);
  return problem('UnsupportedProtocol', `port ${port} of Service ${name} is not of protocol ${PROTOCOLS[kind]}`);
}

function resolvedRefs(problems: readonly Problem[]): Condition {
  const [first] = problems;
  if (!first) return { type: 'ResolvedRefs', status: 'True', reason: 'ResolvedRefs', message: '' };
  const message = problems.map((one) => one.message).join('; ');
  return { type: 'ResolvedRefs', status: 'False', reason: first.reason, message };
}

// -------------------------------------------------------------------- weights

function weigh(backends: readonly Backend[]): Pick<Backends, 'endpoints' | 'refusing'> {
  const shares = backends.map(({ weight, addresses }) => {
    return { weight, endpoints: addresses.filter(({ taking }) => taking).length };
  });
  const lost = shares.reduce((sum, { weight, endpoints }) => (endpoints ? sum : sum + weight), 0);
  const refusing = lost > 0 && shares.some(({ weight, endpoints }) => weight > 0 && endpoints > 0);
  const weights = endpointWeights([...shares, { weight: refusing ? lost : 0, endpoints: 1 }]);
  const endpoints = new Map<string, DerivedEndpoint>();
  for (const [n, { addresses }] of backends.entries()) {
    for (const { name, address, port, taking } of addresses) {
      // A backend may be named twice; both shares are its own then.
      const weight = (taking ? (weights[n] ?? 0) : 0) + (endpoints.get(name)?.weight ?? 0);
      endpoints.set(name, { name, spec: { address, port }, weight });
    }
  }
  if (refusing) {
    endpoints.set('nowhere', { name: 'nowhere', spec: { address: NOWHERE }, weight: weights.at(-1) ?? 0 });
  }
  return { endpoints: [...endpoints.values()].sort((a, b) => (a.name < b.name ? -1 : 1)), refusing };
}
