/** UNIX sockets that keep messages apart (unix(7)). */
import type { Credentials, UnixMessageAddress } from '../../../../core/engine.ts';
import { withMode } from '../../../socket-mode.ts';
import { CMSG_HEADER } from '../../datagrams/layout.ts';
import { putPath } from '../../system/address.ts';
import { type Arena, scratchArena } from '../../system/arena.ts';
import * as k from '../../system/constants.ts';
import { libc } from '../../system/libc.ts';
import * as sockets from '../../system/sockets.ts';

/** What the kernel is asked to hold for a sender, in bytes (it doubles, and caps at wmem_max): no message is larger. */
const SEND_BUFFER = 1 << 20;
/** What it wants of that for itself (unix_dgram_sendmsg() in the kernel). */
const OVERHEAD = 32;

/** In the scratch arena, where `sockets` has addresses and values. */
const ADDRESS = 64;

const BACKLOG = 511;

/**
 * Bytes of a control message with struct ucred, and not one more: descriptors that a peer sends along (SCM_RIGHTS) come after
 * it, and where there is no room for them the kernel closes them.
 */
export const CREDENTIALS_CONTROL = CMSG_HEADER + 16;

/** A new socket. Throws what the system says. */
export function open(kind: UnixMessageAddress['kind']): number {
  const fd = sockets.open(k.AF_UNIX, kind === 'dgram' ? k.SOCK_DGRAM : k.SOCK_SEQPACKET);
  sockets.setOption(fd, k.SOL_SOCKET, k.SO_SNDBUF, SEND_BUFFER);
  return fd;
}

/** A bound socket, at a path at which nothing is; of connections, it listens. Throws a SocketError. */
export function listenAt({ kind, path, mode }: UnixMessageAddress, at = path): number {
  const fd = open(kind);
  // Before anybody sends; what is accepted inherits it.
  askForCredentials(fd);
  const size = putPath(scratchArena(), ADDRESS, at);
  const c = libc();
  const bound = withMode(mode, () => c.bind(fd, scratchArena().base + ADDRESS, size));
  if (bound === 0 && (kind === 'dgram' || c.listen(fd, BACKLOG) === 0)) return fd;
  const errno = c.errno();
  c.close(fd);
  throw new sockets.SocketError('listen', errno, path, true);
}

/** Gives a socket a name that the kernel chooses, so that it can be answered. */
export function autobind(fd: number): void {
  const { base, u16 } = scratchArena();
  u16[ADDRESS >> 1] = k.AF_UNIX;
  libc().bind(fd, base + ADDRESS, 2);
}

/** Each message says who has sent it; so one without bytes can be told from the peer's end, which says nothing. */
export function askForCredentials(fd: number): void {
  sockets.setOption(fd, k.SOL_SOCKET, k.SO_PASSCRED, 1);
}

/** Bytes of the largest message that a socket sends. */
export function largest(fd: number): number {
  return sockets.option(fd, k.SOL_SOCKET, k.SO_SNDBUF) - OVERHEAD;
}

/** The struct ucred at an offset. */
export function credentialsAt({ i32, u32 }: Arena, at: number): Credentials {
  const word = at >> 2;
  return { pid: i32[word] as number, uid: u32[word + 1] as number, gid: u32[word + 2] as number };
}
