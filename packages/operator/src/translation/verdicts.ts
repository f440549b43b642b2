/** What is said of an object. */
import { isDeepStrictEqual } from 'node:util';
import type { Condition } from '../resources/objects.ts';
import type { Verdict } from './contract.ts';
import type { Group } from './groups.ts';
import type { Problem } from './scope.ts';
import { UnionOfSets } from './union.ts';
import type { Unit } from './unit.ts';

/** Of what is wrong with an object, so much is told; the rest is counted. */
const MAX_TOLD = 5;

/** `groups`: those in which it is, or in which it is in conflict. */
export function judge({ identity, invalid, problems }: Unit, groups: Iterable<Group>): Verdict {
  const { name, key, uid, generation, owners } = identity;
  const having: ReadonlySet<string>[] = [];
  const conflicts = new Map<string, string>();
  /** What it refers to and what is not on pods that it is on, with their number. */
  const missing = new Map<string, number>();
  for (const { arrangement, pods } of groups) {
    const why = arrangement.conflicts.get(name);
    if (why === undefined) having.push(pods);
    else for (const pod of pods) conflicts.set(pod, why);
    for (const used of arrangement.missing.get(name) ?? []) missing.set(used, (missing.get(used) ?? 0) + pods.size);
  }
  return {
    key,
    uid,
    generation,
    owners,
    fullName: name,
    conditions: [accepted(invalid), resolved([...problems, ...problemsOf(missing)])],
    proxies: new UnionOfSets(having),
    conflicts,
  };
}

/** Whether two say the same. */
export function isSameVerdict(a: Verdict, b: Verdict): boolean {
  const { proxies: _, ...one } = a;
  const { proxies: __, ...other } = b;
  return isDeepStrictEqual(one, other) && (a.proxies as UnionOfSets<string>).equals(b.proxies as UnionOfSets<string>);
}

function accepted(invalid: string | undefined): Condition {
  return invalid === undefined
    ? { type: 'Accepted', status: 'True', reason: 'Accepted', message: 'the object is valid' }
    : { type: 'Accepted', status: 'False', reason: 'Invalid', message: invalid };
}

function resolved(problems: readonly Problem[]): Condition {
  const [first] = problems;
  if (!first)
    return { type: 'ResolvedRefs', status: 'True', reason: 'ResolvedRefs', message: 'all references are resolved' };
  const messages = [...new Set(problems.map(({ message }) => message))];
  const more = messages.length > MAX_TOLD ? `; and ${messages.length - MAX_TOLD} more` : '';
  const message = `${messages.slice(0, MAX_TOLD).join('; ')}${more}`;
  return { type: 'ResolvedRefs', status: 'False', reason: first.reason, message };
}

function problemsOf(missing: ReadonlyMap<string, number>): Problem[] {
  const sorted = [...missing].sort(([a], [b]) => (a < b ? -1 : 1));
  return sorted.map(([used, count]) => ({
    reason: 'RefNotFound',
    message: `${used} is not on ${count} of the proxies that should have it: its selector matches others, or it is in conflict there`,
  }));
}
