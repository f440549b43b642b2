import type {
  DataPlane,
  Ending,
  PlaneSettings,
  PlaneStatus,
  SessionPart,
  SessionQuery,
} from '../data-plane/contract.ts';
import { releases, type Step } from '../model/step.ts';
import type { SessionView } from '../session/answer.ts';
import type { Counters } from '../telemetry/counters.ts';
import { type Calls, LateError } from './calls.ts';
import type { WorkerCalls } from './contract.ts';

/** Milliseconds that an answer may take. A start loads all modules, also where the machine has much else to do. */
const START_TIME = 120_000;
/** A change may resolve names, and open files on a slow disk. */
const CHANGE_TIME = 30_000;
const ANSWER_TIME = 10_000;
/** Of closing: what was written has a second to leave. */
const CLOSE_TIME = 3_000;

type ChangeCall = 'open' | 'configure' | 'release' | 'take' | 'settle' | 'undo' | 'drain';

/** A data plane in a worker, as the main thread has it: each call rejects where the worker does not answer in time, or ends. */
export class RemoteDataPlane implements DataPlane {
  readonly #calls: Calls<WorkerCalls>;
  readonly #stuck: () => void;

  /** The change that is under way. */
  #steps: readonly Step[] = [];
  /** The worker knows them. Each message wakes it up, and each answer the main thread: what has nothing to do is not asked. */
  #told = false;

  /** `stuck`: it does not answer to a change. What it makes of that nobody knows. */
  constructor(calls: Calls<WorkerCalls>, stuck: () => void) {
    this.#calls = calls;
    this.#stuck = stuck;
  }

  open(): Promise<void> {
    return this.#change('open');
  }

  configure(settings: PlaneSettings): Promise<void> {
    return this.#change('configure', settings);
  }

  async release(steps: readonly Step[]): Promise<void> {
    const told = steps.some(releases);
    this.#steps = steps;
    this.#told = told;
    if (told) await this.#change('release', steps);
  }

  async take(): Promise<void> {
    if (!this.#told && this.#steps.every(isDeleted)) return;
    await this.#change('take', this.#tell());
  }

  async settle(endings: readonly Ending[]): Promise<void> {
    const steps = this.#steps;
    const untold = this.#tell();
    // What comes has come: nobody can see whether it has been settled.
    if (endings.length === 0 && steps.every(isKept)) this.#calls.tell('settle', endings, untold);
    else await this.#change('settle', endings, untold);
  }

  async undo(): Promise<void> {
    if (this.#told) await this.#change('undo');
  }

  sessions(query: SessionQuery): Promise<SessionPart> {
    return this.#calls.call('sessions', [query], { timeout: ANSWER_TIME });
  }

  session(name: string): Promise<SessionView | undefined> {
    return this.#calls.call('session', [name], { timeout: ANSWER_TIME });
  }

  endSession(name: string): Promise<boolean> {
    return this.#calls.call('endSession', [name], { timeout: ANSWER_TIME });
  }

  counters(): Promise<Counters> {
    return this.#calls.call('counters', [], { timeout: ANSWER_TIME });
  }

  status(): Promise<PlaneStatus> {
    return this.#calls.call('status', [], { timeout: ANSWER_TIME });
  }

  drain(timeout: number | undefined): Promise<void> {
    return this.#change('drain', timeout);
  }

  reopen(): Promise<void> {
    return this.#calls.call('reopen', [], { timeout: ANSWER_TIME });
  }

  close(): Promise<void> {
    return this.#calls.call('close', [], { timeout: CLOSE_TIME });
  }

  /** The steps, where the worker has not heard of them yet. */
  #tell(): readonly Step[] | undefined {
    if (this.#told) return undefined;
    this.#told = true;
    return this.#steps;
  }

  async #change<M extends ChangeCall>(method: M, ...args: Parameters<WorkerCalls[M]>): Promise<void> {
    try {
      const timeout = method === 'open' ? START_TIME : CHANGE_TIME;
      await this.#calls.call<ChangeCall>(method, args as never, { timeout });
    } catch (error) {
      if (error instanceof LateError) this.#stuck();
      throw error;
    }
  }
}

function isDeleted({ action, order }: Step): boolean {
  return action === 'delete' && order === undefined;
}

function isKept({ action }: Step): boolean {
  return action === 'create' || action === 'update';
}
