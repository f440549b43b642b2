import type { Credentials } from '../../../core/engine.ts';
import { scratchArena } from './arena.ts';
import { SO_PEERCRED, SOL_SOCKET } from './constants.ts';
import { libc } from './libc.ts';

/** In the scratch arena: struct ucred, and its length. */
const VALUE = 256;
const LENGTH = 272;
const UCRED = 12;

/**
 * Who was at the other end of a UNIX connection when it was made (unix(7), SO_PEERCRED). Undefined where the kernel does not
 * say, as of other sockets.
 */
export function peerCredentials(fd: number): Credentials | undefined {
  const { base, i32, u32 } = scratchArena();
  i32[LENGTH >> 2] = UCRED;
  if (libc().getsockopt(fd, SOL_SOCKET, SO_PEERCRED, base + VALUE, base + LENGTH) !== 0) return undefined;
  const word = VALUE >> 2;
  return { pid: i32[word] as number, uid: u32[word + 1] as number, gid: u32[word + 2] as number };
}
