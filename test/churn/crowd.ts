/** Many conversations at a steady pace. */
import { until } from '../../src/testing/until.ts';
import { Talk } from './talk.ts';
import type { Place } from './wires.ts';
import type { Group } from './world.ts';

const TICK = 20;
/** Milliseconds in which what was said last is answered. */
const PATIENCE = 10_000;
/** Conversations that are begun at a time. */
const OPENING = 40;

export class Crowd {
  /** Milliseconds between two lines of a conversation. */
  readonly #pace: number;
  readonly live: Talk[] = [];
  readonly over: Talk[] = [];
  #ids = 0;
  #cursor = 0;
  #timer: NodeJS.Timeout | undefined;

  constructor(pace: number) {
    this.#pace = pace;
  }

  /** Begins conversations, and waits until each has been answered. */
  async open(group: Group, at: Place, count: number): Promise<void> {
    for (let left = count; left > 0; left -= OPENING) {
      const some = Array.from({ length: Math.min(left, OPENING) }, () => new Talk(++this.#ids, group.name));
      await Promise.all(some.map((talk) => begin(talk, group, at)));
      this.live.push(...some);
    }
  }

  /** A short conversation of its own; gives what its client noticed. */
  async probe(group: Group, at: Place): Promise<string | undefined> {
    const talk = new Talk(++this.#ids, group.name);
    await begin(talk, group, at);
    talk.close();
    return talk.notice;
  }

  start(): void {
    const share = TICK / this.#pace;
    this.#timer = setInterval(() => {
      for (let n = Math.ceil(this.live.length * share); n > 0; n--) this.live[this.#cursor++ % this.live.length]?.say();
    }, TICK);
  }

  /** Nothing is said any more, and all that was said is answered, or lost. */
  async stop(): Promise<void> {
    clearInterval(this.#timer);
    const silent = () => this.live.every(({ missing, notice }) => missing === 0 || notice !== undefined);
    await until(silent, 'every line is answered', PATIENCE).catch(() => {});
    this.#close(this.live.slice());
  }

  /** They end here as they ended there. */
  retire(talks: readonly Talk[]): void {
    for (const talk of talks) talk.expected = true;
    this.#close(talks);
  }

  of({ name }: Group): Talk[] {
    return this.live.filter(({ group }) => group === name);
  }

  #close(talks: readonly Talk[]): void {
    for (const talk of talks) {
      talk.close();
      this.live.splice(this.live.indexOf(talk), 1);
      this.over.push(talk);
    }
  }
}

async function begin(talk: Talk, { name, kind }: Group, at: Place): Promise<void> {
  await talk.open((ear) => kind.connect(at, ear));
  try {
    await until(() => talk.answered > 0 || talk.notice !== undefined, `the first answer to one of ${name}`, PATIENCE);
  } catch (error) {
    talk.close();
    throw error;
  }
}
