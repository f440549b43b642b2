/** Collections of garbage that V8 does not make by itself. It has no call for them but the `gc` of `--expose-gc`. */
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';

/** Collects what this thread does not use any more. Holds it up for some milliseconds. */
export function collect(): void {
  run({});
}

/**
 * Collects, and gives back the room for garbage that this thread's heap has grown by: a young generation stays as large as
 * the busiest moment has made it, and the start of a program, which loads it, is busier than most. Holds it up for some
 * ten milliseconds.
 */
export function shrinkHeap(): void {
  run({ flavor: 'last-resort' });
}

function run(options: NodeJS.GCOptions): void {
  setFlagsFromString('--expose-gc');
  // Only a context that is made from now on has it.
  const gc = runInNewContext('gc') as NodeJS.GCFunction;
  gc({ type: 'major', ...options });
}
