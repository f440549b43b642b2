import type { Readable } from 'node:stream';
import { BINARY, Channel, type CloseReason, type QueueLimits } from '../../core/channel.ts';
import type { Ending } from './ending.ts';
import type { Child } from './start.ts';

/** Milliseconds from the end of a child's output to that of the child, within which the first waits for the second. */
const EXIT_GRACE = 200;

/** How a child has ended: one of both. */
interface Exit {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
}

/** A child's stdin and stdout. Its end is that of the program; a program that a signal has ended is a broken connection. */
export class ChildChannel extends Channel {
  readonly kind = 'stream';
  readonly #child: Child;
  readonly #ending: Ending;
  /** What it is read from. */
  readonly #outputs: readonly Readable[];
  #open: number;
  #exit: Exit | undefined;
  #grace: NodeJS.Timeout | undefined;

  /** `merges`: its stderr is a part of its output. */
  constructor(child: Child, ending: Ending, limits: QueueLimits, merges: boolean) {
    super(limits);
    this.#child = child;
    this.#ending = ending;
    this.#outputs = merges && child.stderr ? [child.stdout, child.stderr] : [child.stdout];
    this.#open = this.#outputs.length;
    for (const output of this.#outputs) this.#read(output);
    child.stdin.on('drain', () => this.drained());
    // It has closed its stdin, which is its right: what is written after that goes nowhere.
    child.stdin.on('error', () => this.drained());
    child.once('exit', (code, signal) => this.#exited({ code, signal }));
  }

  override get halfClose(): boolean {
    return true;
  }

  #read(output: Readable): void {
    output.pause();
    output.on('data', (bytes: Buffer) => this.deliver(bytes, BINARY, true));
    output.on('error', () => {});
    output.once('close', () => this.#outputEnded());
  }

  // ------------------------------------------------------------------ what is written

  protected override send(bytes: Uint8Array): boolean {
    const { stdin } = this.#child;
    if (stdin.writable) return stdin.write(bytes);
    this.drop('send-error');
    return true;
  }

  protected override sendEnd(): void {
    this.#child.stdin.end();
  }

  // ------------------------------------------------------------------ what is read

  protected override holdSource(): void {
    for (const output of this.#outputs) output.pause();
  }

  protected override releaseSource(): void {
    for (const output of this.#outputs) output.resume();
  }

  // ------------------------------------------------------------------ the end

  #outputEnded(): void {
    if (--this.#open > 0) return;
    if (this.#exit) this.#finish(this.#exit);
    else this.#grace = setTimeout(() => this.deliverEnd(), EXIT_GRACE);
  }

  // What it has started may write on.
  #exited(exit: Exit): void {
    this.#exit = exit;
    if (this.#open === 0) this.#finish(exit);
  }

  #finish({ code, signal }: Exit): void {
    clearTimeout(this.#grace);
    this.#ending.begin();
    const { pid } = this.#child;
    if (signal !== null) {
      this.deliverClose({ kind: 'reset', message: `child ${pid} was ended by ${signal}` });
      return;
    }
    const message = `child ${pid} has exited with status ${code}`;
    if (!this.open) return;
    if (code !== 0) this.owner?.fault?.(this, message);
    // Else its close says so.
    else if (this.endSent) this.owner?.note?.(this, message);
    this.deliverEnd();
    this.deliverClose({ kind: 'end', message });
  }

  protected override shut({ kind }: CloseReason): void {
    const { stdin } = this.#child;
    if (kind === 'reset') stdin.destroy();
    else stdin.end();
    // What it still says goes nowhere, and must not hold it up.
    this.releaseSource();
    this.#ending.begin();
  }
}
