/** Peers on UNIX sockets that keep messages apart: node has none, so they are made with libc. */
import type { TestContext } from 'node:test';
import { pathAt, putPath } from '../../src/io/native/system/address.ts';
import { scratchArena } from '../../src/io/native/system/arena.ts';
import * as k from '../../src/io/native/system/constants.ts';
import { libc, type PollHandle, systemError } from '../../src/io/native/system/libc.ts';
import { type Peer, type Server, type ServerOptions, serve } from './peers.ts';

export type MessageType = 'dgram' | 'seqpacket';

/** A client, and its descriptor. */
export type MessageClient = Peer & { readonly fd: number };

/** In the scratch arena: an address, its length, a message. */
const ADDRESS = 8192;
const LENGTH = 8448;
const DATA = 16_384;
const MOST = 900_000;
/** Bytes of an address without a name. */
const FAMILY = 2;

/** A socket, whose messages are taken as they come. */
class MessageSocket {
  readonly fd: number;
  #poll: PollHandle | undefined;
  #open = true;

  constructor(t: TestContext, type: MessageType, fd = open(type)) {
    this.fd = fd;
    t.after(() => this.close());
  }

  /** `path`: empty for a name that the kernel chooses. */
  bind(path: string): void {
    const size = putPath(scratchArena(), ADDRESS, path);
    check('bind', libc().bind(this.fd, scratchArena().base + ADDRESS, path === '' ? FAMILY : size));
  }

  connect(path: string): void {
    const size = putPath(scratchArena(), ADDRESS, path);
    check('connect', libc().connect(this.fd, scratchArena().base + ADDRESS, size));
  }

  listen(): void {
    check('listen', libc().listen(this.fd, 100));
  }

  accept(): number {
    return libc().accept4(this.fd, 0, 0, k.NONBLOCK_CLOEXEC);
  }

  /** Calls back while there is something to take. */
  whenReadable(callback: () => void): void {
    this.#poll = libc().poll(this.fd, callback);
  }

  pause(): void {
    this.#poll?.close();
    this.#poll = undefined;
  }

  /** The next message, and who has sent it; undefined where there is none. */
  take(): { readonly bytes: Buffer; readonly from: string } | undefined {
    const { base, i32, u8 } = scratchArena();
    i32[LENGTH >> 2] = 110;
    const size = libc().recvfrom(this.fd, base + DATA, MOST, 0, base + ADDRESS, base + LENGTH);
    if (size < 0) return undefined;
    return {
      bytes: Buffer.from(u8.subarray(DATA, DATA + size)),
      from: pathAt(u8, ADDRESS, i32[LENGTH >> 2] as number),
    };
  }

  /** Returns whether it was taken. */
  send(data: string | Uint8Array, to?: string): boolean {
    const bytes = Buffer.from(data as Uint8Array);
    const arena = scratchArena();
    arena.u8.set(bytes, DATA);
    const size = to === undefined ? 0 : putPath(arena, ADDRESS, to);
    const at = to === undefined ? 0 : arena.base + ADDRESS;
    return libc().sendto(this.fd, arena.base + DATA, bytes.length, k.MSG_NOSIGNAL, at, size) >= 0;
  }

  end(): boolean {
    libc().shutdown(this.fd, k.SHUT_WR);
    return true;
  }

  close(): void {
    if (!this.#open) return;
    this.#open = false;
    this.pause();
    // Node's loop lets go of it first: the number may be another one's after that.
    setImmediate(() => libc().close(this.fd));
  }
}

function open(type: MessageType): number {
  return check('socket', libc().socket(k.AF_UNIX, (type === 'dgram' ? 2 : 5) | k.NONBLOCK_CLOEXEC, 0));
}

function check(call: string, result: number): number {
  if (result < 0) throw systemError(call, libc().errno());
  return result;
}

/** Sends in order, again while there is no room. */
class Sender {
  readonly #waiting: (() => boolean)[] = [];
  #timer: NodeJS.Timeout | undefined;

