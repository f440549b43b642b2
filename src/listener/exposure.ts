import type { Log } from '../core/log.ts';
import type { Registry } from '../core/registry.ts';
import type { Store } from '../reconcile/store.ts';
import type { Listener } from './listener.ts';
import { isLoopback, networkAddress } from './open.ts';

/** Listeners through which other machines may control the proxy, as far as the rules can tell without a session. */
export function exposedControl(store: Store, registry: Registry): Listener[] {
  return [...store.listeners.values()].filter((listener) => {
    const where = networkAddress(listener.definition.spec, registry);
    return where !== undefined && !isLoopback(where) && leadsToControl(store, listener.definition.rules, new Set());
  });
}

export function warnOfExposedControl(store: Store, registry: Registry, log: Log): void {
  for (const { name, definition } of exposedControl(store, registry)) {
    const where = networkAddress(definition.spec, registry);
    log.write('warn', name, `the controller is reachable from other machines, at ${where}, without authentication`);
  }
}

function leadsToControl(store: Store, rulelist: string, seen: Set<string>): boolean {
  if (seen.has(rulelist)) return false;
  seen.add(rulelist);
  const rules = store.rulelists.get(rulelist)?.definition.rules ?? [];
  return rules.some((name) => {
    const { route, apply } = store.rules.get(name)?.definition ?? {};
    const cluster = store.routes.get(route ?? '')?.definition.destination;
    if (cluster !== undefined && store.clusters.get(cluster)?.side.control) return true;
    return apply !== undefined && leadsToControl(store, apply, seen);
  });
}
