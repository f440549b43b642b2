import { isDeepStrictEqual } from 'node:util';
import type { Reconfigurable } from '../../core/protocol.ts';
import type { ClusterDefinition, ListenerDefinition } from '../../model/definitions.ts';
import { failure } from './failure.ts';

/**
 * Whether what a listener or a cluster has opened serves another definition, of which nothing differs that the plan opens
 * anew for. What cannot be reconfigured looks at its options each time, and never at its specification. Rejects with
 * everything as it was.
 */
export async function takesUp<D extends ListenerDefinition | ClusterDefinition>(
  opened: Reconfigurable | undefined,
  before: D,
  after: D,
): Promise<boolean> {
  const sameSpec = isDeepStrictEqual(before.spec, after.spec);
  if (sameSpec && isDeepStrictEqual(before.options, after.options)) return true;
  if (!opened?.reconfigure) return sameSpec;
  return opened.reconfigure(after.spec, after.options).catch((error: unknown) => Promise.reject(failure(after, error)));
}
