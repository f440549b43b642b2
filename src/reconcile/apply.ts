import { asL7mpError, L7mpError } from '../core/errors.ts';
import type { Definition } from '../model/definitions.ts';
import type { Step } from '../model/step.ts';

/** What was done, while it is not known yet whether the rest of the change can be done too. */
export interface Done {
  /** Takes it back. Rejects where that is not possible any more. */
  undo(): void | Promise<void>;
  /** Gives up what was kept for that. Does not reject. */
  settle?(): void | Promise<void>;
}

/** How the objects of one kind are made, changed and taken away. What rejects has left nothing behind. */
export interface Handler {
  /**
   * Gives up what others may want (a listening address) of an object that is going to be restarted or deleted. It is
   * done before anything is created, so that a port may change its owner.
   */
  release?(before: Definition): Promise<Done>;
  create(after: Definition): Promise<Done>;
  /** Swaps the definition of an object that goes on; live sessions keep what they have. */
  update(before: Definition, after: Definition): Done;
  /** Opens an object anew that was released. */
  restart(before: Definition, after: Definition): Promise<Done>;
  /** Puts what belongs to an object into this order. */
  arrange?(after: Definition, order: readonly string[]): Done;
  /** Forgets an object that was released. Nothing can fail any more, and nothing is undone. */
  delete(before: Definition): Promise<void>;
}

export type Handlers = (kind: Definition['kind']) => Handler;

/**
 * Takes the steps of a plan: all of them, or none. What has to go gives up its addresses first, then all that comes and
 * changes does so, and what goes is forgotten last, when nothing can fail any more. What no step names is not touched.
 * A failure is undone in the opposite order, and rejects with its reason. `commit` comes between what can fail and what
 * cannot; it may reject too.
 */
export async function apply(steps: readonly Step[], handlers: Handlers, commit?: () => Promise<void>): Promise<void> {
  const done: Done[] = [];
  try {
    await release(steps, handlers, done);
    for (const step of steps) if (step.action !== 'delete') done.push(await take(step, handlers));
    arrange(steps, handlers, done);
    await commit?.();
  } catch (error) {
    await undo(done, error);
    throw error;
  }
  for (const { settle } of done) await settle?.();
  for (const { action, before } of steps) if (action === 'delete' && before) await handlers(before.kind).delete(before);
}

async function release(steps: readonly Step[], handlers: Handlers, done: Done[]): Promise<void> {
  for (const { action, before } of steps) {
    if (!before || (action !== 'restart' && action !== 'delete')) continue;
    const released = await handlers(before.kind).release?.(before);
    if (released) done.push(released);
  }
}

function arrange(steps: readonly Step[], handlers: Handlers, done: Done[]): void {
  for (const { after, order } of steps) {
    const arranged = after && order && handlers(after.kind).arrange?.(after, order);
    if (arranged) done.push(arranged);
  }
}

async function take({ action, before, after }: Step, handlers: Handlers): Promise<Done> {
  if (!after) throw new L7mpError('E_INTERNAL', `${action} wants an object`);
  const handler = handlers(after.kind);
  if (!before) return handler.create(after);
  return action === 'restart' ? handler.restart(before, after) : handler.update(before, after);
}

/** As far as it goes: where one step back is blocked (another process took the port meanwhile), the others are taken. */
async function undo(done: readonly Done[], cause: unknown): Promise<void> {
  const failures: unknown[] = [];
  for (const back of done.toReversed()) {
    try {
      await back.undo();
    } catch (error) {
      failures.push(error);
    }
  }
  if (failures.length === 0) return;
  const [reason, ...others] = [cause, ...failures].map((thrown) => asL7mpError(thrown).message);
  throw new L7mpError('E_INTERNAL', `${reason}; and it could not be undone: ${others.join('; ')}`, { cause });
}
