/** How far an object is on the proxies that it is for. */
import type { Proxies, ProxyState } from '../proxies/contract.ts';
import type { Translation, Verdict } from '../translation/contract.ts';

/** In the order in which the worst is told. */
const REASONS = ['Conflicted', 'ProxyRefused', 'ProxyUnreachable', 'Pending'] as const;

export type Reason = (typeof REASONS)[number];

export interface Progress {
  readonly selected: number;
  /** Those that have it, as it is now. */
  readonly programmed: number;
  /** Why the others have it not: the worst of their reasons. */
  readonly reason?: Reason;
  /** The words of some of the others, the worst first. */
  readonly message?: string;
}

/** What is known of the pods with proxies. */
export interface ProxyView {
  state(uid: string): ProxyState | undefined;
  /** `<namespace>/<name>` of the pod. */
  name(uid: string): string;
}

export function viewOf({ proxies: pods }: Pick<Translation, 'proxies'>, proxies: Pick<Proxies, 'state'>): ProxyView {
  return {
    state: (uid) => proxies.state(uid),
    name: (uid) => {
      const pod = pods.get(uid);
      return pod ? `${pod.namespace}/${pod.name}` : uid;
    },
  };
}

/** Pods that are named in a message; the others are counted. */
const MAX_NAMED = 3;

/** Longest text of a proxy's that goes into a message. */
const MAX_WORDS = 256;

interface Failure {
  readonly reason: Reason;
  readonly uid: string;
  readonly words: string;
}

export function progressOf(verdict: Verdict, view: ProxyView): Progress {
  const failures: Failure[] = [...verdict.conflicts].map(([uid, words]) => ({ reason: 'Conflicted', uid, words }));
  for (const uid of verdict.proxies) {
    const failure = failureOf(verdict.fullName, view.state(uid));
    if (failure) failures.push({ ...failure, uid });
  }
  const selected = verdict.proxies.size + verdict.conflicts.size;
  const programmed = selected - failures.length;
  const reason = REASONS.find((one) => failures.some((failure) => failure.reason === one));
  if (reason === undefined) return { selected, programmed };
  return {
    selected,
    programmed,
    reason,
    message: messageOf(
      failures.filter((one) => one.reason === reason),
      view,
    ),
  };
}

function failureOf(fullName: string, state: ProxyState | undefined): Omit<Failure, 'uid'> | undefined {
  switch (state?.state) {
    case 'programmed':
      return undefined;
    case 'unreachable':
      return { reason: 'ProxyUnreachable', words: state.message };
    case 'refused': {
      const words = refusal(fullName, state.objects);
      return words === undefined ? undefined : { reason: 'ProxyRefused', words };
    }
    default:
      return { reason: 'Pending', words: 'is being programmed' };
  }
}

/** What it consists of stands below its name. */
function refusal(fullName: string, objects: ReadonlyMap<string, string>): string | undefined {
  for (const [name, words] of objects) if (name === fullName || name.startsWith(`${fullName}/`)) return words;
  return undefined;
}

/** The same for the same failures, whatever their order: a message that differs is written. */
function messageOf(failures: readonly Failure[], view: ProxyView): string {
  const named = failures.map(({ uid, words }) => `${view.name(uid)}: ${words.slice(0, MAX_WORDS)}`).sort();
  const more = named.length > MAX_NAMED ? `; and ${named.length - MAX_NAMED} more` : '';
  return `${named.slice(0, MAX_NAMED).join('; ')}${more}`;
}
