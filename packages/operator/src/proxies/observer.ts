/** What is told of the proxies, for metrics and the log. Calls are many: whoever listens is quick, and never throws. */
import type { ProxyPod } from '../translation/contract.ts';

/** `check`: has it changed? `read`: the whole configuration. `replace`: the whole is written. The others are of one object. */
export type CallKind = 'check' | 'read' | 'replace' | 'put' | 'delete';

/** `outdated`: somebody else has changed the configuration meanwhile. */
export type CallOutcome = 'ok' | 'unchanged' | 'outdated' | 'refused' | 'unreachable';

export interface ProxiesObserver {
  /** A request is over. */
  called(call: CallKind, outcome: CallOutcome, milliseconds: number): void;
  /** A proxy has what it should have, so many milliseconds after that was said. */
  programmed(pod: ProxyPod, milliseconds: number): void;
  /** These objects of ours were not as they should be, and have been put right: by hand, or since it has lost them. */
  repaired(pod: ProxyPod, names: readonly string[], cause: 'changed' | 'restarted'): void;
  /** It will not have an object; asked again later. */
  refused(pod: ProxyPod, name: string, message: string): void;
  /** It does not answer; asked again after so many milliseconds. */
  unreachable(pod: ProxyPod, message: string, wait: number): void;
}

const nothing = (): void => {};

export const SILENT: ProxiesObserver = {
  called: nothing,
  programmed: nothing,
  repaired: nothing,
  refused: nothing,
  unreachable: nothing,
};
