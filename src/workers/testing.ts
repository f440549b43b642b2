/** A data plane that only remembers what it was asked, for tests. */
import { L7mpError } from '../core/errors.ts';
import type {
  DataPlane,
  Ending,
  ListedSession,
  PlaneSettings,
  PlaneStatus,
  SessionPart,
  SessionQuery,
} from '../data-plane/contract.ts';
import { SETTINGS } from '../data-plane/testing-samples.ts';
import { keyOf } from '../model/definitions.ts';
import type { Step } from '../model/step.ts';
import type { SessionView } from '../session/answer.ts';
import { type Counters, NO_COUNTERS } from '../telemetry/counters.ts';

type Call = 'configure' | 'release' | 'take' | 'settle' | 'undo' | 'drain' | 'close';

export class FakePlane implements DataPlane {
  /** What it was asked, in order. */
  readonly calls: string[] = [];
  /** The objects that it runs. */
  readonly objects = new Set<string>();
  settings = SETTINGS;
  drained: number | undefined;
  ids: number[] = [];
  counts: Counters = NO_COUNTERS;
  /** What it rejects, and with what. */
  readonly failing = new Map<Call, string>();
  #steps: readonly Step[] = [];

  async configure(settings: PlaneSettings): Promise<void> {
    this.#do('configure');
    this.settings = settings;
  }

  async release(steps: readonly Step[]): Promise<void> {
    this.#do('release');
    this.#steps = steps;
  }

  async take(): Promise<void> {
    this.#do('take');
    for (const { after } of this.#steps) if (after) this.objects.add(keyOf(after));
  }

  async settle(_endings: readonly Ending[]): Promise<void> {
    this.#do('settle');
    for (const { before, after } of this.#steps) if (before && !after) this.objects.delete(keyOf(before));
  }

  async undo(): Promise<void> {
    this.#do('undo');
    for (const { before, after } of this.#steps) if (after && !before) this.objects.delete(keyOf(after));
  }

  async sessions({ limit, after }: SessionQuery): Promise<SessionPart> {
    const later = this.ids.filter((id) => id > after);
    const sessions = later.slice(0, limit).map((id): ListedSession => ({ id, view: { name: `s${id}` } }));
    return { sessions, total: this.ids.length, more: later.length > limit };
  }

  async session(name: string): Promise<SessionView | undefined> {
    return this.#has(name) ? ({ name } as SessionView) : undefined;
  }

  async endSession(name: string): Promise<boolean> {
    const found = this.#has(name);
    this.ids = this.ids.filter((id) => `s${id}` !== name);
    return found;
  }

  async counters(): Promise<Counters> {
    return this.counts;
  }

  async status(): Promise<PlaneStatus> {
    return {
      io: { engine: 'fake' },
      offload: { on: false, interfaces: [], flows: 1, capacity: 10 },
      sessions: this.ids.length,
    };
  }

  async drain(timeout: number | undefined): Promise<void> {
    this.#do('drain');
    this.drained = timeout;
  }

  async reopen(): Promise<void> {
    this.calls.push('reopen');
  }

  async close(): Promise<void> {
    this.#do('close');
  }

  #has(name: string): boolean {
    return this.ids.some((id) => `s${id}` === name);
  }

  #do(call: Call): void {
    this.calls.push(call);
    const failure = this.failing.get(call);
    if (failure !== undefined) throw new L7mpError('E_BIND', failure);
  }
}
