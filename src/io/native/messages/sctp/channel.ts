import { isWildcard } from '../../../../core/address.ts';
import type { AttributeTable } from '../../../../core/attributes.ts';
import { BINARY, type MessageAttributes, type QueueLimits } from '../../../../core/channel.ts';
import type { Ends } from '../../../../core/engine.ts';
import { Gathering, type GatheringLimit } from '../../../../core/gathering.ts';
import { CMSG_HEADER } from '../../datagrams/layout.ts';
import type { SocketOptions } from '../../streams/connected.ts';
import * as state from '../../streams/state.ts';
import { hostAt } from '../../system/address.ts';
import { scratchArena } from '../../system/arena.ts';
import { IPPROTO_SCTP, MSG_EOR, MSG_NOTIFICATION } from '../../system/constants.ts';
import { LARGEST, type MessageHub } from '../hub.ts';
import { MessageSocket } from '../socket.ts';
import * as sctp from './socket.ts';

// Control messages (RFC 6458, section 5.3).
const SNDINFO = 2;
const RCVINFO = 3;
const SNDINFO_BYTES = 16;
const UNORDERED = 1;

/** What the associations of one listener, or of one cluster, have in common. */
export interface SctpTraits {
  readonly attributes: AttributeTable;
  readonly gathering: GatheringLimit;
  /** Where messages go that say nothing themselves. */
  readonly stream: number;
  readonly ppid: number;
  /** Bytes of the largest message that the kernel takes. */
  readonly largest: number;
}

/** An SCTP association, on a socket of its own. */
export class SctpChannel extends MessageSocket {
  readonly #traits: SctpTraits;
  /** Streams towards the peer; 0 while nobody has asked. */
  #streams = 0;
  /** What came of a message that is not complete. */
  #parts: Gathering | undefined;
  /** The rest of a message is thrown away: it is too large, or there is no room for it. */
  #skipping = false;

  constructor(
    hub: MessageHub,
    fd: number,
    limits: QueueLimits,
    ends: Ends,
    traits: SctpTraits,
    options: SocketOptions = {},
  ) {
    super(hub, fd, limits, ends, { ...options, watched: true });
    this.#traits = traits;
  }

  /** Whoever is told that the peer has ended can send nothing more (RFC 9260, section 9.2). */
  override get halfClose(): boolean {
    return false;
  }

  override get maxMessage(): number {
    return this.#traits.largest;
  }

  override get ends(): Ends {
    const ends = super.ends as Ends;
    // What was accepted on any address is still bound to any: the association knows better.
    if (!isWildcard(ends.localAddress)) return ends;
    const at = this.open ? sctp.localAddress(this.fd) : -1;
    return at < 0 ? ends : { ...ends, localAddress: hostAt(scratchArena().u8, at) };
  }

  // ------------------------------------------------------------------ receiving

  protected received(size: number): void {
    const { hub } = this;
    const { flags } = hub;
    const last = (flags & MSG_EOR) !== 0;
    if (flags & MSG_NOTIFICATION) this.#notified();
    else if (this.is(state.CLOSING)) return;
    else if (last && !this.#parts && !this.#skipping) this.deliver(hub.bytes(size), this.#attributes(), false);
    else this.#gather(hub.bytes(size), last);
  }

  /** Parts of one message come one after the other: no other message comes between them (RFC 6458, section 8.1.20). */
  #gather(part: Uint8Array, last: boolean): void {
    const attributes = this.#attributes();
    if (!this.#skipping) this.#add(part);
    if (!last) return;
    if (this.#parts) this.deliver(this.#parts.take(), attributes, true);
    this.#parts = undefined;
    this.#skipping = false;
  }

  #add(part: Uint8Array): void {
    this.#parts ??= new Gathering(this.#traits.gathering, () => this.#skip());
    if (this.#parts.length + part.length > LARGEST || !this.#parts.push(part)) this.#skip();
  }

  #skip(): void {
    this.#parts?.clear();
    this.#parts = undefined;
    this.#skipping = true;
    this.drop('too-large');
  }

  /** What is subscribed to (RFC 6458, section 6.1). */
  #notified(): void {
    const { u16 } = this.hub.context.loop.arena;
    const at = this.hub.incoming.data;
    if (u16[at >> 1] === sctp.PARTIAL_DELIVERY_EVENT) this.#broken();
    // Who has ended it is told by nothing else: recv(2) has nothing to say, and poll(2) neither.
    else if (this.is(state.CLOSING) && u16[(at + 8) >> 1] === sctp.SHUTDOWN_COMPLETE) this.cut();
  }

  /** The peer gave a message up of which a part had come. */
  #broken(): void {
    if (this.#parts) this.drop('invalid');
    this.#parts?.clear();
    this.#parts = undefined;
    this.#skipping = false;
  }

  protected override cut(): void {
    this.#parts?.clear();
    super.cut();
  }

  /** struct sctp_rcvinfo: the stream at 0, flags at 4, the PPID at 8, as the sender has written it: big-endian by convention. */
  #attributes(): MessageAttributes {
    const at = this.hub.control(IPPROTO_SCTP, RCVINFO);
    if (at === 0) return BINARY;
    const { u8, u16 } = this.hub.context.loop.arena;
    return this.#traits.attributes.of({
      stream: u16[at >> 1] as number,
      ppid: wordAt(u8, at + 8),
      unordered: ((u16[(at + 4) >> 1] as number) & UNORDERED) !== 0,
    });
  }

  // ------------------------------------------------------------------ sending

  protected transmit(bytes: Uint8Array, attributes: MessageAttributes): number {
    // There are none without bytes (RFC 9260, section 3.3.1).
    if (bytes.length === 0) {
      this.drop('invalid');
      return 0;
    }
    return this.hub.send(this.fd, bytes, 0, this.#putInfo(attributes));
  }

  /** Writes where a message goes: struct sctp_sndinfo. A stream that the association has not is lost, the message is not. */
  #putInfo({ stream, ppid, unordered }: MessageAttributes): number {
    const traits = this.#traits;
    const { u8, u16, u32 } = this.hub.context.loop.arena;
    const at = this.hub.outgoing.control;
    const wanted = stream ?? traits.stream;
    const data = at + CMSG_HEADER;
    u32[at >> 2] = CMSG_HEADER + SNDINFO_BYTES;
    u32[(at >> 2) + 1] = 0;
    u32[(at >> 2) + 2] = IPPROTO_SCTP;
    u32[(at >> 2) + 3] = SNDINFO;
    u32.fill(0, data >> 2, (data + SNDINFO_BYTES) >> 2);
    u16[data >> 1] = wanted < this.#outStreams ? wanted : Math.min(traits.stream, this.#outStreams - 1);
    u16[(data >> 1) + 1] = unordered ? UNORDERED : 0;
    putWord(u8, data + 4, ppid ?? traits.ppid);
    return CMSG_HEADER + SNDINFO_BYTES;
  }

  get #outStreams(): number {
    if (this.#streams === 0) this.#streams = Math.max(1, sctp.outStreams(this.fd));
    return this.#streams;
  }
}

function wordAt(u8: Uint8Array, at: number): number {
  return (
    (u8[at] as number) * 2 ** 24 +
    (((u8[at + 1] as number) << 16) | ((u8[at + 2] as number) << 8) | (u8[at + 3] as number))
  );
}

function putWord(u8: Uint8Array, at: number, word: number): void {
  u8[at] = word >>> 24;
  u8[at + 1] = word >>> 16;
  u8[at + 2] = word >>> 8;
  u8[at + 3] = word;
}
