import { atLeast, type Level, type Log, type Threshold } from '../core/log.ts';
import { FloodGate } from './flood-gate.ts';
import type { Line } from './repeats.ts';

/** The log as a data plane has it: what is not wanted ends here, and no flood goes on to where it is written. */
export class PlaneLog implements Log {
  level: Threshold = 'info';
  onStdout = false;
  readonly #gate: FloodGate;

  /** `pass` is told of the lines that are to be written. */
  constructor(pass: (line: Line) => void) {
    this.#gate = new FloodGate((line) => {
      if (this.enabled(line.level)) pass(line);
    });
  }

  enabled(level: Level): boolean {
    return atLeast(level, this.level);
  }

  write(level: Level, object: string, message: string): void {
    if (this.enabled(level)) this.#gate.write(level, object, message);
  }

  /** Tells what was kept back. */
  close(): void {
    this.#gate.sumUp();
  }
}
