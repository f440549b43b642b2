/** Makes of what one proxy has what it should have, and remembers as little as that takes: see README.md. */
import type { Definition, Wish, WishedCluster } from '../translation/contract.ts';
import { culpritIn } from './blame.ts';
import type { Bodies } from './bodies.ts';
import { diff, type Put, type Step } from './diff.ts';
import { type Changed, type Link, Outdated, Refused, Unreachable } from './link.ts';
import type { NormalForms } from './normal-form.ts';
import { hasInline, KINDS, type Kind, WORDS } from './objects.ts';
import type { Others, Reading } from './reading.ts';
import type { Refusals } from './refusals.ts';

/** More changes than that are made by one of the whole configuration. */
const MOST_STEPS = 8;

/** Where no read is needed, the whole is worth it from more changes on than these, and one more for each so many objects in it. */
const FEWEST_STEPS = 3;
const OBJECTS_A_STEP = 32;

/** Objects that are taken out of a whole configuration, one after the other, before the changes are tried one by one. */
const MOST_CULPRITS = 4;

/** How often somebody else may be faster before it is put off. */
const MOST_ROUNDS = 5;

/** What others have made is kept up to this length, in characters, and else read again when it is needed. */
const MOST_OF_OTHERS = 8192;

/** The proxy has what was wished, but for what it has refused, as long as its tag is this one. */
interface Known {
  readonly etag: string;
  readonly wish: Wish;
  /** Undefined where it is too long to be kept. */
  readonly others: Others | undefined;
}

export interface ProgrammerContext {
  readonly bodies: Bodies;
  readonly forms: NormalForms;
}

/** What was not as it should be. */
export interface Repair {
  readonly names: readonly string[];
  readonly restarted: boolean;
}

export class Programmer {
  readonly #context: ProgrammerContext;
  readonly #refusals: Refusals;
  #known: Known | undefined;

  constructor(context: ProgrammerContext, refusals: Refusals) {
    this.#context = context;
    this.#refusals = refusals;
  }

  /** Another proxy, as far as one knows. */
  forget(): void {
    this.#known = undefined;
    this.#refusals.clear();
  }

  /** Whether there is nothing to do for a wish but to look whether the proxy is still as it was. */
  has(want: Wish): boolean {
    return this.#known?.wish === want && this.#refusals.due > performance.now();
  }

  /** Rejects with `Unreachable`, or the reason of the link's signal. */
  async program(link: Link, want: Wish): Promise<void> {
    await this.#program(link, want, undefined);
  }

  /** Looks whether it is still as it was, and puts it right. Gives what was wrong, if anything. Rejects likewise. */
  async check(link: Link, want: Wish): Promise<Repair | undefined> {
    const known = this.#known;
    if (!known) return this.program(link, want).then(() => undefined);
    const reading = await link.check(known.etag);
    if (!reading) return undefined;
    const wrong = await this.#program(link, want, reading);
    const refused = this.#refusals.messages();
    const names = [...wrong].filter((name) => !refused.has(name));
    if (names.length === 0 || this.#known?.etag === reading.etag) return undefined;
    return { names, restarted: startOf(reading.etag) !== startOf(known.etag) };
  }

  // ------------------------------------------------------------------ own

  #diff(have: Wish, want: Wish): Step[] {
    return diff(have, want, this.#context.forms);
  }

  /** `reading`: what it has, if that was read just now. Gives the full names of what was read and was not as wished. */
  async #program(link: Link, want: Wish, reading: Reading | undefined): Promise<ReadonlySet<string>> {
    const wrong = new Set<string>();
    let seen = reading;
    for (let round = 0; round < MOST_ROUNDS; round++) {
      const known = seen ? undefined : this.#known;
      // Until all of it is done, nobody knows what the proxy has.
      this.#known = undefined;
      try {
        if (known) {
          await this.#update(link, known, want);
        } else {
          seen ??= await link.read();
          const steps = this.#diff(seen.ours, want);
          for (const { owner } of steps) wrong.add(owner);
          await this.#bring(link, seen, steps, want);
        }
        return wrong;
      } catch (error) {
        if (!(error instanceof Outdated)) throw error;
        seen = undefined;
      }
    }
    throw new Unreachable('others change its configuration all the time');
  }

  /** From what it had by our own doing. */
  async #update(link: Link, known: Known, want: Wish): Promise<void> {
    const steps = this.#refusals.applied(this.#diff(known.wish, want), want);
    const isWhole = isForWhole(steps);
    const isReplaced = (isWhole || steps.length > stepsForWhole(want)) && (await this.#replaceKnown(link, known, want));
    if (isReplaced) return;
    if (!isWhole) return this.#changeEach(link, known, steps, want, false);
    const reading = await link.read();
    await this.#bring(link, reading, this.#diff(reading.ours, want), want);
  }

