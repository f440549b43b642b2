/** Which routes attach to which listeners of a Gateway, and which of them gets the sessions. */
import type { Snapshot } from '../cluster/contract.ts';
import type { Condition } from '../resources/objects.ts';
import type { ListenerView } from './listeners.ts';
import { keyText } from './names.ts';
import { allowsNamespace } from './namespaces.ts';
import { GATEWAY_GROUP, type Gateway, type ParentReference, type Route } from './objects.ts';

export interface AttachedListener extends ListenerView {
  /** Routes that it lets in, by precedence: the first has the sessions, since nothing in a datagram or a connection tells more. */
  readonly routes: readonly Route[];
}

export interface Attachment {
  readonly listeners: readonly AttachedListener[];
  /** By a route's key, for each of its references to this Gateway, in their order: Accepted. */
  readonly parents: ReadonlyMap<
    string,
    readonly { readonly parentRef: ParentReference; readonly accepted: Condition }[]
  >;
}

export function refersTo({ group, kind, namespace, name }: ParentReference, route: Route, gateway: Gateway): boolean {
  return (
    isGateway(group, kind) &&
    name === gateway.metadata.name &&
    (namespace ?? route.metadata.namespace) === gateway.metadata.namespace
  );
}

/** Whether a reference of this group and kind, or without, means a Gateway. */
export function isGateway(group: string | undefined, kind: string | undefined): boolean {
  return (group ?? GATEWAY_GROUP) === GATEWAY_GROUP && (kind ?? 'Gateway') === 'Gateway';
}

/** `routes`: those that refer to the Gateway, in any order. `usable`: whether the Gateway itself is accepted. */
export function attach(
  gateway: Gateway,
  views: readonly ListenerView[],
  routes: readonly Route[],
  usable: boolean,
  snapshot: Snapshot,
): Attachment {
  const attached = new Map<ListenerView, Route[]>(views.map((view) => [view, []]));
  const sorted = [...routes].sort(byPrecedence);
  const chosen = sorted.map((route) => {
    const refs = (route.spec.parentRefs ?? []).filter((ref) => refersTo(ref, route, gateway));
    return {
      route,
      refs: refs.map((parentRef) => ({ parentRef, ...choose(parentRef, route, gateway, views, snapshot) })),
    };
  });
  for (const { route, refs } of chosen) {
    for (const view of new Set(refs.flatMap((ref) => ref.allowed))) attached.get(view)?.push(route);
  }
  const parents = chosen.map(({ route, refs }) => {
    const accepted = refs.map((ref) => ({
      parentRef: ref.parentRef,
      accepted: acceptance(route, ref, usable, attached),
    }));
    return [keyText(route.kind, route.metadata.namespace, route.metadata.name), accepted] as const;
  });
  return {
    listeners: views.map((view) => ({ ...view, routes: attached.get(view) ?? [] })),
    parents: new Map(parents),
  };
}

/** The oldest first, then by namespace and name. Timestamps are RFC 3339 in UTC to the second: they sort as texts. */
function byPrecedence({ metadata: a }: Route, { metadata: b }: Route): number {
  if (a.creationTimestamp !== b.creationTimestamp) return a.creationTimestamp < b.creationTimestamp ? -1 : 1;
  return `${a.namespace}/${a.name}` < `${b.namespace}/${b.name}` ? -1 : 1;
}

interface Choice {
  /** Listeners that the reference means. */
  readonly meant: readonly ListenerView[];
  /** Those of them that let the route in. */
  readonly allowed: readonly ListenerView[];
}

function choose(
  { sectionName, port }: ParentReference,
  { kind, metadata }: Route,
  gateway: Gateway,
  views: readonly ListenerView[],
  snapshot: Snapshot,
): Choice {
  const meant = views.filter(({ listener }) => {
    return (!sectionName || listener.name === sectionName) && (port === undefined || listener.port === port);
  });
  const allowed = meant.filter(({ listener, route }) => {
    return route === kind && allowsNamespace(listener, gateway.metadata.namespace, metadata.namespace, snapshot);
  });
  return { meant, allowed };
}

function acceptance(
  route: Route,
  { meant, allowed }: Choice,
  usable: boolean,
  attached: ReadonlyMap<ListenerView, readonly Route[]>,
): Condition {
  const refused = (reason: string, message: string): Condition => ({
    type: 'Accepted',
    status: 'False',
    reason,
    message,
  });
  if (!meant.length) return refused('NoMatchingParent', 'the Gateway has no listener of that name and port');
  if (!allowed.length) {
    const why = `no listener lets in a ${route.kind} of namespace ${route.metadata.namespace}`;
    return refused('NotAllowedByListeners', why);
  }
  if (!usable) return refused('GatewayNotAccepted', 'the Gateway is not accepted');
  const open = allowed.filter(({ isOpen }) => isOpen);
  if (!open.length) return refused('ListenersNotValid', 'no listener that lets it in is valid');
  // A route that comes too late is accepted nevertheless, says the conformance suite (TCPRouteMultipleRoutesAttachment).
  const late = open.flatMap((view) => {
    const [first] = attached.get(view) ?? [];
    if (!first || first === route) return [];
    return [`${view.listener.name} serves the older ${first.kind} ${first.metadata.namespace}/${first.metadata.name}`];
  });
  return { type: 'Accepted', status: 'True', reason: 'Accepted', message: late.join('; ') };
}
