import { asL7mpError, L7mpError } from '../core/errors.ts';
import type { Definition } from './definitions.ts';
import { type Change, decide, plan, type Step } from './plan.ts';

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
  const done: Change[] = [];
  try {
    for (const step of steps) await take(step, handlers, done);
  } catch (error) {
    await undo(done, handlers, error);
    throw error;
  }
  return steps;
}

/** Notes in `done` what was done, also of a restart that fails in the middle. */
async function take({ action, before, after }: Step, handlers: Handlers, done: Change[]): Promise<void> {
  if (before && after && action === 'update') {
    handlers(after.kind).update(before, after);
    done.push({ before, after });
    return;
  }
  if (before) {
    await handlers(before.kind).delete(before);
    done.push({ before, after: undefined });
  }
  if (after) {
    await handlers(after.kind).create(after);
    done.push({ before: undefined, after });
  }
}

/** As far as it goes: where one step back is blocked (another process took the port meanwhile), the others are taken. */
async function undo(done: readonly Change[], handlers: Handlers, cause: unknown): Promise<void> {
  const failures: unknown[] = [];
  for (const { before, after } of done.toReversed()) {
    const back = { before: after, after: before };
    await take({ ...back, action: decide(back) }, handlers, []).catch((error: unknown) => failures.push(error));
  }
  if (failures.length === 0) return;
  const [reason, ...others] = [cause, ...failures].map((thrown) => asL7mpError(thrown).message);
  throw new L7mpError('E_INTERNAL', `${reason}; and it could not be undone: ${others.join('; ')}`, { cause });
}
