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
      for (const name of order ?? []) this.#putLast(keyOf({ kind: 'endpoint', name }));
    }
  }

  /** The change that makes all of it. */
  steps(): Step[] {
    const changes = [...this.#definitions.values()].map((after) => ({ before: undefined, after }));
    return plan(changes, () => false);
  }

  #putLast(key: string): void {
    const definition = this.#definitions.get(key);
    if (!definition) return;
    this.#definitions.delete(key);
    this.#definitions.set(key, definition);
  }
}
