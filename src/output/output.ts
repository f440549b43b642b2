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

const NEWLINE = Buffer.from('\n');

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
  // The file ends in a part of a line: what comes next is a line of its own, and can be read by whoever reads lines.
  let torn = false;
  return {
    write: async (bytes) => {
      const whole = torn ? Buffer.concat([NEWLINE, bytes]) : bytes;
      const written = { bytes: 0 };
      try {
        await writeWhole(file, whole, written);
      } finally {
        if (written.bytes > 0) torn = written.bytes < whole.length && whole[written.bytes - 1] !== NEWLINE[0];
      }
    },
    reopen: async () => {
      const previous = file;
      file = await openToAppend(path, field, within);
      torn = false;
      await previous.close();
    },
    close: () => file.close(),
  };
}

/**
 * In one call, where the system lets it: what other threads and processes append comes before or after (write(2): with
 * O_APPEND, the offset and the write are one step). `written` says how many bytes the system has taken, also where it fails.
 */
async function writeWhole(file: FileHandle, bytes: Uint8Array, written: { bytes: number }): Promise<void> {
  while (written.bytes < bytes.length) written.bytes += (await file.write(bytes, written.bytes)).bytesWritten;
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
