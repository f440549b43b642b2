/** Whether a reference may lead from one namespace into another. */
import { KINDS, type Kind } from './kinds.ts';
import type { ReferenceGrant } from './objects.ts';

interface End {
  readonly kind: Kind;
  readonly namespace: string;
}

/**
 * Within one namespace nobody needs to be asked. A grant without a name is for all objects of the kind; a reference without one,
 * as a selector is, needs such a grant. https://gateway-api.sigs.k8s.io/api-types/referencegrant/
 */
export function mayRefer(
  from: End,
  to: End & { readonly name?: string | undefined },
  grantsIn: (namespace: string) => Iterable<ReferenceGrant>,
): boolean {
  if (from.namespace === to.namespace) return true;
  for (const { spec } of grantsIn(to.namespace)) {
    const gives = spec.from.some(({ group, kind, namespace }) => {
      return group === KINDS[from.kind].group && kind === from.kind && namespace === from.namespace;
    });
    const takes = spec.to.some(({ group, kind, name }) => {
      return group === KINDS[to.kind].group && kind === to.kind && (!name || name === to.name);
    });
    if (gives && takes) return true;
  }
  return false;
}
