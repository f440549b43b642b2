/** What there is on a proxy, by kind and name. */
import type { Definition, Wish, WishedCluster } from '../translation/contract.ts';

/** In the order in which objects come, so that nothing refers to what is not there yet; they go the other way round. */
export const KINDS = ['clusters', 'routes', 'rules', 'rulelists', 'listeners'] as const;

export type Kind = (typeof KINDS)[number];

/** The word for one of a kind, in bodies and in what the proxy says. */
export const WORDS = {
  clusters: 'cluster',
  routes: 'route',
  rules: 'rule',
  rulelists: 'rulelist',
  listeners: 'listener',
  endpoints: 'endpoint',
} as const satisfies Record<Kind | 'endpoints', string>;

export type Wished = Definition | WishedCluster;

export const NOTHING: Wish = {
  clusters: new Map(),
  routes: new Map(),
  rules: new Map(),
  rulelists: new Map(),
  listeners: new Map(),
};

/** Whether an object of that name is ours to change: what others have made, and the proxy's own, is not. */
export function isOurs(name: string): boolean {
  return name.startsWith('/l7mp.io/') || name.startsWith('/gateway.networking.k8s.io/v1/');
}

/** As the proxy would call an endpoint that nobody has named. */
export function automaticEndpointName(cluster: string, position: number): string {
  return `${cluster}-EndPoint-${position}`;
}

/** Whether other objects were written in this one; a wish has none such. */
export function hasInline(kind: Kind | 'endpoints', object: Wished): boolean {
  const { rules, action, destination, ingress, egress } = object as Record<string, unknown>;
  // A listener's list of names is a rulelist without a name of its own.
  if (kind === 'listeners') return typeof rules !== 'string';
  const { route } = (action ?? {}) as { route?: unknown };
  const others = [rules, route, destination, ingress, egress].flat();
  return others.some((other) => typeof other === 'object' && other !== null);
}
