import type { Log } from '../core/log.ts';
import type { Registry } from '../core/registry.ts';
import type { Store } from '../reconcile/store.ts';
import type { Listener } from './listener.ts';
import { isLoopback, networkAddress } from './open.ts';

/** Listeners through which other machines may control the proxy, as far as the rules can tell without a session. */
export function exposedControl(store: Store, registry: Registry): Listener[] {
  const known = new Map<string, boolean>();
  return [...store.listeners.values()].filter((listener) => {
    const where = networkAddress(listener.definition.spec, registry);
    if (where === undefined || isLoopback(where)) return false;
    const { rules } = listener.definition;
    if (!known.has(rules)) known.set(rules, leadsToControl(store, rules));
    return known.get(rules);
  });
}

export function warnOfExposedControl(store: Store, registry: Registry, log: Log): void {
  for (const { name, definition } of exposedControl(store, registry)) {
    const where = networkAddress(definition.spec, registry);
    log.write('warn', name, `the controller is reachable from other machines, at ${where}, without authentication`);
  }
}

function leadsToControl(store: Store, rulelist: string): boolean {
  // Grows while it is walked.
  const lists = new Set([rulelist]);
  for (const list of lists) {
    for (const name of store.rulelists.get(list)?.definition.rules ?? []) {
      const { route, apply } = store.rules.get(name)?.definition ?? {};
      const cluster = store.routes.get(route ?? '')?.definition.destination;
      if (store.clusters.get(cluster ?? '')?.side.control) return true;
      if (apply !== undefined) lists.add(apply);
    }
  }
  return false;
}