  /** From what it says, by the steps from there to what is wished. */
  async #bring(link: Link, reading: Reading, steps: readonly Step[], want: Wish): Promise<void> {
    const isWhole = isForWhole(this.#refusals.applied(steps, want));
    if (isWhole && (await this.#replaceWhole(link, reading, steps, want))) return;
    const from = { etag: reading.etag, others: kept(reading.others) };
    await this.#changeEach(link, from, this.#refusals.applied(steps, want), want, true);
  }

  /** Without a read. False if something is refused, or was: that takes a look at what is there. */
  async #replaceKnown(link: Link, { etag, others }: Known, want: Wish): Promise<boolean> {
    if (!others || !this.#refusals.isEmpty) return false;
    try {
      const replaced = await link.replace(this.#context.bodies.whole(others, want, new Map()), etag);
      this.#known = { etag: replaced.etag, wish: want, others };
      return true;
    } catch (error) {
      if (!(error instanceof Refused)) throw error;
      return false;
    }
  }

  /** False if the proxy will not have it, and does not say for which objects' sake. */
  async #replaceWhole(link: Link, reading: Reading, steps: readonly Step[], want: Wish): Promise<boolean> {
    for (let culprits = 0; culprits <= MOST_CULPRITS; culprits++) {
      const instead = this.#refusals.waiting(reading.ours);
      const body = this.#context.bodies.whole(reading.others, want, instead);
      try {
        const { etag, changes } = await link.replace(body, reading.etag);
        const done = steps.filter(({ wished }) => !wished || !instead.has(wished));
        this.#replaced(done, changes);
        this.#known = { etag, wish: want, others: kept(reading.others) };
        return true;
      } catch (error) {
        if (!(error instanceof Refused)) throw error;
        const step = culpritOf(want, reading.ours, error.message, body);
        if (!step || instead.has(step.wished)) return false;
        this.#refusals.add(step, error.message);
      }
    }
    return false;
  }

  #replaced(steps: readonly Step[], changes: readonly Changed[] | undefined): void {
    const changed = changes && new Set(changes.map(({ kind, name }) => `${kind} ${name}`));
    for (const step of steps) {
      this.#refusals.settled(step);
      if (changed) this.#learn(step, (kind, name) => changed.has(`${WORDS[kind]} ${name}`));
    }
  }

  /** `seen`: what the steps say that there was is what the proxy has said. */
  async #changeEach(
    link: Link,
    { etag, others }: Omit<Known, 'wish'>,
    steps: readonly Step[],
    want: Wish,
    seen: boolean,
  ): Promise<void> {
    let present = etag;
    for (const step of steps) {
      try {
        const next = await link.change(step, present);
        if (seen && next === present) this.#learn(step, () => false);
        present = next;
        this.#refusals.settled(step);
      } catch (error) {
        if (!(error instanceof Refused)) throw error;
        this.#refusals.add(step, error.message);
      }
    }
    this.#known = { etag: present, wish: want, others };
  }

  /** What the proxy says that it has not changed was as wished. */
  #learn({ kind, name, wished, had }: Step, isChanged: (kind: Kind | 'endpoints', name: string) => boolean): void {
    if (!wished || !had) return;
    const learn = (of: Kind | 'endpoints', one: string, before: Definition, after: Definition): void => {
      if (!isChanged(of, one)) this.#context.forms.learn(of, before, after);
    };
    if (kind !== 'clusters') {
      learn(kind, name, had as Definition, wished as Definition);
      return;
    }
    const [before, after] = [had as WishedCluster, wished as WishedCluster];
    learn(kind, name, before.definition, after.definition);
    for (const [endpoint, definition] of after.endpoints) {
      const other = before.endpoints.get(endpoint);
      if (other) learn('endpoints', endpoint, other, definition);
    }
  }
}

/**
 * A port that goes from one listener to another is a change of both at once. What somebody has written inline in an object of
 * ours would outlive that one, if it were deleted by itself.
 */
function isForWhole(steps: readonly Step[]): boolean {
  const listeners = steps.filter(({ kind }) => kind === 'listeners').length;
  return steps.length > MOST_STEPS || listeners > 1 || steps.some(leavesBehind);
}

/** Up to so many changes are made one by one though no read were needed for the whole. */
function stepsForWhole(want: Wish): number {
  return FEWEST_STEPS + KINDS.reduce((sum, kind) => sum + want[kind].size, 0) / OBJECTS_A_STEP;
}

function kept(others: Others): Others | undefined {
  return KINDS.reduce((sum, kind) => sum + others[kind].length, 0) > MOST_OF_OTHERS ? undefined : others;
}

function culpritOf(want: Wish, have: Wish, reason: string, body: Buffer): Put | undefined {
  const culprit = culpritIn(want, reason, body);
  const wished = culprit && want[culprit.kind].get(culprit.name);
  if (!wished) return undefined;
  const { kind, name } = culprit;
  return { action: 'put', kind, name, owner: name, wished, had: have[kind].get(name) };
}

function leavesBehind({ action, kind, had }: Step): boolean {
  return action === 'delete' && had !== undefined && hasInline(kind, had);
}

/** The part of an entity tag that is new at each start of the proxy: what stands before the revision. */
function startOf(etag: string): string {
  return etag.slice(0, etag.lastIndexOf('-'));
}
