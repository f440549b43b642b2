/** A process that runs beside the tests, with its log in a file. */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { closeSync, openSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { program } from '../../support/programs.ts';
import { SCRATCH } from './node.ts';

export interface DaemonOptions {
  readonly cwd?: string;
  readonly env?: NodeJS.ProcessEnv;
  /** Milliseconds between SIGTERM and SIGKILL when it is stopped; 10 s where it is left out. */
  readonly grace?: number;
}

/** Of a log that is shown with an error. */
const SHOWN_LINES = 30;

export class Daemon {
  readonly name: string;
  readonly child: ChildProcess;
  readonly #log: string;
  readonly #grace: number;

  /** `name` is that of its log, too: who starts a second one of the name goes on in the same file. */
  constructor(name: string, command: string, args: readonly string[], options: DaemonOptions = {}) {
    this.name = name;
    this.#log = join(SCRATCH, `${name.replaceAll('/', '.')}.log`);
    this.#grace = options.grace ?? 10_000;
    const log = openSync(this.#log, 'a');
    const { cwd = SCRATCH, env = process.env } = options;
    const file = command.startsWith('/') ? command : program(command);
    this.child = spawn(file, args, { cwd, env: withoutRunner(env), stdio: ['ignore', log, log] });
    // A test that has failed does not wait for it; it ends with the test file's process namespace.
    this.child.unref();
    closeSync(log);
  }

  get pid(): number {
    if (this.child.pid === undefined) throw new Error(`${this.name} did not start`);
    return this.child.pid;
  }

  get over(): boolean {
    return this.child.exitCode !== null || this.child.signalCode !== null;
  }

  /** All that it has written. */
  get log(): string {
    return readFileSync(this.#log, 'utf8');
  }

  /** The end of its log, for an error's message. */
  get lastWords(): string {
    return `${this.name}:\n${this.log.split('\n').slice(-SHOWN_LINES).join('\n')}`;
  }

  signal(signal: NodeJS.Signals): void {
    this.child.kill(signal);
  }

  /** Sends a signal, and waits for its end; SIGKILL where it has not come in time. */
  async stop(signal: NodeJS.Signals = 'SIGTERM'): Promise<void> {
    if (this.over) return;
    const exit = once(this.child, 'exit');
    this.child.kill(signal);
    const timer = setTimeout(() => this.child.kill('SIGKILL'), this.#grace);
    await exit;
    clearTimeout(timer);
  }
}

/** Node's runner would take a test's child for one of its own. */
function withoutRunner({ NODE_TEST_CONTEXT: _, ...env }: NodeJS.ProcessEnv): NodeJS.ProcessEnv {
  return env;
}
