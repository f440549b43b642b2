/**
 * From the Gateway API's objects to ours: each listener of a Gateway that is accepted becomes a VirtualService on the Gateway's
 * pods, each route a Route, and its backends a Target.
 */
import type { RuleSpec } from '../resources/objects.ts';
import type { DerivedObject } from '../translation/derived.ts';
import type { AttachedListener } from './attachment.ts';
import type { Backends } from './backends.ts';
import { type GatewayView, isAccepted } from './gateway.ts';
import { fullName, GATEWAY_NAME_LABEL, labelValue } from './names.ts';
import type { Gateway, Route, RouteKind } from './objects.ts';
import { rulesOf, tlsOf } from './tls.ts';

export function deriveGateway(view: GatewayView): DerivedObject[] {
  if (!isAccepted(view)) return [];
  return listening(view).map((first) => {
    const sharing = view.listeners.filter((one) => one.isOpen && isSamePort(one, first.listener));
    return virtualService(view.gateway, first, sharing);
  });
}

/** The full name of the VirtualService that a listener has become, or shares; undefined where its port is not opened. */
export function virtualServiceOf(view: GatewayView, { listener, isOpen }: AttachedListener): string | undefined {
  if (!isOpen || !isAccepted(view)) return undefined;
  const shared = listening(view).find((one) => isSamePort(one, listener));
  return shared && listenerName(view.gateway, shared);
}

/** Listeners that differ by their hostnames share a port, and one listener of the proxy, named after the first of them. */
function listening({ listeners }: GatewayView): AttachedListener[] {
  const open = listeners.filter((view) => view.isOpen);
  return open.filter((view, n) => open.findIndex((one) => isSamePort(one, view.listener)) === n);
}

function isSamePort({ listener }: AttachedListener, { protocol, port }: AttachedListener['listener']): boolean {
  return listener.protocol === protocol && listener.port === port;
}

function listenerName({ metadata }: Gateway, { listener }: AttachedListener): string {
  return fullName({ kind: 'Gateway', ...metadata }, listener.name);
}

function virtualService(
  gateway: Gateway,
  first: AttachedListener,
  sharing: readonly AttachedListener[],
): DerivedObject {
  return {
    kind: 'VirtualService',
    fullName: listenerName(gateway, first),
    source: 'Gateway',
    metadata: gateway.metadata,
    spec: {
      selector: { matchLabels: { [GATEWAY_NAME_LABEL]: labelValue(gateway.metadata.name) } },
      listener: listenerOf(first, sharing),
    },
  };
}

/** Without a rule its sessions are refused: a datagram is dropped, a connection closed, a request answered with 404. */
function listenerOf(first: AttachedListener, sharing: readonly AttachedListener[]) {
  const { protocol, port } = first.listener;
  if (protocol === 'TLS') return { spec: { TCP: { port, tls: tlsOf(sharing) } }, rules: rulesOf(sharing, actionOf) };
  const action = actionOf(first);
  return { spec: { [protocol]: { port } }, rules: action ? [{ action }] : [] };
}

function actionOf({ routes: [route] }: AttachedListener): RuleSpec['action'] | undefined {
  return route && { routeRef: routeName(route) };
}

// -------------------------------------------------------------------- routes

const PROTOCOLS: Readonly<Record<RouteKind, string>> = { UDPRoute: 'UDP', TCPRoute: 'TCP' };

/** Discard (RFC 863): a cluster needs a port, though each of its endpoints has one of its own. */
const ANY_PORT = 9;

/** An endpoint that cannot be reached costs a connection nothing but time while another one can. */
const RETRY = { retry_on: 'connect-failure', num_retries: 2, timeout: 2000 };

export function deriveRoute(route: Route, { endpoints, refusing }: Backends): DerivedObject[] {
  const { kind, metadata } = route;
  const name = routeName(route);
  const target = `${name}/backends`;
  const source = { source: kind, metadata } as const;
  return [
    {
      kind: 'Target',
      fullName: target,
      ...source,
      spec: {
        cluster: {
          spec: { [PROTOCOLS[kind]]: { port: ANY_PORT } },
          endpoints,
          loadbalancer: { policy: 'Random' },
          ...(refusing && { options: { fail_timeout: 0 } }),
        },
      },
    },
    {
      kind: 'Route',
      fullName: name,
      ...source,
      spec: { route: { destinationRef: target, ...(!refusing && { retry: RETRY }) } },
    },
  ];
}

function routeName({ kind, metadata }: Route): string {
  return fullName({ kind, ...metadata });
}
