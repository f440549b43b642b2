/**
 * The state file: the configuration as the API has left it, so that it survives the end of the process, whatever that
 * was. One JSON object with the configuration and its SHA-256; it holds secrets where the configuration does, so that
 * nobody but its owner can read it.
 */
import { createHash } from 'node:crypto';
import { open, readFile, rename, rm } from 'node:fs/promises';
import { dirname } from 'node:path';
import { asL7mpError, L7mpError } from '../core/errors.ts';

/** What is kept. */
export interface State {
  /** As one would write it. */
  readonly config: unknown;
  /**
   * The objects, as `<kind> <name>`, that the API has made with files, and settings, as `admin <field>`: they are confined
   * to `admin.files` still.
   */
  readonly confined: readonly string[];
}

interface Kept {
  readonly l7mp: 1;
  readonly sha256: string;
  readonly state: State;
}

/** What was kept; undefined where there is no such file. Rejects with E_FILE where it is of no use. */
export async function readState(path: string): Promise<State | undefined> {
  let text: string;
  try {
    text = await readFile(path, 'utf8');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw unusableState(path, asL7mpError(error).message);
  }
  const { l7mp, sha256, state } = parse(path, text);
  if (l7mp !== 1) throw unusableState(path, 'it is no state file of this version');
  if (!state || sha256 !== sumOf(state)) throw unusableState(path, 'it is damaged: its checksum is another one');
  return state;
}

/**
 * Keeps a state: when it resolves, the file is on the disk as a whole, also after a power failure; until then
 * the former one is (rename(2) is atomic, and so is the directory entry once the directory is synchronised).
 */
export async function writeState(path: string, state: State): Promise<void> {
  const kept: Kept = { l7mp: 1, sha256: sumOf(state), state };
  const temporary = `${path}.new`;
  try {
    await writeSynced(temporary, `${JSON.stringify(kept)}\n`);
    await rename(temporary, path);
    await syncDirectory(dirname(path));
  } catch (error) {
    await rm(temporary, { force: true }).catch(() => {});
    throw new L7mpError('E_STATE', `the state file ${path}: ${asL7mpError(error).message}`, { cause: error });
  }
}

function parse(path: string, text: string): Partial<Kept> {
  if (text.trim() === '') throw unusableState(path, 'it is empty');
  try {
    const value: unknown = JSON.parse(text);
    if (typeof value === 'object' && value !== null) return value as Partial<Kept>;
  } catch {
    // As anything else that is no object.
  }
  throw unusableState(path, 'it is damaged: it is no JSON object');
}

/** Made anew: what somebody has put there (a link, a file that others have opened) is not written into. */
async function writeSynced(path: string, text: string): Promise<void> {
  await rm(path, { force: true });
  const file = await open(path, 'wx', 0o600);
  try {
    await file.writeFile(text);
    await file.sync();
  } finally {
    await file.close();
  }
}

async function syncDirectory(path: string): Promise<void> {
  const directory = await open(path, 'r');
  try {
    await directory.sync();
  } finally {
    await directory.close();
  }
}

function sumOf(state: State): string {
  return createHash('sha256').update(JSON.stringify(state)).digest('hex');
}

/** E_FILE, with what to do. */
export function unusableState(path: string, why: string): L7mpError {
  const help = 'mend or remove it, or start with --ignore-state';
  return new L7mpError('E_FILE', `the state file ${path} cannot be used: ${why} (${help})`);
}
