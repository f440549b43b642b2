/** What is written into the status of the Gateway API's objects. Pure functions; undefined where there is nothing to write. */
import { isDeepStrictEqual } from 'node:util';
import type { Condition } from '../resources/objects.ts';
import type { Progress } from '../status/progress.ts';
import type { AttachedListener } from './attachment.ts';
import { isBehind, mergeConditions } from './conditions.ts';
import { virtualServiceOf } from './derive.ts';
import type { RouteView } from './front.ts';
import { classAccepted, type GatewayView, isAccepted } from './gateway.ts';
import { requestedAddresses } from './infrastructure.ts';
import { keyText } from './names.ts';
import {
  CONTROLLER,
  GATEWAY_GROUP,
  type GatewayAddress,
  type GatewayClass,
  type GatewayStatus,
  type ListenerStatus,
  type ParentReference,
  type Route,
  type RouteParentStatus,
} from './objects.ts';

export interface GatewayFacts {
  /** Of the VirtualService of that full name; undefined while nothing is known. */
  progress(fullName: string): Progress | undefined;
  readonly addresses: readonly GatewayAddress[];
  /** The Deployment or the Service could not be applied: in the API server's words. */
  readonly problem?: string | undefined;
}

// -------------------------------------------------------------------- GatewayClass

/** Of the conformance suite, in alphabetical order. */
const FEATURES = ['Gateway', 'GatewayAddressEmpty', 'GatewayInfrastructure', 'ReferenceGrant', 'TCPRoute', 'UDPRoute'];

export function classStatus(gatewayClass: GatewayClass, now: string): GatewayClass['status'] {
  const { metadata, status = {} } = gatewayClass;
  if (isBehind(status.conditions, ['Accepted'], metadata.generation)) return undefined;
  const wished = {
    ...status,
    conditions: mergeConditions(status.conditions, [classAccepted(gatewayClass)], metadata.generation, now),
    supportedFeatures: FEATURES.map((name) => ({ name })),
  };
  return isDeepStrictEqual(status, wished) ? undefined : wished;
}

// -------------------------------------------------------------------- Gateway

export function gatewayStatus(view: GatewayView, facts: GatewayFacts, now: string): GatewayStatus | undefined {
  const { metadata, status = {} } = view.gateway;
  if (isBehind(status.conditions, ['Accepted', 'Programmed'], metadata.generation)) return undefined;
  const listeners = view.listeners.map((listener) => listenerStatus(view, listener, facts, now));
  const conditions = [view.accepted, programmed(view, facts)];
  const wished: GatewayStatus = {
    ...status,
    addresses: facts.addresses,
    conditions: mergeConditions(status.conditions, conditions, metadata.generation, now),
    listeners,
  };
  return isDeepStrictEqual({ addresses: [], ...status }, wished) ? undefined : wished;
}

function listenerStatus(
  view: GatewayView,
  listener: AttachedListener,
  facts: GatewayFacts,
  now: string,
): ListenerStatus {
  const { name } = listener.listener;
  const { metadata, status } = view.gateway;
  const present = status?.listeners?.find((one) => one.name === name)?.conditions;
  const wished = [...listener.conditions, listenerProgrammed(view, listener, facts)];
  return {
    name,
    supportedKinds: listener.supportedKinds,
    attachedRoutes: listener.routes.length,
    conditions: mergeConditions(present, wished, metadata.generation, now),
  };
}

function listenerProgrammed(view: GatewayView, listener: AttachedListener, facts: GatewayFacts): Condition {
  const name = virtualServiceOf(view, listener);
  if (name === undefined) return not('Invalid', isAccepted(view) ? 'it is not valid' : 'the Gateway is not accepted');
  const { selected = 0, programmed: done = 0, message = '' } = facts.progress(name) ?? {};
  const count = `on ${done} of ${selected} proxies`;
  if (done > 0) return yes(done === selected ? '' : `${count}${message && `: ${message}`}`);
  if (selected === 0) return not('Pending', 'no proxy runs yet');
  return not('Pending', `${count}${message && `: ${message}`}`);
}

function programmed(view: GatewayView, facts: GatewayFacts): Condition {
  if (!isAccepted(view)) return not('Invalid', 'it is not accepted');
  const { addresses, problem } = facts;
  const requested = requestedAddresses(view.gateway);
  if (problem !== undefined) return not(requested.length ? 'AddressNotUsable' : 'NoResources', problem);
  if (!addresses.length) return not('AddressNotAssigned', 'its Service has no address yet');
  const missing = requested.filter((value) => !addresses.some((address) => address.value === value));
  if (missing.length) return not('AddressNotUsable', `not assigned by the cluster: ${missing.join(', ')}`);
  const waiting = view.listeners.filter((one) => one.isOpen && listenerProgrammed(view, one, facts).status !== 'True');
  if (waiting.length)
    return not('Pending', `not programmed yet: ${waiting.map(({ listener }) => listener.name).join(', ')}`);
  return yes('');
}

function yes(message: string): Condition {
  return { type: 'Programmed', status: 'True', reason: 'Programmed', message };
}

function not(reason: string, message: string): Condition {
  return { type: 'Programmed', status: 'False', reason, message };
}

// -------------------------------------------------------------------- routes

/** `view`: undefined for a route that has no parent of ours; what we said of it goes. */
export function routeStatus(
  route: Route,
  view: RouteView | undefined,
  gateways: ReadonlyMap<string, GatewayView>,
  now: string,
): { readonly parents: readonly RouteParentStatus[] } | undefined {
  const present = route.status?.parents ?? [];
  const ours = present.filter(({ controllerName }) => controllerName === CONTROLLER);
  const { generation } = route.metadata;
  if (ours.some(({ conditions }) => isBehind(conditions, ['Accepted', 'ResolvedRefs'], generation))) return undefined;
  const wished = parentsOf(route, view, gateways).map(({ parentRef, conditions }): RouteParentStatus => {
    const before = ours.find((parent) => isSameParent(parent.parentRef, parentRef, route));
    return {
      parentRef,
      controllerName: CONTROLLER,
      conditions: mergeConditions(before?.conditions, conditions, generation, now),
    };
  });
  const parents = [...present.filter(({ controllerName }) => controllerName !== CONTROLLER), ...wished];
  return isDeepStrictEqual(sorted(present), sorted(parents)) ? undefined : { parents };
}

function parentsOf({ kind, metadata }: Route, view: RouteView | undefined, gateways: ReadonlyMap<string, GatewayView>) {
  if (!view) return [];
  const route = keyText(kind, metadata.namespace, metadata.name);
  const found = [...view.gateways].flatMap((key) => gateways.get(key)?.parents.get(route) ?? []);
  return found.map(({ parentRef, accepted }) => ({ parentRef, conditions: [accepted, view.backends.resolved] }));
}

function isSameParent(a: ParentReference, b: ParentReference, route: Route): boolean {
  return parentText(a, route) === parentText(b, route);
}

function parentText({ group, kind, namespace, name, sectionName, port }: ParentReference, { metadata }: Route): string {
  return JSON.stringify([
    group ?? GATEWAY_GROUP,
    kind ?? 'Gateway',
    namespace ?? metadata.namespace,
    name,
    sectionName,
    port,
  ]);
}

/** Their order says nothing, and other controllers have theirs. */
function sorted(parents: readonly RouteParentStatus[]): readonly RouteParentStatus[] {
  const text = ({ controllerName, parentRef }: RouteParentStatus) => `${controllerName} ${JSON.stringify(parentRef)}`;
  return [...parents].sort((a, b) => (text(a) < text(b) ? -1 : 1));
}
