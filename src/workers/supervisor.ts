/**
 * A data plane that may fail: it takes its own sessions with it, and another one is started in its place and made to run
 * the same configuration. Who asks for something meanwhile finds it empty, and is not held up.
 */

import { asL7mpError, L7mpError } from '../core/errors.ts';
import type { Log } from '../core/log.ts';
import type {
  DataPlane,
  Ending,
  PlaneSettings,
  PlaneStatus,
  SessionPart,
  SessionQuery,
} from '../data-plane/contract.ts';
import type { Step } from '../model/step.ts';
import type { SessionView } from '../session/answer.ts';
import { type Counters, NO_COUNTERS } from '../telemetry/counters.ts';
import { KeptCounters } from './kept-counters.ts';
import { Program } from './program.ts';

/** One life of it. */
export interface Life {
  readonly plane: DataPlane;
  /** Resolves with why, when it has ended without being told to, and nothing of it is left. */
  readonly failed: Promise<string>;
  /** The life runs what it shall: what those before it had, and it does not want, is given up. */
  begun(): Promise<void>;
  /** Ends it in order, or by force where that takes too long. Nothing is left of it. */
  end(): Promise<void>;
}

/** Starts one. Rejects, and leaves nothing behind, where it cannot. */
export type Start = (settings: PlaneSettings) => Promise<Life>;

/** Milliseconds from a failure to the next start: doubled by each life that is shorter than `STEADY`. */
const FIRST_WAIT = 100;
const LONGEST_WAIT = 30_000;
const STEADY = 60_000;

/** A worker has a place in the list of sockets also while there is none. */
const NOTHING: Counters = { ...NO_COUNTERS, sockets: [0] };

const NO_SESSIONS: SessionPart = { sessions: [], total: 0, more: false };

export class SupervisedPlane implements DataPlane {
  readonly #name: string;
  readonly #start: Start;
  readonly #log: Log;
  readonly #program = new Program();
  readonly #kept = new KeptCounters();
  #settings: PlaneSettings;
  /** The time that it has to drain, while it does: the next one has no sessions, and takes none. */
  #drained: number | undefined;
  /** Undefined while there is none. */
  #life: Life | undefined;
  #began = performance.now();
  #last = NO_COUNTERS;
  #restarts = 0;
  #wait = FIRST_WAIT;
  #timer: NodeJS.Timeout | undefined;
  /** While another one is made to run the configuration. */
  #starting: Promise<void> | undefined;
  /** The change that is under way, and the life that takes part in it. */
  #change: { readonly steps: readonly Step[]; readonly life: Life | undefined } | undefined;
  /** Told when the change is over. */
  #changed: (() => void) | undefined;
  #closed = false;

  private constructor(name: string, start: Start, settings: PlaneSettings, log: Log) {
    this.#name = name;
    this.#start = start;
    this.#settings = settings;
    this.#log = log;
  }

  /** Starts the first one. Rejects where it cannot. `name`: for the log. */
  static async start(name: string, start: Start, settings: PlaneSettings, log: Log): Promise<SupervisedPlane> {
    const supervised = new SupervisedPlane(name, start, settings, log);
    const life = await start(settings);
    supervised.#live(life);
    await life.begun();
    return supervised;
  }

  // ------------------------------------------------------------------ changes

  async configure(settings: PlaneSettings): Promise<void> {
    await this.#starting;
    await this.#life?.plane.configure(settings);
    this.#settings = settings;
  }

  async release(steps: readonly Step[]): Promise<void> {
    await this.#starting;
    const life = this.#life;
    this.#change = { steps, life };
    try {
      await life?.plane.release(steps);
    } catch (error) {
      this.#over();
      throw error;
    }
  }

