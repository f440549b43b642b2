/** What a proxy will not have: its words, and when it is asked again. */
import type { Wish } from '../translation/contract.ts';
import type { Step } from './diff.ts';
import type { Kind, Wished } from './objects.ts';

interface Refusal {
  readonly step: Step;
  readonly message: string;
  /** How often it was refused, and when it is asked for again, as `performance.now()` has it. */
  readonly times: number;
  readonly due: number;
}

const keyOf = ({ kind, name }: { readonly kind: string; readonly name: string }) => `${kind} ${name}`;

export class Refusals {
  readonly #all = new Map<string, Refusal>();
  readonly #wait: (times: number) => number;

  /** `wait`: milliseconds after so many refusals. */
  constructor(wait: (times: number) => number) {
    this.#wait = wait;
  }

  add(step: Step, message: string): void {
    const key = keyOf(step);
    const before = this.#all.get(key);
    const times = before && before.step.wished === step.wished ? before.times + 1 : 1;
    this.#all.set(key, { step, message, times, due: performance.now() + this.#wait(times) });
  }

  settled(step: Step): void {
    this.#all.delete(keyOf(step));
  }

  clear(): void {
    this.#all.clear();
  }

  get isEmpty(): boolean {
    return this.#all.size === 0;
  }

  /** When the next one is asked for again; Infinity for none. */
  get due(): number {
    return Math.min(...Array.from(this.#all.values(), ({ due }) => due));
  }

  /** The steps, without those that would be refused again, with those that are to be tried again, for which it is time. */
  applied(steps: readonly Step[], want: Wish): readonly Step[] {
    if (this.isEmpty) return steps;
    const planned = unique(steps.map((step) => this.#whole(step, want)));
    const keys = new Set(planned.map(keyOf));
    this.#forget(keys, want);
    const now = performance.now();
    const again = [...this.#all].filter(([key, { due }]) => due <= now && !keys.has(key));
    return [...again.map(([, { step }]) => step), ...planned.filter((step) => !this.#waits(step, now))];
  }

  /** Objects that are left out of a whole configuration, by what is wished, with what stays in their place. */
  waiting(have: Wish): Map<Wished, Wished | undefined> {
    const now = performance.now();
    const waiting = [...this.#all.values()].filter(({ step, due }) => step.action === 'put' && due > now);
    return new Map(
      waiting.flatMap(({ step: { kind, name, wished } }) =>
        wished && kind !== 'endpoints' ? [[wished, have[kind].get(name)] as const] : [],
      ),
    );
  }

  /** By the full name of the object that they are about. */
  messages(): ReadonlyMap<string, string> {
    return new Map(Array.from(this.#all.values(), ({ step, message }) => [step.owner, message]));
  }

  #waits(step: Step, now: number): boolean {
    const refusal = this.#all.get(keyOf(step));
    return refusal !== undefined && refusal.step.wished === step.wished && refusal.due > now;
  }

  /** A cluster that was refused is not there, so its endpoints cannot be changed one by one. */
  #whole(step: Step, want: Wish): Step {
    const refusal = this.#all.get(keyOf({ kind: 'clusters', name: step.owner }));
    const wished = want.clusters.get(step.owner);
    if (step.kind !== 'endpoints' || !refusal || !wished) return step;
    return { action: 'put', kind: 'clusters', name: step.owner, owner: step.owner, wished, had: undefined };
  }

  /** What is not wished any more, or wished otherwise by now, is nobody's any more. */
  #forget(planned: ReadonlySet<string>, want: Wish): void {
    for (const [key, { step }] of this.#all) if (!planned.has(key) && !isWished(step, want)) this.#all.delete(key);
  }
}

function isWished(step: Step, want: Wish): boolean {
  const { kind, name, owner } = step;
  if (step.action === 'delete') return !there(want, kind, name, owner);
  return there(want, kind, name, owner) === step.wished;
}

function there(want: Wish, kind: Kind | 'endpoints', name: string, owner: string): Wished | undefined {
  return kind === 'endpoints' ? want.clusters.get(owner)?.endpoints.get(name) : want[kind].get(name);
}

function unique(steps: readonly Step[]): Step[] {
  return [...new Map(steps.map((step) => [keyOf(step), step])).values()];
}
