/** The process groups that a process has begun and that have not ended. */
import type { Child } from './start.ts';

/** Sends a signal to all that a child has started and that has not left its group. Returns whether there is anybody. */
export function signalGroup(leader: number, signal: NodeJS.Signals | 0): boolean {
  try {
    return process.kill(-leader, signal);
  } catch (error) {
    // Somebody is there who has another user now.
    return (error as NodeJS.ErrnoException).code === 'EPERM';
  }
}

/** Ends those that are left when the process ends. */
export class Children {
  readonly #groups = new Set<number>();
  #waiting: (() => void)[] = [];
  readonly #kill = (): void => {
    for (const leader of this.#groups) signalGroup(leader, 'SIGKILL');
  };

  /** `delete` has to follow, once nobody of its group is left. */
  add({ pid }: Child): void {
    if (this.#groups.size === 0) process.on('exit', this.#kill);
    this.#groups.add(pid);
  }

  delete({ pid }: Child): void {
    if (!this.#groups.delete(pid) || this.#groups.size > 0) return;
    process.off('exit', this.#kill);
    for (const resolve of this.#waiting.splice(0)) resolve();
  }

  /** Resolves when there is none. */
  gone(): Promise<void> {
    if (this.#groups.size === 0) return Promise.resolve();
    return new Promise((resolve) => this.#waiting.push(resolve));
  }
}
