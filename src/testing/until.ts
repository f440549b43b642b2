/** Milliseconds after which a state that does not come is a failure; nothing waits for so long otherwise. */
const PATIENCE = 60_000;

/** Turns of the event loop after which it is looked at less often, and how often then, in milliseconds. */
const EAGER_TURNS = 100;
const INTERVAL = 5;

/**
 * Waits until the condition gives something true, and gives that back. Throws an Error that names `what` after
 * `patience` milliseconds.
 *
 * @example await until(() => server.bytes.length === 4, 'the echo');
 */
export async function until<T>(
  condition: () => T | Promise<T>,
  what = 'the condition',
  patience = PATIENCE,
): Promise<Exclude<Awaited<T>, false | undefined | null>> {
  const end = performance.now() + patience;
  for (let n = 0; ; n++) {
    const result = await condition();
    if (result) return result as Exclude<Awaited<T>, false | undefined | null>;
    if (performance.now() > end) throw new Error(`${what}: waited for it in vain`);
    if (n < EAGER_TURNS) await turn();
    else await new Promise((resolve) => setTimeout(resolve, INTERVAL));
  }
}

/**
 * Lets the event loop turn, so that what is under way can happen.
 *
 * @example await turn(3);
 */
export async function turn(times = 1): Promise<void> {
  for (let n = 0; n < times; n++) await new Promise((resolve) => setImmediate(resolve));
}
