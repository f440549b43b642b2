import type { Log } from '../core/log.ts';
import { isInUse } from '../io/node/stream.ts';

/** Milliseconds between two rounds of attempts. */
const RETRY = 50;
/** Attempts in vain that end a round: a port may be held for hours, and asking for ten thousand is some work. */
const IN_VAIN = 16;

export interface LatePortsHost<T> {
  readonly log: Log;
  /** The listener's name. */
  readonly name: string;
  /** Rejects with E_BIND. */
  open(port: number): Promise<T>;
  opened(port: number, one: T): void;
}

/** Ports of a range that are listened on as soon as the process before gives them up, each by itself. */
export class LatePorts<T extends { close(): Promise<void> }> {
  readonly #host: LatePortsHost<T>;
  /** The next one to be tried is the first. */
  #waiting: number[] = [];
  #timer: NodeJS.Timeout | undefined;
  #round: Promise<void> | undefined;
  #closed = false;

  constructor(host: LatePortsHost<T>) {
    this.#host = host;
  }

  add(ports: readonly number[]): void {
    this.#waiting.push(...ports);
  }

  /** Waits for those that were added. */
  begin(): void {
    if (this.#waiting.length === 0) return;
    const { log, name } = this.#host;
    log.write(
      'notice',
      name,
      `listens on ${this.#waiting.length} of its ports when the process before has given them up`,
    );
    this.#retryLater();
  }

  /** Waits for none but these. Resolves when no other one is on its way. */
  async keep(isKept: (port: number) => boolean): Promise<void> {
    await this.#round;
    this.#waiting = this.#waiting.filter(isKept);
  }

  /** Waits for no more. Resolves when nothing is on its way. */
  async close(): Promise<void> {
    this.#closed = true;
    clearTimeout(this.#timer);
    await this.#round;
  }

  #retryLater(): void {
    if (this.#closed || this.#waiting.length === 0) return;
    this.#timer = setTimeout(() => {
      this.#round = this.#retry().then(() => this.#retryLater());
    }, RETRY).unref();
  }

  async #retry(): Promise<void> {
    let inVain = 0;
    for (let left = this.#waiting.length; left > 0 && inVain < IN_VAIN && !this.#closed; left--) {
      const port = this.#waiting.shift() as number;
      if (await this.#opens(port)) continue;
      inVain++;
      this.#waiting.push(port);
    }
  }

  /** Whether it is done with a port. */
  async #opens(port: number): Promise<boolean> {
    try {
      const one = await this.#host.open(port);
      this.#host.opened(port, one);
      return true;
    } catch (error) {
      if (isInUse(error)) return false;
      this.#host.log.write('error', this.#host.name, (error as Error).message);
      return true;
    }
  }
}
