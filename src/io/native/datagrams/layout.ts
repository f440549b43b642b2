/** How the kernel wants messages to be described (recvmmsg(2), sendmmsg(2), cmsg(3), udp(7)), on 64-bit systems. */
import type { Arena } from '../system/arena.ts';
import { IPPROTO_UDP, UDP_SEGMENT } from '../system/constants.ts';

/** Datagrams of one call. The kernel takes at least as many segments of one send (UDP_MAX_SEGMENTS). */
export const BATCH = 64;

// struct mmsghdr: a msghdr (name 0, its length 8, vectors 16, their number 24, control 32, its length 40, flags 48), then
// the length of the message.
export const HEADER = 64;
export const NAME = 0;
export const NAME_LENGTH = 8;
export const VECTORS = 16;
export const VECTOR_COUNT = 24;
export const CONTROL = 32;
export const CONTROL_LENGTH = 40;
export const MESSAGE_LENGTH = 56;
/** struct iovec: where, and how many bytes. */
export const VECTOR = 16;

/** A cmsghdr is its length (8 bytes), level and type; its data is padded to 8. */
export const CMSG_HEADER = 16;
/** Bytes of the control message with a size of segments. */
export const SEGMENT_CONTROL = 24;
/** What the segments of one send may be together: a datagram's largest payload, less some. */
export const SEGMENTS_BYTES = 65_000;

/** Makes a header that describes a message of one vector, and has nothing else. */
export function clearHeader(arena: Arena, header: number, vector: number): void {
  arena.u32.fill(0, header >> 2, (header + HEADER) >> 2);
  arena.point(header + VECTORS, vector);
  arena.u32[(header + VECTOR_COUNT) >> 2] = 1;
}

/** Writes the control message that has the kernel cut what is sent into segments of `size` bytes. */
export function putSegmentSize({ u16, u32 }: Arena, at: number, size: number): void {
  const word = at >> 2;
  u32[word] = CMSG_HEADER + 2;
  u32[word + 1] = 0;
  u32[word + 2] = IPPROTO_UDP;
  u32[word + 3] = UDP_SEGMENT;
  u16[(at + CMSG_HEADER) >> 1] = size;
}
