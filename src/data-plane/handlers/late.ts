import { setTimeout as sleep } from 'node:timers/promises';
import type { Log } from '../../core/log.ts';
import { isInUse } from '../../io/node/stream.ts';
import type { Listener } from '../../listener/listener.ts';

/** Milliseconds between two attempts. */
const RETRY = 50;

export interface LateHost {
  readonly log: Log;
  /** An address may be waited for: the process before has it, and is about to end. */
  waits(): boolean;
  /** Rejects with E_BIND. */
  listen(listener: Listener): Promise<void>;
  release(listener: Listener): Promise<void>;
}

/** Listeners that listen as soon as the process before gives their addresses up. */
export class LateListeners {
  readonly #host: LateHost;
  readonly #waiting = new Set<Listener>();

  constructor(host: LateHost) {
    this.#host = host;
  }

  /** Has one wait that could not listen. Throws the error where that is none to wait for. */
  wait(listener: Listener, error: unknown): void {
    if (!this.#host.waits() || !isInUse(error)) throw error;
    this.#host.log.write('notice', listener.name, 'listens when the process before has given the address up');
    this.#waiting.add(listener);
    void this.#retry(listener);
  }

  /** It is to listen no more, or elsewhere. */
  cancel(listener: Listener): void {
    this.#waiting.delete(listener);
  }

  close(): void {
    this.#waiting.clear();
  }

  async #retry(listener: Listener): Promise<void> {
    while (this.#waiting.has(listener)) {
      await sleep(RETRY, undefined, { ref: false });
      if (!this.#waiting.has(listener) || !(await this.#listens(listener))) continue;
      if (this.#waiting.delete(listener)) return;
      await this.#host.release(listener);
    }
  }

  async #listens(listener: Listener): Promise<boolean> {
    try {
      await this.#host.listen(listener);
      return true;
    } catch (error) {
      if (isInUse(error)) return false;
      this.#host.log.write('error', listener.name, (error as Error).message);
      this.#waiting.delete(listener);
      return false;
    }
  }
}
