/** How far what the front has derived is on the proxies. */
import type { Proxies } from '../proxies/contract.ts';
import { type Progress, progressOf as progressOfVerdict } from '../status/progress.ts';
import type { Translation } from '../translation/contract.ts';

/** Of the object of that full name; undefined while the translation does not know it. */
export function progressOf(
  fullName: string,
  { verdicts, proxies: pods }: Pick<Translation, 'verdicts' | 'proxies'>,
  proxies: Pick<Proxies, 'state'>,
): Progress | undefined {
  const verdict = verdicts.get(fullName);
  const name = (uid: string): string => {
    const pod = pods.get(uid);
    return pod ? `${pod.namespace}/${pod.name}` : uid;
  };
  return verdict && progressOfVerdict(verdict, { state: (uid) => proxies.state(uid), name });
}
