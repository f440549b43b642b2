/** What becomes of each listener of a Gateway by itself, before any route is looked at. */
import type { Condition } from '../resources/objects.ts';
import { type Certificate, type Certified, terminatesTls } from './certificates.ts';
import { GATEWAY_GROUP, type Gateway, type GatewayListener, type RouteGroupKind, type RouteKind } from './objects.ts';

export interface ListenerView {
  readonly listener: GatewayListener;
  /** The protocol has it, and the listener lets it in. At most one kind, since no protocol has two. */
  readonly route: RouteKind | undefined;
  readonly supportedKinds: readonly RouteGroupKind[];
  /** Its port is opened: it is accepted, and has a certificate where it needs one. */
  readonly isOpen: boolean;
  readonly certificates: readonly Certificate[];
  /** Accepted, ResolvedRefs, Conflicted. */
  readonly conditions: readonly Condition[];
}

interface Protocol {
  readonly transport: 'TCP' | 'UDP';
  readonly route?: RouteKind;
  /** Clients say whom they mean: listeners with other hostnames may share the port. */
  readonly tls?: true;
  /** Why it is refused; absent where the operator makes a listener of it. */
  readonly unsupported?: string;
}

/** HTTP is listened to, so that requests get their 404, though nothing can be routed: the proxy has no HTTP clusters yet. */
const PROTOCOLS: Readonly<Record<string, Protocol>> = {
  UDP: { transport: 'UDP', route: 'UDPRoute' },
  TCP: { transport: 'TCP', route: 'TCPRoute' },
  HTTP: { transport: 'TCP' },
  HTTPS: { transport: 'TCP', tls: true, unsupported: 'no HTTPRoutes are supported yet' },
  TLS: { transport: 'TCP', tls: true, route: 'TCPRoute' },
};

/**
 * In the order of the specification. `proxyPort` is that of the proxies' REST API (TCP), which no listener can have. `certify`: the
 * certificates of a listener; those that need none have none, and no problem.
 */
export function viewListeners(
  { spec: { listeners = [] } }: Gateway,
  proxyPort: number,
  certify: (listener: GatewayListener) => Certified,
): ListenerView[] {
  return listeners.map((listener) => {
    const conflict = conflictOf(listener, listeners);
    const accepted = acceptance(listener, conflict, proxyPort);
    const { kinds, mismatched } = kindsOf(listener);
    const { certificates, problems } = certify(listener);
    return {
      listener,
      route: kinds[0],
      supportedKinds: kinds.map((kind) => ({ group: GATEWAY_GROUP, kind })),
      isOpen: accepted.status === 'True' && (certificates.length > 0 || !problems.length),
      certificates,
      conditions: [accepted, resolvedRefs([...problems, ...mismatched]), conflicted(conflict)],
    };
  });
}

/** TCP or UDP; undefined for a protocol that is not known. */
export function transportOf({ protocol }: GatewayListener): 'TCP' | 'UDP' | undefined {
  return protocolOf(protocol)?.transport;
}

interface Conflict {
  readonly reason: 'ProtocolConflict' | 'HostnameConflict';
  readonly with: readonly string[];
}

/** Listeners that cannot be told apart: none of them wins, says the specification of `Gateway.spec.listeners`. */
function conflictOf(listener: GatewayListener, all: readonly GatewayListener[]): Conflict | undefined {
  const clashes = all.flatMap((other) => {
    const reason = other === listener ? undefined : clash(listener, other);
    return reason ? [{ reason, name: other.name }] : [];
  });
  const [first] = clashes;
  return first && { reason: first.reason, with: clashes.map(({ name }) => name) };
}

function clash(one: GatewayListener, other: GatewayListener): Conflict['reason'] | undefined {
  const transport = transportOf(one);
  if (one.port !== other.port || transport === undefined || transport !== transportOf(other)) return undefined;
  if (one.protocol !== other.protocol) {
    if (!protocolOf(one.protocol)?.tls || !protocolOf(other.protocol)?.tls) return 'ProtocolConflict';
  } else if (one.protocol === 'TLS') {
    // The proxy either terminates what comes to a port, or passes it through.
    if (terminatesTls(one) !== terminatesTls(other)) return 'ProtocolConflict';
  } else if (protocolOf(one.protocol)?.route) return 'ProtocolConflict';
  return (one.hostname ?? '') === (other.hostname ?? '') ? 'HostnameConflict' : undefined;
}

function acceptance(listener: GatewayListener, conflict: Conflict | undefined, proxyPort: number): Condition {
  const { port, protocol } = listener;
  const known = protocolOf(protocol);
  const refused = (reason: string, message: string): Condition => condition('Accepted', 'False', reason, message);
  if (!known || known.unsupported !== undefined) {
    const supported = 'UDP, TCP, TLS and HTTP are supported';
    return refused('UnsupportedProtocol', `${protocol}: ${known?.unsupported ?? 'unknown'}; ${supported}`);
  }
  if (conflict) return refused(conflict.reason, `shares port ${port} with ${conflict.with.join(', ')}`);
  if (known.transport === 'TCP' && port === proxyPort) {
    return refused('PortUnavailable', `port ${port} is that of the proxies' own REST API`);
  }
  const message = known.route ? '' : `no kind of route is supported on ${protocol} yet: requests are answered with 404`;
  return condition('Accepted', 'True', 'Accepted', message);
}

interface Unresolved {
  readonly reason: string;
  readonly message: string;
}

function kindsOf({ protocol, allowedRoutes }: GatewayListener): {
  readonly kinds: readonly RouteKind[];
  readonly mismatched: readonly Unresolved[];
} {
  const known = protocolOf(protocol);
  const possible = known?.route ? [known.route] : [];
  const wanted = allowedRoutes?.kinds ?? [];
  const mismatched = wanted.filter(({ group, kind }) => !isOneOf(possible, group, kind));
  if (mismatched.length) {
    const names = mismatched
      .map(({ group, kind }) => (group && group !== GATEWAY_GROUP ? `${group}/${kind}` : kind))
      .join(', ');
    const message = `not supported by a listener of protocol ${protocol}: ${names}`;
    const kinds = possible.filter((kind) => wanted.some((one) => isOneOf([kind], one.group, one.kind)));
    return { kinds, mismatched: [{ reason: 'InvalidRouteKinds', message }] };
  }
  return { kinds: possible, mismatched: [] };
}

function resolvedRefs(problems: readonly Unresolved[]): Condition {
  const [first] = problems;
  if (!first) return condition('ResolvedRefs', 'True', 'ResolvedRefs', '');
  return condition('ResolvedRefs', 'False', first.reason, problems.map(({ message }) => message).join('; '));
}

function isOneOf(kinds: readonly RouteKind[], group: string | undefined, kind: string): boolean {
  return (group ?? GATEWAY_GROUP) === GATEWAY_GROUP && (kinds as readonly string[]).includes(kind);
}

function conflicted(conflict: Conflict | undefined): Condition {
  if (!conflict) return condition('Conflicted', 'False', 'NoConflicts', '');
  return condition('Conflicted', 'True', conflict.reason, `cannot be told apart from ${conflict.with.join(', ')}`);
}

function protocolOf(name: string): Protocol | undefined {
  return Object.hasOwn(PROTOCOLS, name) ? PROTOCOLS[name] : undefined;
}

function condition(type: string, status: Condition['status'], reason: string, message: string): Condition {
  return { type, status, reason, message };
}
