/** Where bytes are appended: a file, or a stream of the process. Both go on after a failure, with what comes next. */
import { constants, type FileHandle, open } from 'node:fs/promises';
import type { Writable } from 'node:stream';
import { L7mpError } from '../core/errors.ts';
import type { Enclosure } from '../core/protocol.ts';
import { guard } from './guard.ts';

export interface Output {
  /** Resolves when the system has taken the bytes; rejects where they are lost, as a whole or in part. */
  write(bytes: Uint8Array): Promise<void>;
  /** Goes on in the file that has the path now (rotation). Rejects with E_FILE, and goes on in the old one, where it cannot. */
  reopen(): Promise<void>;
  close(): Promise<void>;
}

/**
 * O_APPEND: several writers, and several processes, can share a file, and it can be truncated while it is open.
 * O_NONBLOCK: opening a FIFO that nobody reads would otherwise take a thread of node's pool for ever (fifo(7)); files do
 * not care.
 */
const FLAGS = constants.O_WRONLY | constants.O_APPEND | constants.O_CREAT | constants.O_NONBLOCK;

/**
 * Opens a file to append to.
 * @param field what names the path in the configuration, for the error
 * @param within below which directory it must lie, where the API has named it
 * @throws L7mpError E_FILE where it cannot be written, E_FORBIDDEN where it must not
 */
export async function openFile(path: string, field: string, within?: Enclosure): Promise<Output> {
  let file = await openToAppend(path, field, within);
  return {
    write: (bytes) => writeWhole(file, bytes),
    reopen: async () => {
      const previous = file;
      file = await openToAppend(path, field, within);
      await previous.close();
    },
    close: () => file.close(),
  };
}

/**
 * In one call, where the system lets it: what other threads and processes append comes before or after (write(2): with
 * O_APPEND, the offset and the write are one step).
 */
async function writeWhole(file: FileHandle, bytes: Uint8Array): Promise<void> {
  for (let at = 0; at < bytes.length; ) at += (await file.write(bytes, at)).bytesWritten;
}

async function openToAppend(path: string, field: string, within: Enclosure | undefined): Promise<FileHandle> {
  try {
    return await (within ? within.open(path, FLAGS) : open(path, FLAGS));
  } catch (error) {
    if (error instanceof L7mpError) {
      throw new L7mpError(error.code, `${field}: ${error.message}`, { cause: error });
    }
    const { code, message } = error as NodeJS.ErrnoException;
    throw new L7mpError('E_FILE', `${field}: ${path} cannot be written: ${code ?? message}`, { cause: error });
  }
}

export function openStream(stream: Writable): Output {
  guard(stream);
  const write = (bytes: Uint8Array) =>
    new Promise<void>((resolve, reject) => {
      stream.write(bytes, (error) => (error ? reject(error) : resolve()));
    });
  return { write, reopen: async () => {}, close: async () => {} };
}
