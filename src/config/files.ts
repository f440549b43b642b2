/** Whether the files that a configuration names can be used: looked at, and neither opened nor made. */
import { constants } from 'node:fs';
import { access, stat } from 'node:fs/promises';
import { dirname } from 'node:path';
import type { Problem } from '../core/errors.ts';
import type { FileUse } from '../core/protocol.ts';
import type { Registry, Role } from '../core/registry.ts';
import { isAbstract } from '../io/unix-path.ts';
import type { AdminInput } from './admin-schema.ts';
import type { Outline } from './outline.ts';

/** What cannot be opened now, by the user that asks. What an endpoint has at its path may come later. */
export async function unusableFiles(outline: Outline, registry: Registry, admin: AdminInput): Promise<Problem[]> {
  const uses: Use[] = [
    ...ofSettings(admin),
    ...ofObjects('listener', outline, registry),
    ...ofObjects('cluster', outline, registry),
  ];
  const problems = await Promise.all(uses.map(problemOf));
  return problems.filter((problem) => problem !== undefined);
}

/** Settings also name a file that is replaced as a whole, and a directory. */
interface Use extends Omit<FileUse, 'use'> {
  readonly use: FileUse['use'] | 'replace' | 'directory';
}

async function problemOf({ field, path, use }: Use): Promise<Problem | undefined> {
  try {
    await LOOK[use](path);
    return undefined;
  } catch (error) {
    return { path: field, message: (error as Error).message };
  }
}

const LOOK: Readonly<Record<Use['use'], (path: string) => Promise<void>>> = {
  append: async (path) => {
    const there = await kindOf(path);
    if (there?.isDirectory()) throw new Error(`${path} is a directory`);
    if (there) await access(path, constants.W_OK);
    else await access(dirname(path), constants.W_OK | constants.X_OK);
  },
  read: async (path) => {
    if ((await stat(path)).isDirectory()) throw new Error(`${path} is a directory`);
    await access(path, constants.R_OK);
  },
  listen: async (path) => {
    if (isAbstract(path)) return;
    const there = await kindOf(path);
    if (there && !there.isSocket()) throw new Error(`${path} exists and is no socket`);
    await access(dirname(path), constants.W_OK | constants.X_OK);
  },
  fifo: async (path) => {
    const there = await kindOf(path);
    if (there && !there.isFIFO()) throw new Error(`${path} exists and is no FIFO`);
    if (!there) await access(dirname(path), constants.W_OK | constants.X_OK);
  },
  connect: async () => {},
  replace: async (path) => {
    if ((await kindOf(path))?.isDirectory()) throw new Error(`${path} is a directory`);
    await access(dirname(path), constants.W_OK | constants.X_OK);
  },
  directory: async (path) => {
    if (!(await stat(path)).isDirectory()) throw new Error(`${path} is no directory`);
  },
};

/** Undefined where nothing is there. */
async function kindOf(path: string) {
  try {
    return await stat(path);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw error;
  }
}

// -------------------------------------------------------------------- which files

const STREAMS = new Set(['stdout', 'stderr']);

function ofSettings({ log_file: log, access_log_path: accessLog, state, files, auth }: AdminInput): Use[] {
  const setting = (field: string, path: string | undefined, use: Use['use']): Use[] =>
    path === undefined ? [] : [{ field: `/admin/${field}`, path, use }];
  const tokens = auth?.tokens ?? [];
  return [
    ...setting('log_file', log !== undefined && STREAMS.has(log) ? undefined : log, 'append'),
    ...setting('access_log_path', accessLog, 'append'),
    ...setting('state', state, 'replace'),
    ...setting('files', files, 'directory'),
    ...tokens.flatMap(({ token_file: path }, n) => setting(`auth/tokens/${n}/token_file`, path, 'read')),
  ];
}

function ofObjects(role: Role, outline: Outline, registry: Registry): FileUse[] {
  return outline.all(role).flatMap((object) => {
    const place = `${outline.placeOf(object)}/spec`;
    return registry.filesOf(role, object.spec).map((file) => ({ ...file, field: `${place}${file.field}` }));
  });
}
