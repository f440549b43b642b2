/** The real command in a process of its own, as a user starts it. */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join, resolve } from 'node:path';
import type { TestContext } from 'node:test';
import { readSource } from '../../src/config/load.ts';
import { FIRST_PORT, freePort } from '../../src/testing/ports.ts';
import { until } from '../../src/testing/until.ts';

/** Milliseconds that it has to end when it is told to: what is wrong takes so long, and a busy machine is given time. */
const PATIENCE = 30_000;

export const ROOT = join(import.meta.dirname, '..', '..');
export const L7MP = join(ROOT, 'bin', 'l7mp');

/** A process and what it has written so far, which ends with the test. */
export class Command {
  readonly child: ChildProcess;
  stdout = '';
  stderr = '';

  constructor(t: TestContext, command: string, args: readonly string[], cwd = ROOT) {
    this.child = spawn(command, args, { cwd, stdio: ['pipe', 'pipe', 'pipe'] });
    this.child.on('error', (error) => {
      this.stderr += `${error.message}\n`;
    });
    this.child.stdout?.on('data', (data) => {
      this.stdout += data;
    });
    this.child.stderr?.on('data', (data) => {
      this.stderr += data;
    });
    t.after(() => this.stop());
  }

  get output(): string {
    return `${this.stdout}${this.stderr}`;
  }

  get over(): boolean {
    return this.child.exitCode !== null || this.child.signalCode !== null || this.child.pid === undefined;
  }

  /** Waits until the proxy says that it runs. Rejects, with what it said, where it ends instead. */
  async running(): Promise<this> {
    await until(() => /version \S+ runs/.test(this.output) || this.over, 'the proxy runs');
    if (this.over) throw new Error(this.output);
    return this;
  }

  /** Ends it as a terminal does, and gives its status: null where it had to be killed. */
  async stop(): Promise<number | null> {
    if (!this.over) {
      this.child.kill('SIGINT');
      const timer = setTimeout(() => this.child.kill('SIGKILL'), PATIENCE);
      await once(this.child, 'exit');
      clearTimeout(timer);
    }
    return this.child.exitCode;
  }
}

export interface Started {
  readonly command: Command;
  /** The port that stands for one of the file's. */
  port(written: number): number;
}

/** Ports are free when they are chosen, and may be taken when they are used: then everything is tried again. */
const ATTEMPTS = 5;

/** Starts the command with a configuration file, of which a copy has free ports, and files in a folder of its own. */
export async function startWith(t: TestContext, file: string, options: readonly string[] = []): Promise<Started> {
  const config = (await readSource(file)).value;
  const folder = await mkdtemp(join(tmpdir(), 'l7mp-command-'));
  t.after(() => rm(folder, { recursive: true, force: true }));
  for (let attempt = 1; ; attempt++) {
    const ports = await portsFor(config);
    const copy = join(folder, 'config.json');
    await writeFile(copy, JSON.stringify(moved(config, ports, dirname(file), folder)));
    const command = new Command(t, L7MP, ['-c', copy, ...options]);
    try {
      await command.running();
      return { command, port: (written) => ports.get(written) ?? written };
    } catch (error) {
      if (attempt === ATTEMPTS || !(error as Error).message.includes('cannot listen')) throw error;
    }
  }
}

/** Starts the command with a configuration, whose ports stand for free ones. */
export async function startConfig(t: TestContext, config: object, options: readonly string[] = []): Promise<Started> {
  return startWith(t, await writeConfig(t, config), options);
}

/** A file with a configuration, that goes with the test. */
export async function writeConfig(t: TestContext, config: object): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'l7mp-config-'));
  t.after(() => rm(folder, { recursive: true, force: true }));
  const file = join(folder, 'config.json');
  await writeFile(file, JSON.stringify(config));
  return file;
}

/** A free port for each that the configuration names, but not for those that a test has got by `freePort`. */
async function portsFor(config: unknown): Promise<Map<number, number>> {
  const ports = new Map<number, number>();
  const pending = [config];
  for (let value = pending.pop(); value !== undefined; value = pending.pop()) {
    if (typeof value !== 'object' || value === null) continue;
    const { port } = value as { port?: unknown };
    if (typeof port === 'number' && port < FIRST_PORT && !ports.has(port)) ports.set(port, await freePort());
    pending.push(...Object.values(value));
  }
  return ports;
}

/** The configuration with those ports, with its plugins where they are, and its logs in `folder`. */
function moved(config: unknown, ports: ReadonlyMap<number, number>, home: string, folder: string): unknown {
  return JSON.parse(JSON.stringify(config), (key, value) => {
    if (key === 'port') return ports.get(value) ?? value;
    if (key === 'access_log_path') return join(folder, 'access.log');
    if (key === 'plugins') return value.map((name: string) => (name.startsWith('.') ? resolve(home, name) : name));
    return value;
  });
}
