import { isAbsolute } from 'node:path';
import { L7mpError } from '../../core/errors.ts';
import { formatPointer } from '../../core/pointer.ts';
import type { SchemaParts, StaticOf } from '../../core/schema.ts';

/** A day in milliseconds: more than anybody waits, less than a timer of Node's can have. */
const MOST_KILL_TIMEOUT = 86_400_000;

export function clusterSpec({ strict, Type }: SchemaParts) {
  return strict({
    command: Type.Array(Type.String(), {
      minItems: 1,
      maxItems: 1024,
      description: 'The program, a path or a name to be looked up in PATH, and its arguments. No shell looks at them.',
    }),
    cwd: Type.Optional(
      Type.String({ minLength: 1, description: 'The directory in which it runs. Default that of the proxy.' }),
    ),
    env: Type.Optional(
      Type.Record(Type.String(), Type.Union([Type.String(), Type.Null()]), {
        description: 'Variables beside those of the proxy; null takes one away. Default none.',
      }),
    ),
    stderr: Type.Optional(
      Type.Enum(['log', 'discard', 'merge'], {
        description: 'What becomes of its stderr: lines of the log, nothing, or a part of its output. Default log.',
      }),
    ),
    kill_timeout: Type.Optional(
      Type.Integer({
        minimum: 0,
        maximum: MOST_KILL_TIMEOUT,
        description: 'Milliseconds from the end of its session to SIGTERM, and from there to SIGKILL. Default 2000.',
      }),
    ),
  });
}

/** A cluster's specification, checked. */
export type ForkSpec = StaticOf<typeof clusterSpec>;

/** Throws E_INVALID for what execve(2) cannot take. */
export function check({ command, cwd = '/', env = {} }: ForkSpec): void {
  const wrong = (path: string, why: string): never => {
    throw new L7mpError('E_INVALID', `${path}: ${why}`);
  };
  if (command[0] === '') wrong('/command/0', 'it is empty');
  for (const [n, part] of command.entries()) if (part.includes('\0')) wrong(`/command/${n}`, 'it has a NUL');
  if (!isAbsolute(cwd) || cwd.includes('\0')) wrong('/cwd', 'it is no absolute path');
  for (const [name, value] of Object.entries(env)) {
    if (name === '' || /[=\0]/.test(name)) wrong(`/env${formatPointer([name])}`, 'no variable has such a name');
    if (value?.includes('\0')) wrong(`/env${formatPointer([name])}`, 'it has a NUL');
  }
}

/** Programs are often given passwords so. */
export function secrets({ env = {} }: ForkSpec): string[] {
  return Object.entries(env).flatMap(([name, value]) => (value === null ? [] : [`/env${formatPointer([name])}`]));
}
