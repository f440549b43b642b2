import type { Registry } from '../core/registry.ts';
import { leadsTo } from '../listener/exposure.ts';
import type { Listener } from '../listener/listener.ts';
import type { Objects } from '../model/definitions.ts';

/** Milliseconds for which an answer holds: rules change seldom, and who asks is one too many. */
const HOLDS = 1000;

/** Tells the listeners through which a full proxy is seen and mended: whose rules may lead to the API or the metrics. */
export class ManagementListeners {
  readonly #objects: Objects;
  readonly #registry: Registry;
  readonly #known = new WeakMap<Listener, { readonly leads: boolean; readonly at: number }>();

  constructor(objects: Objects, registry: Registry) {
    this.#objects = objects;
    this.#registry = registry;
  }

  has(listener: Listener): boolean {
    const now = performance.now();
    const known = this.#known.get(listener);
    if (known && now - known.at < HOLDS) return known.leads;
    const leads = leadsTo(
      this.#objects,
      this.#registry,
      listener.definition.rules,
      ({ management }) => management === true,
    );
    this.#known.set(listener, { leads, at: now });
    return leads;
  }
}
