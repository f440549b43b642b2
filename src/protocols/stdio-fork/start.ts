import { type ChildProcess, spawn } from 'node:child_process';
import { statSync } from 'node:fs';
import type { Readable, Writable } from 'node:stream';
import { L7mpError } from '../../core/errors.ts';
import type { ForkSpec } from './spec.ts';

/** A program that runs, the leader of a process group of its own. */
export interface Child extends ChildProcess {
  readonly pid: number;
  readonly stdin: Writable;
  readonly stdout: Readable;
  /** Null where nobody wants it. */
  readonly stderr: Readable | null;
}

/** Runs what starts a process. */
export type Starting = <T>(start: () => T) => T;

/** What it is that the machine has no more of: processes, descriptors, memory (fork(2), pipe(2)). */
const SHORTAGES: ReadonlySet<string | undefined> = new Set(['EAGAIN', 'EMFILE', 'ENFILE', 'ENOMEM']);

/** Resolves when the program runs. Rejects with E_CONNECT where it cannot, or E_LIMIT where the machine has no room. */
export async function start(spec: ForkSpec, starting: Starting): Promise<Child> {
  const { command, cwd, env, stderr } = spec;
  const [program = '', ...parameters] = command;
  try {
    const child = starting(() =>
      spawn(program, parameters, {
        cwd,
        env: environment(env),
        stdio: ['pipe', 'pipe', stderr === 'discard' ? 'ignore' : 'pipe'],
        // setsid(2): signals reach all that it starts, and those of the proxy's terminal do not reach it.
        detached: true,
      }),
    );
    await new Promise<void>((resolve, reject) => child.once('spawn', resolve).once('error', reject));
    return child as Child;
  } catch (error) {
    throw failure(program, cwd, error as NodeJS.ErrnoException);
  }
}

function environment(env: ForkSpec['env'] = {}): NodeJS.ProcessEnv {
  const all = Object.entries({ ...process.env, ...env });
  return Object.fromEntries(all.filter((entry): entry is [string, string] => typeof entry[1] === 'string'));
}

function failure(program: string, cwd: string | undefined, error: NodeJS.ErrnoException): L7mpError {
  // Both are ENOENT to execve(2)'s caller.
  const lost = cwd !== undefined && statSync(cwd, { throwIfNoEntry: false })?.isDirectory() !== true;
  const what = lost ? `cannot run ${program} in ${cwd}: there is no such directory` : `cannot run ${program}`;
  const why = lost ? '' : `: ${error.code ?? error.message}`;
  return new L7mpError(SHORTAGES.has(error.code) ? 'E_LIMIT' : 'E_CONNECT', what + why, { cause: error });
}
