import { type Pointer, parsePointer } from '../core/pointer.ts';
import type { Registry } from '../core/registry.ts';
import { opens } from '../model/kinds.ts';
import type { Restarts } from './plan.ts';

/** Options of every protocol that are handed to the sockets when they are opened. */
const OPENED_WITH: readonly string[] = ['queue_bytes', 'queue_messages'];

/**
 * Which changes want sockets and files opened anew: of a specification all, of the options those that the sockets were
 * opened with, and a protocol's own unless it says that it looks at them for each session (`live`). All else is swapped.
 */
export function restartsOf(registry: Registry): Restarts {
  return (definition, field) => {
    if (!opens(definition)) return false;
    const [part, option]: Pointer = parsePointer(field);
    if (part === 'spec') return true;
    if (part !== 'options' || option === undefined) return false;
    const { options = {}, live = [] } = registry[definition.kind](definition.spec.protocol);
    return OPENED_WITH.includes(option) || (Object.hasOwn(options, option) && !live.includes(option));
  };
}
