import { L7mpError } from '../core/errors.ts';
import type { Definition } from './definitions.ts';
import type { Change, Step } from './plan.ts';
import { plan } from './plan.ts';

/** How the objects of one kind are made, changed and taken away. What was done can be undone by the opposite. */
export interface Handler {
  /** Rejects, and leaves nothing behind, where it cannot. */
  create(definition: Definition): Promise<void>;
  /** Swaps the definition of an object that runs. */
  update(before: Definition, after: Definition): void;
  delete(definition: Definition): Promise<void>;
}

export type Handlers = (kind: Definition['kind']) => Handler;

/**
 * Applies changes: all of them, or none. Deletions come last, when nothing can fail any more. What is not changed is
 * not touched. A failure is undone in the opposite order and rejects with its reason.
 */
export async function apply(changes: readonly Change[], handlers: Handlers): Promise<Step[]> {
  const steps = plan(changes);
  const done: Step[] = [];
  try {
    for (const step of steps) {
      await take(step, handlers);
      done.push(step);
    }
  } catch (error) {
    for (const { before, after } of done.reverse()) await undo({ before: after, after: before }, handlers, error);
    throw error;
  }
  return steps;
}

async function take({ action, before, after }: Step, handlers: Handlers): Promise<void> {
  if (before && after && action === 'update') {
    handlers(after.kind).update(before, after);
    return;
  }
  if (before) await handlers(before.kind).delete(before);
  if (!after) return;
  try {
    await handlers(after.kind).create(after);
  } catch (error) {
    if (before) await undo({ before: undefined, after: before }, handlers, error);
    throw error;
  }
}

async function undo(change: Change, handlers: Handlers, cause: unknown): Promise<void> {
  const [step] = plan([change]);
  if (!step) return;
  try {
    await take(step, handlers);
  } catch (error) {
    // The way back is blocked too (another process took the port meanwhile): both reasons are told.
    const text = (thrown: unknown): string => (thrown instanceof Error ? thrown.message : String(thrown));
    throw new L7mpError('E_INTERNAL', `${text(cause)}; and it could not be undone: ${text(error)}`, { cause: error });
  }
}
