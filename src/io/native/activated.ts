/**
 * Listening sockets that the process was started with, by who supervises it (socket activation, sd_listen_fds(3)): they were there
 * before it, and are when it is gone, so that no client is refused meanwhile.
 */
import type { SocketAddress } from '../../core/engine.ts';
import * as k from './system/constants.ts';
import { libc } from './system/libc.ts';
import * as sockets from './system/sockets.ts';

/** By the place that a listener names they are found. They are never closed: who has one gives it back, and may have it again. */
export class ActivatedSockets {
  readonly #streams = new Map<string, number>();
  readonly #datagrams = new Map<string, number>();

  /** `fds`: descriptors of the process's. What listens for nothing is left alone. */
  constructor(fds: readonly number[]) {
    for (const fd of fds) this.#add(fd);
  }

  /** The socket that listens for streams there; `at.host` is an address. */
  stream(at: SocketAddress): number | undefined {
    return this.#streams.get(keyOf(at));
  }

  /** The one for datagrams. */
  datagram(at: sockets.InternetAddress): number | undefined {
    return this.#datagrams.get(keyOf(at));
  }

  #add(fd: number): void {
    const c = libc();
    const type = sockets.option(fd, k.SOL_SOCKET, k.SO_TYPE);
    const at = sockets.boundTo(fd);
    if (type === 0 || !at) return;
    c.fcntl(fd, k.F_SETFD, k.FD_CLOEXEC);
    c.fcntl(fd, k.F_SETFL, k.O_NONBLOCK);
    if (type === k.SOCK_DGRAM && 'host' in at) this.#datagrams.set(keyOf(at), fd);
    if (type !== k.SOCK_STREAM || sockets.option(fd, k.SOL_SOCKET, k.SO_ACCEPTCONN) !== 1) return;
    this.#streams.set(keyOf(at), fd);
    // What it accepts inherits these.
    if ('path' in at) return;
    sockets.prepareTcp(fd);
    sockets.keepAlive(fd);
  }
}

function keyOf(at: SocketAddress): string {
  return 'path' in at ? at.path : `${at.host}|${at.port}`;
}
