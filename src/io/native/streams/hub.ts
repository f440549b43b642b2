/** What the byte streams of an engine share. */
import type * as net from 'node:net';
import type { NativeContext } from '../context.ts';
import { MSG_NOSIGNAL, SOCKADDR } from '../system/constants.ts';
import { type Libc, libc } from '../system/libc.ts';
import { KeepAlive } from './keep-alive.ts';
import { PipePool } from './pipes.ts';
import type { Share } from './siblings.ts';

/** Bytes that are received, or sent, at a time. */
export const BUFFER = 65_536;

export class StreamHub {
  readonly c: Libc = libc();
  readonly context: NativeContext;
  readonly pipes: PipePool;
  readonly keepAlive: KeepAlive;
  /** Its share of the connections, where others listen as well. */
  readonly share: Share | undefined;
  /** Told of a socket that has become node's. */
  readonly onSocket: (socket: net.Socket) => void;
  /** Offsets of what is received, and of the address of who was accepted. */
  readonly buffer: number;
  readonly address: number;
  /** The offset of what is to be sent and lies elsewhere. */
  readonly #outgoing: number;

  constructor(context: NativeContext, onSocket: (socket: net.Socket) => void, share?: Share) {
    const { arena } = context.loop;
    this.context = context;
    this.onSocket = onSocket;
    this.share = share;
    this.pipes = new PipePool(context.loop);
    this.keepAlive = new KeepAlive(context.loop);
    this.buffer = arena.take(BUFFER, 4096);
    this.#outgoing = arena.take(BUFFER, 4096);
    this.address = arena.take(SOCKADDR + 4);
  }

  /** Sends as much as the socket takes. Returns how much that is; less than all of it with the error in `errno`. */
  send(fd: number, bytes: Uint8Array): number {
    let done = 0;
    while (done < bytes.length) {
      const size = Math.min(BUFFER, bytes.length - done);
      const sent = this.c.send(fd, this.#place(bytes, done, size), size, MSG_NOSIGNAL);
      if (sent < 0) break;
      done += sent;
    }
    return done;
  }

  /** Closes a socket that was counted, and of which no channel was made. */
  abandon(fd: number): void {
    const { connections, loop } = this.context;
    connections.give();
    loop.close(fd);
  }

  /** The address of a part of them: what was received is sent from where it lies. */
  #place(bytes: Uint8Array, from: number, size: number): number {
    const { base, u8 } = this.context.loop.arena;
    if (bytes.buffer === u8.buffer) return base + bytes.byteOffset + from;
    u8.set(size === bytes.length ? bytes : bytes.subarray(from, from + size), this.#outgoing);
    return base + this.#outgoing;
  }
}
