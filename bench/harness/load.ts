/** The programs of bench/load: compiled here, started, and talked to. */
import { execFile } from 'node:child_process';
import { mkdirSync, readdirSync } from 'node:fs';
import { homedir } from 'node:os';
import { join } from 'node:path';
import { createInterface, type Interface } from 'node:readline';
import { promisify } from 'node:util';
import { at, here, type Network, type Where } from './network.ts';
import { type Child, launch } from './processes.ts';
import type { Row } from './types.ts';

const SOURCES = join(import.meta.dirname, '..', 'load');
export const CACHE = join(process.env.XDG_CACHE_HOME || join(homedir(), '.cache'), 'l7mp-bench');
const BINARIES = join(CACHE, 'load');

/** The longest that a server of the load may live, in seconds: longer than any row takes. */
const SERVER_LIFE = 3_600;
const SETUP_TIME = 60_000;
const EXTRA_TIME = 15_000;

export async function compile(): Promise<void> {
  mkdirSync(BINARIES, { recursive: true });
  const programs = readdirSync(SOURCES).filter((name) => name.endsWith('.c'));
  const flags = ['-O2', '-Wall', '-Wextra', '-Werror'];
  await Promise.all(
    programs.map((name) =>
      promisify(execFile)('gcc', [...flags, '-o', join(BINARIES, name.slice(0, -2)), join(SOURCES, name)]),
    ),
  );
}

/** One program, and its lines. */
export class Load {
  readonly child: Child;
  readonly #lines: Interface;
  readonly #waiting: ((line: string) => void)[] = [];
  readonly #received: string[] = [];

  constructor(program: string, args: readonly (string | number)[], where: Where = here) {
    const command = where({ file: join(BINARIES, program), args: args.map(String) });
    this.child = launch(program, command, 'load', true);
    const { stdout } = this.child.process;
    if (!stdout) throw new Error(`${program}: no output`);
    this.#lines = createInterface({ input: stdout });
    this.#lines.on('line', (line) => {
      const next = this.#waiting.shift();
      if (next) next(line);
      else this.#received.push(line);
    });
  }

  /** Rejects, and ends the program, where it says nothing in time. */
  async line(milliseconds: number): Promise<string> {
    const received = this.#received.shift();
    if (received !== undefined) return received;
    let timer: NodeJS.Timeout | undefined;
    const line = new Promise<string>((done) => this.#waiting.push(done));
    const late = new Promise<never>((_, reject) => {
      timer = setTimeout(
        () => reject(new Error(`${this.child.name}: nothing in ${milliseconds / 1_000} s`)),
        milliseconds,
      );
    });
    const ended = this.child.ended.then((why): never => {
      throw new Error(`${this.child.name}: ${why}`);
    });
    try {
      return await Promise.race([line, late, ended]);
    } catch (error) {
      this.child.kill();
      throw error;
    } finally {
      clearTimeout(timer);
    }
  }

  async ready(): Promise<void> {
    const line = await this.line(SETUP_TIME);
    if (line !== 'ready') throw new Error(`${this.child.name} says ${line}`);
  }

  go(): void {
    this.child.process.stdin?.write('go\n');
  }

  /** What it has counted, when it has ended. */
  async result(seconds: number): Promise<Record<string, number>> {
    const line = await this.line(seconds * 1_000 + EXTRA_TIME);
    await this.child.stop();
    return JSON.parse(line);
  }
}

export async function startServer([program, ...args]: Row['server'], network: Network, port: number): Promise<Child> {
  const server = new Load(program, [at(network.server, port), SERVER_LIFE, ...args], network.atServer);
  await server.ready();
  return server.child;
}
