/** Milliseconds after which a state that does not come is a failure; nothing waits for so long otherwise. */
const PATIENCE = 30_000;

const INTERVAL = 2;

/** Waits until the condition gives something true, and gives that back. Throws an Error that names `what` after 30 s. */
export async function until<T>(
  condition: () => T | Promise<T>,
  what = String(condition),
): Promise<Exclude<Awaited<T>, false | undefined | null>> {
  const end = performance.now() + PATIENCE;
  for (;;) {
    const result = await condition();
    if (result) return result as Exclude<Awaited<T>, false | undefined | null>;
    if (performance.now() > end) throw new Error(`waited in vain for: ${what}`);
    await new Promise((resolve) => setTimeout(resolve, INTERVAL));
  }
}
