import type { Readable, Writable } from 'node:stream';

/** Heard by nobody: but node ends the process for an `error` event that has no listener. */
function ignore(): void {}

/**
 * Keeps the failures of a stream of the process (EPIPE when its reader has gone, ENOSPC, EIO) from ending the process.
 * Never undone, since what was written may fail long after its writer has gone; does nothing the second time.
 */
export function guard(stream: Readable | Writable): void {
  if (!stream.listeners('error').includes(ignore)) stream.on('error', ignore);
}
