/** How far a listener is on the proxies of its Gateway. */
import type { Proxies } from '../proxies/contract.ts';
import type { Translation } from '../translation/contract.ts';

export interface Progress {
  readonly selected: number;
  readonly programmed: number;
  /** Why not on all, as one of them has it. */
  readonly message?: string | undefined;
}

/** Of the VirtualService of that full name; undefined while the translation does not know it. */
export function progressOf(
  fullName: string,
  { verdicts }: Pick<Translation, 'verdicts'>,
  proxies: Pick<Proxies, 'state'>,
): Progress | undefined {
  const verdict = verdicts.get(fullName);
  if (!verdict) return undefined;
  let programmed = 0;
  let [message] = verdict.conflicts.values();
  for (const uid of verdict.proxies) {
    const problem = problemOf(fullName, proxies.state(uid));
    if (problem === undefined) programmed++;
    else message ||= problem;
  }
  return { selected: verdict.proxies.size + verdict.conflicts.size, programmed, message };
}

/** Empty while a proxy is on its way; undefined where it has the object. What was written in an object is refused with it. */
function problemOf(fullName: string, state: ReturnType<Proxies['state']>): string | undefined {
  if (state?.state === 'programmed') return undefined;
  if (state?.state === 'unreachable') return state.message;
  if (state?.state !== 'refused') return '';
  const refused = [...state.objects].find(([name]) => name === fullName || name.startsWith(`${fullName}/`));
  return refused?.[1];
}
