import { asL7mpError, L7mpError } from '../core/errors.ts';
import { undoAfter } from '../core/undo.ts';
import { releases, type Step } from '../model/step.ts';
import type { Done, Handlers } from './handlers/handler.ts';

/**
 * A change of what a data plane runs. What has to go gives up its addresses first, then all that comes and changes does
 * so, and what goes is forgotten last, when nothing can fail any more. What no step names is not touched.
 */
export class Transaction {
  readonly #steps: readonly Step[];
  readonly #handlers: Handlers;
  readonly #done: Done[] = [];

  constructor(steps: readonly Step[], handlers: Handlers) {
    this.#steps = steps;
    this.#handlers = handlers;
  }

  /** Rejects with everything as it was. */
  async release(): Promise<void> {
    try {
      for (const step of this.#steps) {
        const released = releases(step) && (await this.#release(step));
        if (released) this.#done.push(released);
      }
    } catch (error) {
      await undoAfter(error, () => this.undo());
    }
  }

  /** Rejects where a step cannot be taken: those before it are to be undone. */
  async take(): Promise<void> {
    for (const step of this.#steps) if (step.action !== 'delete') this.#done.push(await this.#take(step));
    for (const { after, order } of this.#steps) {
      const arranged = after && order && this.#handlers(after.kind).arrange?.(after, order);
      if (arranged) this.#done.push(arranged);
    }
  }

  /** Nothing is undone any more: what goes is forgotten. */
  async settle(): Promise<void> {
    for (const { settle } of this.#done) await settle?.();
    for (const { action, before } of this.#steps) {
      if (action === 'delete' && before) await this.#handlers(before.kind).delete(before);
    }
  }

  /**
   * Takes everything back, in the opposite order, and as far as it goes: where one step back is blocked (another process
   * took the port meanwhile), the others are taken. Rejects with what could not be done.
   */
  async undo(): Promise<void> {
    const failures: string[] = [];
    for (const back of this.#done.toReversed()) {
      try {
        await back.undo();
      } catch (error) {
        failures.push(asL7mpError(error).message);
      }
    }
    if (failures.length > 0) throw new L7mpError('E_INTERNAL', failures.join('; '));
  }

  async #release({ before }: Step): Promise<Done | undefined> {
    return before && this.#handlers(before.kind).release?.(before);
  }

  async #take({ action, before, after }: Step): Promise<Done> {
    if (!after) throw new L7mpError('E_INTERNAL', `${action} wants an object`);
    const handler = this.#handlers(after.kind);
    if (!before) return handler.create(after);
    return action === 'restart' ? handler.restart(before, after) : handler.update(before, after);
  }
}
