import { formatPointer, type Pointer, parsePointer } from '../core/pointer.ts';
import type { Registry } from '../core/registry.ts';
import { opens } from '../model/kinds.ts';
import type { Restarts } from './plan.ts';

/** Options of every protocol that are handed to the sockets when they are opened. */
const OPENED_WITH: readonly string[] = ['queue_bytes', 'queue_messages'];

/**
 * Which changes want sockets and files opened anew: of a specification all, of the options those that the sockets were
 * opened with and a protocol's own, but for what the protocol takes up in place (`live`). All else is swapped.
 */
export function restartsOf(registry: Registry): Restarts {
  return (definition, field) => {
    if (!opens(definition)) return false;
    const [part, name]: Pointer = parsePointer(field);
    if (name === undefined || (part !== 'spec' && part !== 'options')) return part === 'spec';
    const { kind, spec } = definition;
    const { options = {} } = registry[kind](spec.protocol);
    if (registry.liveOf(kind, spec).includes(formatPointer([part, name]))) return false;
    return part === 'spec' || OPENED_WITH.includes(name) || Object.hasOwn(options, name);
  };
}
