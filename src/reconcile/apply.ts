import { undoAfter } from '../core/undo.ts';
import type { DataPlane, Ending } from '../data-plane/contract.ts';
import type { Step } from '../model/step.ts';

export interface Applying {
  /** Comes between what can fail and what cannot; it may reject too. */
  commit(): Promise<void>;
  /** The sessions that end with the change. */
  readonly endings: readonly Ending[];
}

/** Has the steps of a plan taken: all of them, or none. A failure is undone, and rejects with its reason. */
export async function apply(
  steps: readonly Step[],
  plane: Pick<DataPlane, 'release' | 'take' | 'settle' | 'undo'>,
  { commit, endings }: Applying,
): Promise<void> {
  if (steps.length === 0) return commit();
  await plane.release(steps);
  try {
    await plane.take();
    await commit();
  } catch (error) {
    await undoAfter(error, () => plane.undo());
  }
  await plane.settle(endings);
}
