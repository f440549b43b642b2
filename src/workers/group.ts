/** Data planes that act as one: a change is in all of them or in none, lists are merged, counts added. */
import { asL7mpError, L7mpError } from '../core/errors.ts';
import { undoAfter } from '../core/undo.ts';
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
import type { Counters } from '../telemetry/counters.ts';
import { sumCounters } from './sum-counters.ts';

export class PlaneGroup implements DataPlane {
  readonly #planes: readonly DataPlane[];
  readonly #closed: () => Promise<void>;
  #settings: PlaneSettings;
  /** The time that they have to drain, while they do. */
  #drained: number | undefined;

  /** At least one. `settings`: what they were begun with; `closed`: told when all are closed. */
  constructor(planes: readonly DataPlane[], settings: PlaneSettings, closed = async (): Promise<void> => {}) {
    this.#planes = planes;
    this.#closed = closed;
    this.#settings = settings;
  }

  async configure(settings: PlaneSettings): Promise<void> {
    const before = this.#settings;
    await this.#allOrNone(
      (plane) => plane.configure(settings),
      (plane) => plane.configure(before),
    );
    this.#settings = settings;
  }

  /** Resolves when all have released: only then is an address free for another object. */
  release(steps: readonly Step[]): Promise<void> {
    return this.#allOrNone(
      (plane) => plane.release(steps),
      (plane) => plane.undo(),
    );
  }

  async take(): Promise<void> {
    const [failure] = await this.#failures((plane) => plane.take());
    if (failure) throw failure;
  }

  async settle(endings: readonly Ending[]): Promise<void> {
    await this.#failures((plane) => plane.settle(endings));
  }

  async undo(): Promise<void> {
    const failures = await this.#failures((plane) => plane.undo());
    // What is wrong in all of them is said once.
    const messages = new Set(failures.map(({ message }) => message));
    if (messages.size > 0) throw new L7mpError('E_INTERNAL', [...messages].join('; '));
  }

  async sessions(query: SessionQuery): Promise<SessionPart> {
    const parts = await this.#ask((plane) => plane.sessions(query));
    const merged = parts.flatMap(({ sessions }) => sessions).sort((a, b) => a.id - b.id);
    return {
      sessions: merged.slice(0, query.limit),
      total: parts.reduce((total, part) => total + part.total, 0),
      more: merged.length > query.limit || parts.some(({ more }) => more),
    };
  }

  async session(name: string): Promise<SessionView | undefined> {
    const found = await this.#ask((plane) => plane.session(name));
    return found.find((session) => session !== undefined);
  }

  async endSession(name: string): Promise<boolean> {
    return (await this.#ask((plane) => plane.endSession(name))).includes(true);
  }

  async counters(): Promise<Counters> {
    return (await this.#ask((plane) => plane.counters())).reduce(sumCounters);
  }

  async status(): Promise<PlaneStatus> {
    const all = await this.#ask((plane) => plane.status());
    const [first] = all as [PlaneStatus];
    const total = (of: 'flows' | 'capacity'): number => all.reduce((n, { offload }) => n + offload[of], 0);
    const sessions = all.reduce((n, plane) => n + plane.sessions, 0);
    const io = { ...first.io, threads: this.#planes.length };
    return { io, sessions, offload: { ...first.offload, flows: total('flows'), capacity: total('capacity') } };
  }

  /** All drain, or none. */
  async drain(timeout: number | undefined): Promise<void> {
    const before = this.#drained;
    await this.#allOrNone(
      (plane) => plane.drain(timeout),
      (plane) => plane.drain(before),
    );
    this.#drained = timeout;
  }

  async reopen(): Promise<void> {
    await this.#ask((plane) => plane.reopen());
  }

  async close(): Promise<void> {
    await this.#failures((plane) => plane.close());
    await this.#closed();
  }

  #ask<T>(what: (plane: DataPlane) => Promise<T>): Promise<T[]> {
    return Promise.all(this.#planes.map(what));
  }

  /** Resolves when all are done, with why those have failed that have. */
  async #failures(what: (plane: DataPlane) => Promise<void>): Promise<L7mpError[]> {
    const results = await Promise.allSettled(this.#planes.map(what));
    return results.flatMap((result) => (result.status === 'rejected' ? [asL7mpError(result.reason)] : []));
  }

  /** What failed in one is undone in those where it did not. */
  async #allOrNone(
    what: (plane: DataPlane) => Promise<void>,
    undo: (plane: DataPlane) => Promise<void>,
  ): Promise<void> {
    const done: DataPlane[] = [];
    const [failure] = await this.#failures(async (plane) => {
      await what(plane);
      done.push(plane);
    });
    if (failure) await undoAfter(failure, async () => void (await Promise.all(done.map(undo))));
  }
}
