import { createWriteStream, type WriteStream } from 'node:fs';
import { L7mpError } from '../core/errors.ts';

/**
 * Opens a file to append to. Rejects with E_FILE, naming `field`, where it cannot be written. Later failures (a full
 * disk) lose what was to be written and nothing else: `onError` hears of them.
 */
export function openForAppend(
  path: string,
  field: string,
  onError: (error: Error) => void = () => {},
): Promise<WriteStream> {
  const stream = createWriteStream(path, { flags: 'a' });
  return new Promise((resolve, reject) => {
    const failed = (error: Error): void =>
      reject(new L7mpError('E_FILE', `${field}: ${error.message}`, { cause: error }));
    stream.once('error', failed);
    stream.once('open', () => {
      stream.off('error', failed);
      stream.on('error', onError);
      resolve(stream);
    });
  });
}
