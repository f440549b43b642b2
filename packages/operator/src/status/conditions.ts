/** What an object's status should say. Pure functions. */
import { isDeepStrictEqual } from 'node:util';
import type { Condition, OwnStatus } from '../resources/objects.ts';
import type { Verdict } from '../translation/contract.ts';
import type { Progress } from './progress.ts';

/** Of a status the part that is written here. */
export type Written = Required<Pick<OwnStatus, 'conditions' | 'proxies'>>;

/** `before`: the status as it is, whose times are kept where nothing has turned. `now`: RFC 3339. */
export function statusFor(verdict: Verdict, progress: Progress, before: OwnStatus | undefined, now: string): Written {
  const { selected, programmed } = progress;
  const conditions = [...verdict.conditions, programmedOf(verdict, progress)].map((condition) => {
    const last = before?.conditions?.find(({ type }) => type === condition.type);
    const isSame = last?.status === condition.status && last.lastTransitionTime !== undefined;
    const lastTransitionTime = isSame ? last.lastTransitionTime : now;
    return { ...condition, observedGeneration: verdict.generation, lastTransitionTime } as Condition;
  });
  const others = (before?.conditions ?? []).filter(({ type }) => !conditions.some((one) => one.type === type));
  return {
    conditions: [...conditions, ...others],
    proxies: { selected, programmed, text: `${programmed}/${selected}` },
  };
}

export function isWritten(status: OwnStatus | undefined, written: Written): boolean {
  return (
    isDeepStrictEqual(status?.proxies, written.proxies) &&
    isDeepStrictEqual(byType(status?.conditions ?? []), byType(written.conditions))
  );
}

function byType(conditions: readonly Condition[]): Record<string, Condition> {
  return Object.fromEntries(conditions.map((condition) => [condition.type, condition]));
}

function programmedOf(verdict: Verdict, { selected, programmed, reason, message = '' }: Progress): Condition {
  const condition = (status: Condition['status'], why: string, words: string): Condition => ({
    type: 'Programmed',
    status,
    reason: why,
    message: words,
  });
  const refused = verdict.conditions.find(({ type, status }) => type === 'Accepted' && status === 'False');
  if (refused) return condition('False', refused.reason, 'what is not accepted is on no proxy');
  if (selected === 0) return condition('True', 'NoProxies', 'no pod with a proxy is selected');
  if (reason === undefined) return condition('True', 'Programmed', 'every selected proxy has it');
  return condition('False', reason, `${programmed} of ${selected} proxies have it; ${message}`);
}

export interface News {
  readonly type: 'Normal' | 'Warning';
  readonly reason: string;
  readonly note: string;
}

/** What has turned since, and is worth an event: failures, and their ends. That something takes its time is neither. */
export function newsOf(before: OwnStatus | undefined, after: Written): News[] {
  return after.conditions.flatMap((condition): News[] => {
    const last = before?.conditions?.find(({ type }) => type === condition.type);
    const { type, status, reason, message } = condition;
    if (status === 'False') {
      const isNews = last?.status !== 'False' || last.reason !== reason;
      return isNews && reason !== 'Pending' ? [{ type: 'Warning', reason, note: message }] : [];
    }
    const isOver = status === 'True' && last?.status === 'False' && last.reason !== 'Pending';
    return isOver ? [{ type: 'Normal', reason: type, note: message }] : [];
  });
}
