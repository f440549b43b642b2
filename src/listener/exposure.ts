import { isLoopback } from '../core/address.ts';
import { hostPorts } from '../core/ports.ts';
import type { ClusterSide } from '../core/protocol.ts';
import type { Registry } from '../core/registry.ts';
import type { DefinitionOf, Objects } from '../model/definitions.ts';

/** A listener through which other machines may control the proxy, and the address at which they reach it. */
export interface Exposure {
  readonly listener: DefinitionOf<'listener'>;
  readonly where: string;
}

/** As far as the rules can tell without a session. */
export function exposedControl(objects: Objects, registry: Registry): Exposure[] {
  const known = new Map<string, boolean>();
  return [...objects.of('listener').values()].flatMap(({ definition: listener }) => {
    const where = registry.addressOf(listener.spec);
    if (where === undefined || isLoopback(where.host)) return [];
    const { rules } = listener;
    if (!known.has(rules))
      known.set(
        rules,
        leadsTo(objects, registry, rules, ({ control }) => control === true),
      );
    return known.get(rules) ? [{ listener, where: hostPorts(where) }] : [];
  });
}

/** What is to be said of it where nobody is asked who they are. */
export function exposureWarning({ listener, where }: Exposure): string {
  return `the controller is reachable from other machines through ${listener.name}, at ${where}, without authentication (admin.auth)`;
}

/** Whether the rules may lead to a cluster of such a kind. */
export function leadsTo(
  objects: Objects,
  registry: Registry,
  rulelist: string,
  wanted: (side: ClusterSide) => boolean,
): boolean {
  // Grows while it is walked.
  const lists = new Set([rulelist]);
  for (const list of lists) {
    for (const name of objects.of('rulelist').get(list)?.definition.rules ?? []) {
      const { route, apply } = objects.of('rule').get(name)?.definition ?? {};
      const destination = objects.of('route').get(route ?? '')?.definition.destination;
      const cluster = objects.of('cluster').get(destination ?? '')?.definition;
      if (cluster && wanted(registry.cluster(cluster.spec.protocol))) return true;
      if (apply !== undefined) lists.add(apply);
    }
  }
  return false;
}
