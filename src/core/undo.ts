import { asL7mpError, L7mpError } from './errors.ts';

/** Takes something back because of an error, and throws that; where it cannot be taken back, E_INTERNAL with both reasons. */
export async function undoAfter(error: unknown, undo: () => Promise<void>): Promise<never> {
  try {
    await undo();
  } catch (failure) {
    const [reason, why] = [error, failure].map((thrown) => asL7mpError(thrown).message);
    throw new L7mpError('E_INTERNAL', `${reason}; and it could not be undone: ${why}`, { cause: error });
  }
  throw error;
}
