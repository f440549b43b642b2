import { putPath } from './address.ts';
import { scratchArena } from './arena.ts';
import * as k from './constants.ts';
import { libc, systemError } from './libc.ts';

/** Offsets in the scratch arena. */
const ADDRESS = 64;
const MESSAGE = 4096;

/** Sends one datagram to a UNIX socket, at a path or an abstract `@name`. Throws what the system says; does not wait. */
export function sendToUnixSocket(to: string, bytes: Uint8Array): void {
  const c = libc();
  const arena = scratchArena();
  const size = putPath(arena, ADDRESS, to);
  arena.u8.set(bytes, MESSAGE);
  const fd = c.socket(k.AF_UNIX, k.SOCK_DGRAM | k.NONBLOCK_CLOEXEC, 0);
  if (fd < 0) throw systemError('socket', c.errno());
  const sent = c.sendto(fd, arena.base + MESSAGE, bytes.length, 0, arena.base + ADDRESS, size);
  const errno = sent < 0 ? c.errno() : 0;
  c.close(fd);
  if (errno !== 0) throw systemError('sendto', errno, to);
}
