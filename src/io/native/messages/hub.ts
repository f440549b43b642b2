/** What the message sockets of one engine share: sockets that keep messages apart, and are not UDP's. */
import type { NativeContext } from '../context.ts';
import * as layout from '../datagrams/layout.ts';
import type { ConnectionHub } from '../streams/connected.ts';
import type { StreamHub } from '../streams/hub.ts';
import type { KeepAlive } from '../streams/keep-alive.ts';
import type { Share } from '../streams/siblings.ts';
import { MSG_NOSIGNAL } from '../system/constants.ts';
import { type Libc, libc } from '../system/libc.ts';

/** Bytes of the largest message that is sent or received whole: of address space, of which only is there what is used. */
export const LARGEST = 1 << 20;

/** Bytes before what is received, and before `outgoing.data`, that whoever uses it may write to. */
const HEADROOM = 64;
/** Of the longest socket address (sockaddr_un has 110), and of the control messages of one message. */
const NAME_BYTES = 128;
const CONTROL_BYTES = 256;

/** The flags of a received message lie behind its header's control messages (struct msghdr). */
const FLAGS = 48;

/** One buffer, and what describes it to recvmsg(2) and sendmsg(2). Offsets in the arena. */
interface Room {
  readonly header: number;
  readonly vector: number;
  readonly name: number;
  readonly control: number;
  readonly data: number;
}

export class MessageHub implements ConnectionHub {
  readonly c: Libc = libc();
  readonly context: NativeContext;
  readonly keepAlive: KeepAlive;
  readonly share: Share | undefined;
  /** The offset of room for the address of who was accepted, and its length. */
  readonly address: number;
  /** What was received last; nothing in it outlives the next `receive`. */
  readonly incoming: Room;
  /** Where to write the address and the control messages of what is sent next. */
  readonly outgoing: Room;
  readonly #streams: StreamHub;

  constructor(streams: StreamHub) {
    this.context = streams.context;
    this.keepAlive = streams.keepAlive;
    this.share = streams.share;
    this.address = streams.address;
    this.#streams = streams;
    this.incoming = this.#makeRoom();
    this.outgoing = this.#makeRoom();
  }

  abandon(fd: number): void {
    this.#streams.abandon(fd);
  }

  /**
   * Receives a message, or a part of one, with so many bytes of control messages at most. Returns its size, or -1 with the error
   * in `errno`.
   */
  receive(fd: number, controlBytes = CONTROL_BYTES): number {
    const { header } = this.incoming;
    const { base, u32 } = this.context.loop.arena;
    u32[(header + layout.NAME_LENGTH) >> 2] = NAME_BYTES;
    u32[(header + layout.CONTROL_LENGTH) >> 2] = controlBytes;
    return this.c.recvmsg(fd, base + header, 0);
  }

  /** The flags, and the sizes of the sender's address and of the control messages, of what was received last. */
  get flags(): number {
    return this.#received(FLAGS);
  }

  get nameLength(): number {
    return this.#received(layout.NAME_LENGTH);
  }

  get controlLength(): number {
    return this.#received(layout.CONTROL_LENGTH);
  }

  /** What was received last, as long as nothing else is. */
  bytes(size: number): Uint8Array {
    const { data } = this.incoming;
    return this.context.loop.arena.u8.subarray(data, data + size);
  }

  /**
   * The offset of the data of the control message of that kind, which came with what was received last; 0 for none (cmsg(3)).
   */
  control(level: number, type: number): number {
    const { u32 } = this.context.loop.arena;
    const { control } = this.incoming;
    const end = control + this.controlLength;
    for (let at = control; at + layout.CMSG_HEADER <= end; ) {
      const length = u32[at >> 2] as number;
      if (u32[(at + 8) >> 2] === level && u32[(at + 12) >> 2] === type) return at + layout.CMSG_HEADER;
      if (length < layout.CMSG_HEADER) break;
      at += (length + 7) & ~7;
    }
    return 0;
  }

  /**
   * Sends a message, to the address and with the control messages that lie in `outgoing`, of these sizes. Returns 0, or the
   * error. It is sent whole or not at all.
   */
  send(fd: number, bytes: Uint8Array, nameLength: number, controlLength: number): number {
    const { u8 } = this.context.loop.arena;
    const { data } = this.outgoing;
    const inArena = bytes.buffer === u8.buffer;
    if (!inArena) u8.set(bytes, data);
    return this.sendAt(fd, inArena ? bytes.byteOffset : data, bytes.length, nameLength, controlLength);
  }

  /** Likewise one that lies at an offset. */
  sendAt(fd: number, at: number, size: number, nameLength: number, controlLength: number): number {
    const { header, vector, name, control } = this.outgoing;
    const { arena } = this.context.loop;
    const { base, u32 } = arena;
    arena.point(vector, at);
    u32[(vector + 8) >> 2] = size;
    this.#refer(header + layout.NAME, name, nameLength);
    this.#refer(header + layout.CONTROL, control, controlLength);
    return this.c.sendmsg(fd, base + header, MSG_NOSIGNAL) < 0 ? this.c.errno() : 0;
  }

  // A length without an address is taken for one at 0 by some protocols.
  #refer(at: number, to: number, length: number): void {
    const { arena } = this.context.loop;
    if (length > 0) arena.point(at, to);
    else arena.u32.fill(0, at >> 2, (at >> 2) + 2);
    arena.u32[(at + 8) >> 2] = length;
  }

  #received(field: number): number {
    return this.context.loop.arena.u32[(this.incoming.header + field) >> 2] as number;
  }

  #makeRoom(): Room {
    const { arena } = this.context.loop;
    const room = {
      header: arena.take(layout.HEADER),
      vector: arena.take(layout.VECTOR),
      name: arena.take(NAME_BYTES),
      control: arena.take(CONTROL_BYTES),
      data: arena.take(HEADROOM + LARGEST, 4096) + HEADROOM,
    };
    layout.clearHeader(arena, room.header, room.vector);
    arena.point(room.header + layout.NAME, room.name);
    arena.point(room.header + layout.CONTROL, room.control);
    arena.point(room.vector, room.data);
    arena.u32[(room.vector + 8) >> 2] = LARGEST;
    return room;
  }
}
