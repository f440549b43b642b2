/** Where the Logger writes: a file, or the process's stdout. Both go on after a failure, with what comes next. */
import { constants, open } from 'node:fs/promises';
import type { Writable } from 'node:stream';
import { L7mpError } from '../../core/errors.ts';
import { guard } from '../process-stream.ts';

export interface Output {
  /** Resolves when the bytes were taken by the system; rejects where they are lost, as a whole or in part. */
  write(bytes: Uint8Array): Promise<void>;
  close(): Promise<void>;
}

/**
 * O_APPEND: sessions of several clusters, and several processes, can share a file, and it can be truncated while it is
 * open. O_NONBLOCK: opening a FIFO that nobody reads would otherwise take a thread of node's pool for ever (fifo(7));
 * files do not care.
 */
const FLAGS = constants.O_WRONLY | constants.O_APPEND | constants.O_CREAT | constants.O_NONBLOCK;

/** @throws L7mpError E_FILE, with the path, where it cannot be written */
export async function openFile(path: string): Promise<Output> {
  try {
    const file = await open(path, FLAGS);
    return { write: (bytes) => file.appendFile(bytes), close: () => file.close() };
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException;
    throw new L7mpError('E_FILE', `/log_file: ${path} cannot be written: ${code ?? message}`, { cause: error });
  }
}

export function openStream(stream: Writable): Output {
  guard(stream);
  const write = (bytes: Uint8Array) =>
    new Promise<void>((resolve, reject) => {
      stream.write(bytes, (error) => (error ? reject(error) : resolve()));
    });
  return { write, close: async () => {} };
}
