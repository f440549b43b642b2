/** The processes that the bench starts: pinned, bounded, and gone when the bench is gone, whatever ends it. */
import { type ChildProcess, spawn } from 'node:child_process';
import { availableParallelism } from 'node:os';
import { createInterface } from 'node:readline';
import type { Command } from './types.ts';

/** CPU 0 is the proxy's, CPU 1 is for all that surrounds it: why, says README.md. */
export type Cpu = 'proxy' | 'load' | 'any';

const TERM_GRACE = 1_500;
const started = new Set<Child>();
let pinning = availableParallelism() > 1;

export function setPinning(on: boolean): boolean {
  pinning &&= on;
  return pinning;
}

export class Child {
  readonly name: string;
  readonly process: ChildProcess;
  /** Settles, with what it has said last on stderr, when it has ended. */
  readonly ended: Promise<string>;
  over = false;
  #lastWords: string[] = [];

  constructor(name: string, command: Command, cpu: Cpu, wantsInput: boolean) {
    this.name = name;
    // setpriv: the kernel tells the child when this process is gone, by SIGKILL too; by SIGTERM, on which nginx's master
    // ends its worker. detached: a group, to end whole.
    const pin = pinning && cpu !== 'any' ? ['taskset', '-c', cpu === 'proxy' ? '0' : '1'] : [];
    const args = ['--pdeathsig', 'TERM', ...pin, command.file, ...command.args];
    this.process = spawn('setpriv', args, {
      detached: true,
      stdio: [wantsInput ? 'pipe' : 'ignore', wantsInput ? 'pipe' : 'ignore', 'pipe'],
    });
    started.add(this);
    const { stderr } = this.process;
    if (stderr) createInterface({ input: stderr }).on('line', (line) => this.#hear(line));
    // A load program that has failed no longer reads its line.
    this.process.stdin?.on('error', () => {});
    this.ended = new Promise((done) => {
      const end = (why: string): void => {
        this.over = true;
        started.delete(this);
        done(this.#lastWords.join(' | ') || why);
      };
      this.process.once('error', (error) => end(error.message));
      this.process.once('close', (code, signal) => end(`ended with ${signal ?? code}`));
    });
  }

  get pid(): number {
    return this.process.pid ?? 0;
  }

  /** SIGTERM, then SIGKILL, to the whole group. */
  async stop(): Promise<void> {
    this.#kill('SIGTERM');
    const late = setTimeout(() => this.#kill('SIGKILL'), TERM_GRACE);
    await this.ended;
    clearTimeout(late);
    this.kill();
  }

  kill(): void {
    this.#kill('SIGKILL');
  }

  #kill(signal: NodeJS.Signals): void {
    if (!this.pid) return;
    try {
      process.kill(-this.pid, signal);
    } catch {
      // The group is gone.
    }
  }

  #hear(line: string): void {
    if (!line.trim()) return;
    this.#lastWords.push(line.trim().slice(0, 300));
    this.#lastWords = this.#lastWords.slice(-2);
  }
}

export function launch(name: string, command: Command, cpu: Cpu, wantsInput = false): Child {
  return new Child(name, command, cpu, wantsInput);
}

/** For the ways out on which nothing can be waited for. */
export function killAll(): void {
  for (const child of started) child.kill();
}