  send(attempt: () => boolean): void {
    this.#waiting.push(attempt);
    if (!this.#timer) this.#flush();
  }

  #flush(): void {
    this.#timer = undefined;
    while (this.#waiting.length > 0) {
      if (!(this.#waiting[0] as () => boolean)()) {
        this.#timer = setTimeout(() => this.#flush(), 2);
        return;
      }
      this.#waiting.shift();
    }
  }

  stop(): void {
    clearTimeout(this.#timer);
    this.#waiting.length = 0;
  }
}

/** Messages without bytes in a row that are taken for an end, which is read as such a one, too, as often as one likes. */
const ENDLESS = 64;

/** A socket that is connected; `followsEnd`: it closes when the other side has ended. */
function peerOf(socket: MessageSocket, type: MessageType, followsEnd = true): Peer {
  const sender = new Sender();
  const ended = (): void => {
    peer.ended = true;
    socket.pause();
    if (followsEnd) close();
  };
  const read = (): void => {
    let empty = 0;
    for (let next = socket.take(); next; next = socket.take()) {
      if (next.bytes.length > 0 || type === 'dgram') {
        deliverEmpty(empty);
        empty = 0;
        peer.messages.push(next.bytes);
      } else if (++empty === ENDLESS) {
        ended();
        return;
      }
    }
    deliverEmpty(empty);
  };
  const deliverEmpty = (count: number): void => {
    for (let n = 0; n < count; n++) peer.messages.push(Buffer.alloc(0));
  };
  const close = (): void => {
    peer.closed ??= 'end';
    sender.stop();
    socket.close();
  };
  const peer: Peer = {
    messages: [],
    closed: undefined,
    ended: false,
    port: 0,
    send: (data) => sender.send(() => socket.send(data)),
    end: () => sender.send(() => socket.end()),
    close,
    reset: close,
    pause: (paused) => (paused ? socket.pause() : socket.whenReadable(read)),
  };
  socket.whenReadable(read);
  return peer;
}

/** A client, with a name that the kernel has chosen, or `from`; with none where that is null. */
export function connectMessages(
  t: TestContext,
  type: MessageType,
  path: string,
  from: string | null = '',
): MessageClient {
  const socket = new MessageSocket(t, type);
  if (type === 'dgram' && from !== null) socket.bind(from);
  socket.connect(path);
  const peer = peerOf(socket, type);
  t.after(() => peer.close());
  return Object.assign(peer, { fd: socket.fd });
}

/** A server at a path. */
export function serveMessages(t: TestContext, type: MessageType, path: string, options: ServerOptions = {}): Server {
  const socket = new MessageSocket(t, type);
  const peers: Peer[] = [];
  const add = (peer: Peer): Peer => {
    peers.push(serve(peer, options));
    return peer;
  };
  socket.bind(path);
  if (type === 'seqpacket') {
    socket.listen();
    socket.whenReadable(() => {
      for (let fd = socket.accept(); fd >= 0; fd = socket.accept()) add(peerOf(new MessageSocket(t, type, fd), type));
    });
  } else {
    const known = new Map<string, Peer>();
    socket.whenReadable(() => {
      for (let next = socket.take(); next; next = socket.take()) {
        const { from, bytes } = next;
        const peer = known.get(from) ?? add(named(socket, from));
        known.set(from, peer);
        peer.messages.push(bytes);
      }
    });
  }
  const stop = async (): Promise<void> => {
    for (const peer of peers) peer.close();
    socket.close();
  };
  t.after(stop);
  return { port: 0, peers, stop };
}

/** Who has sent to a socket that is not connected. */
function named(socket: MessageSocket, name: string): Peer {
  const sender = new Sender();
  const nothing = (): void => {};
  return {
    messages: [],
    closed: undefined,
    ended: false,
    port: 0,
    send: (data) => sender.send(() => socket.send(data, name)),
    end: nothing,
    close: () => sender.stop(),
    reset: () => sender.stop(),
    pause: nothing,
  };
}
