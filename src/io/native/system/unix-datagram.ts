import { scratchArena } from './arena.ts';
import * as k from './constants.ts';
import { libc, systemError } from './libc.ts';

/** Offsets in the scratch arena. */
const ADDRESS = 64;
const MESSAGE = 4096;

/** Bytes of sockaddr_un.sun_path. */
const SUN_PATH = 108;

/**
 * Sends one datagram to a UNIX socket: `@name` is an abstract address, anything else a path (unix(7)). Throws what the system
 * says; does not wait.
 */
export function sendToUnixSocket(to: string, bytes: Uint8Array): void {
  const c = libc();
  const { base, u8, u16 } = scratchArena();
  const name = Buffer.from(to.replace(/^@/, '\0'));
  if (name.length >= SUN_PATH) throw systemError('sendto', k.EINVAL, to);
  u16[ADDRESS >> 1] = k.AF_UNIX;
  u8.set(name, ADDRESS + 2);
  u8[ADDRESS + 2 + name.length] = 0;
  // An abstract name has no end but that of the address.
  const size = 2 + name.length + (to.startsWith('@') ? 0 : 1);
  u8.set(bytes, MESSAGE);
  const fd = c.socket(k.AF_UNIX, k.SOCK_DGRAM | k.NONBLOCK_CLOEXEC, 0);
  if (fd < 0) throw systemError('socket', c.errno());
  const sent = c.sendto(fd, base + MESSAGE, bytes.length, 0, base + ADDRESS, size);
  const errno = sent < 0 ? c.errno() : 0;
  c.close(fd);
  if (errno !== 0) throw systemError('sendto', errno, to);
}
