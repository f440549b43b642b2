/** Whether a reference may cross from one namespace into another. */
import type { Snapshot } from '../cluster/contract.ts';
import { GATEWAY_GROUP, type RouteKind } from './objects.ts';

/** From a route to a Service, or from a Gateway to a Secret. Within one namespace nobody needs to be asked. */
export function mayRefer(
  from: { readonly kind: RouteKind | 'Gateway'; readonly namespace: string },
  to: { readonly kind: 'Service' | 'Secret'; readonly namespace: string; readonly name: string },
  snapshot: Snapshot,
): boolean {
  if (from.namespace === to.namespace) return true;
  for (const { spec } of snapshot.list('ReferenceGrant', to.namespace)) {
    const gives = spec.from.some(({ group, kind, namespace }) => {
      return group === GATEWAY_GROUP && kind === from.kind && namespace === from.namespace;
    });
    const takes = spec.to.some(({ group, kind, name }) => {
      return group === '' && kind === to.kind && (name === undefined || name === '' || name === to.name);
    });
    if (gives && takes) return true;
  }
  return false;
}
