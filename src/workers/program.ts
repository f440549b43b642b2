import { putLast } from '../core/put-last.ts';
import { type Definition, keyOf } from '../model/definitions.ts';
import type { Step } from '../model/step.ts';
import { plan } from '../reconcile/plan.ts';

/** What a data plane runs, so that another one can be made to run the same. */
export class Program {
  readonly #definitions = new Map<string, Definition>();

  /** A change that was taken. */
  follow(steps: readonly Step[]): void {
    for (const { before, after, order } of steps) {
      if (after) this.#definitions.set(keyOf(after), after);
      else if (before) this.#definitions.delete(keyOf(before));
      const endpoints = order?.map((name) => keyOf({ kind: 'endpoint', name }));
      if (endpoints) putLast(this.#definitions, endpoints);
    }
  }

  /** The change that makes all of it. */
  steps(): Step[] {
    const changes = [...this.#definitions.values()].map((after) => ({ before: undefined, after }));
    return plan(changes, () => false);
  }
}
