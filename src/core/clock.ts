// Not the global one, which is a getter.
import { performance } from 'node:perf_hooks';

/** Milliseconds on the clock of performance.now(), never too early. A small integer costs no object, as a fraction does. */
export function wholeNow(): number {
  return Math.ceil(performance.now());
}