  async take(): Promise<void> {
    const life = this.#change?.life;
    // A change that makes it fail must not be taken.
    if (life !== this.#life) throw new L7mpError('E_INTERNAL', `${this.#name} has failed meanwhile`);
    await life?.plane.take();
  }

  async settle(endings: readonly Ending[]): Promise<void> {
    const { steps = [], life = this.#life } = this.#change ?? {};
    this.#program.follow(steps);
    this.#kept.forget(steps);
    // Where it fails now, the next one is made to run what the change has come to.
    await life?.plane.settle(endings).catch(() => {});
    this.#over();
  }

  async undo(): Promise<void> {
    const life = this.#change?.life;
    try {
      if (life === this.#life) await life?.plane.undo();
    } catch (error) {
      // Of one that has failed there is nothing to be taken back.
      if (life === this.#life) throw error;
    } finally {
      this.#over();
    }
  }

  #over(): void {
    this.#change = undefined;
    this.#changed?.();
  }

  // ------------------------------------------------------------------ questions

  sessions(query: SessionQuery): Promise<SessionPart> {
    return this.#ask((plane) => plane.sessions(query), NO_SESSIONS);
  }

  session(name: string): Promise<SessionView | undefined> {
    return this.#ask((plane) => plane.session(name), undefined);
  }

  endSession(name: string): Promise<boolean> {
    return this.#ask((plane) => plane.endSession(name), false);
  }

  async counters(): Promise<Counters> {
    const life = this.#life;
    const counters = await this.#ask((plane) => plane.counters(), NO_COUNTERS);
    if (life === this.#life && counters !== NO_COUNTERS) this.#last = counters;
    const present = this.#life && life === this.#life ? this.#last : NOTHING;
    return { ...this.#kept.with(present), restarts: this.#restarts };
  }

  async status(): Promise<PlaneStatus> {
    const offload = { on: false, why: `${this.#name} does not run`, interfaces: [], flows: 0, capacity: 0 };
    return this.#ask((plane) => plane.status(), { io: { engine: 'none' }, offload, sessions: 0 });
  }

  async drain(timeout: number | undefined): Promise<void> {
    await this.#starting;
    await this.#life?.plane.drain(timeout);
    this.#drained = timeout;
  }

  reopen(): Promise<void> {
    return this.#ask((plane) => plane.reopen(), undefined);
  }

  async close(): Promise<void> {
    this.#closed = true;
    clearTimeout(this.#timer);
    await this.#starting;
    await this.#life?.end();
  }

  /** One that does not answer is as good as none. */
  async #ask<T>(what: (plane: DataPlane) => Promise<T>, otherwise: T): Promise<T> {
    try {
      return this.#life ? await what(this.#life.plane) : otherwise;
    } catch (error) {
      this.#log.write('warn', this.#name, asL7mpError(error).message);
      return otherwise;
    }
  }

  // ------------------------------------------------------------------ failures

  #live(life: Life): void {
    this.#life = life;
    this.#began = performance.now();
    void life.failed.then((why) => this.#failed(life, why));
  }

  #failed(life: Life, why: string): void {
    if (this.#closed || this.#life !== life) return;
    this.#kept.keep(this.#last);
    this.#last = NO_COUNTERS;
    this.#life = undefined;
    if (performance.now() - this.#began >= STEADY) this.#wait = FIRST_WAIT;
    const message = `it has failed, and its sessions with it; it is started again in ${this.#wait} ms: ${why}`;
    this.#log.write('error', this.#name, message);
    this.#startLater();
  }

  #startLater(): void {
    if (this.#closed) return;
    this.#timer = setTimeout(() => void this.#startAgain(), this.#wait);
    this.#wait = Math.min(2 * this.#wait, LONGEST_WAIT);
  }

  async #startAgain(): Promise<void> {
    if (this.#change) await new Promise<void>((resolve) => (this.#changed = resolve));
    this.#changed = undefined;
    if (this.#closed) return;
    this.#starting = this.#startOnce();
    await this.#starting;
    this.#starting = undefined;
  }

  /** Does not reject. */
  async #startOnce(): Promise<void> {
    let life: Life | undefined;
    try {
      life = await this.#start(this.#settings);
      if (this.#drained !== undefined) await life.plane.drain(this.#drained);
      await program(life, this.#program.steps());
      this.#restarts++;
      this.#live(life);
      await life.begun();
      this.#log.write('notice', this.#name, 'it runs again');
    } catch (error) {
      const message = `it cannot be started, and is tried again in ${this.#wait} ms: ${asL7mpError(error).message}`;
      this.#log.write('error', this.#name, message);
      await life?.end();
      this.#startLater();
    }
  }
}

async function program({ plane, failed }: Life, steps: readonly Step[]): Promise<void> {
  const whole = async (): Promise<void> => {
    await plane.release(steps);
    await plane.take();
    await plane.settle([]);
  };
  const broken = failed.then((why) => {
    throw new L7mpError('E_INTERNAL', why);
  });
  await Promise.race([whole(), broken]);
}
