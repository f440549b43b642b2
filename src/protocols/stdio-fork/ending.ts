import { type Children, signalGroup } from './children.ts';
import type { Child } from './start.ts';

/** Milliseconds between two looks whether those that got SIGKILL are gone, and how many there are. */
const LOOK = 50;
const LOOKS = 20;

/** Milliseconds in which what the child has written is still read. */
const LAST_WORDS = 1000;

export interface EndingOptions {
  readonly children: Children;
  /** Milliseconds until SIGTERM, and from there to SIGKILL. */
  readonly timeout: number;
  /** Told of what did not end by itself. */
  readonly say: (text: string) => void;
}

/**
 * The end of a child and all that it has started: by itself once its stdin is closed, else by SIGTERM, else by SIGKILL, to
 * its process group.
 */
export class Ending {
  readonly #child: Child;
  readonly #options: EndingOptions;
  #timer: NodeJS.Timeout | undefined;
  #wanted = false;
  #exited = false;

  constructor(child: Child, options: EndingOptions) {
    this.#child = child;
    this.#options = options;
    options.children.add(child);
    child.once('exit', () => this.#leaderEnded());
  }

  /** Its session is over, and its stdin closed. */
  begin(): void {
    if (this.#wanted) return;
    this.#wanted = true;
    if (this.#isOver()) return;
    const { timeout } = this.#options;
    this.#after(timeout, 'SIGTERM', () => this.#after(timeout, 'SIGKILL', () => this.#look(LOOKS)));
  }

  #after(milliseconds: number, signal: NodeJS.Signals, next: () => void): void {
    this.#timer = setTimeout(() => {
      if (this.#isOver()) return;
      this.#options.say(`child ${this.#child.pid} has not ended within ${milliseconds} ms: ${signal}`);
      signalGroup(this.#child.pid, signal);
      next();
    }, milliseconds);
  }

  /** What cannot be killed (a state of the kernel's, a child of its own that nobody waits for) is not waited for. */
  #look(left: number): void {
    if (this.#isOver()) return;
    if (left === 0) {
      this.#options.children.delete(this.#child);
      this.#letGo();
    } else this.#timer = setTimeout(() => this.#look(left - 1), LOOK);
  }

  #leaderEnded(): void {
    this.#exited = true;
    this.#isOver();
  }

  /** Nobody of the group is left. While the leader is, its number is nobody else's. */
  #isOver(): boolean {
    if (!this.#exited || signalGroup(this.#child.pid, 0)) return false;
    clearTimeout(this.#timer);
    this.#options.children.delete(this.#child);
    if (this.#wanted) this.#letGo();
    return true;
  }

  /** Who has left the group, and holds its output open, does not keep our end of it. */
  #letGo(): void {
    const { stdout, stderr } = this.#child;
    setTimeout(() => {
      stdout.destroy();
      stderr?.destroy();
    }, LAST_WORDS).unref();
  }
}
