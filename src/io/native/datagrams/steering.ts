/**
 * A listening port with a socket in each data plane. The kernel spreads peers over the sockets as a program says
 * (SO_ATTACH_REUSEPORT_CBPF, socket(7)): by the peer's address and port alone, which `socketOf` reckons too. So a peer
 * whom nobody has heard of yet can be made where its datagrams will come, and whichever of our addresses it sends to,
 * it stays one peer.
 */
import { portAt } from '../system/address.ts';
import { type Arena, scratchArena } from '../system/arena.ts';
import {
  AF_INET,
  SO_ATTACH_FILTER,
  SO_ATTACH_REUSEPORT_CBPF,
  SO_DETACH_FILTER,
  SOL_SOCKET,
} from '../system/constants.ts';
import { libc } from '../system/libc.ts';
import * as sockets from '../system/sockets.ts';

/** An odd number near 2^32 divided by the golden ratio: a product with it spreads what differs little. */
const FACTOR = 0x9e3779b1;
/** The third word of an IPv4-mapped address: both forms of an address are one peer. */
const MAPPED = 0xffff;

/** How peers are spread over the sockets of one address. */
export interface Spread {
  readonly of: number;
  readonly seed: number;
}

/** Which of so many sockets has the peer whose socket address is at an offset. */
export function socketOf({ u8, u32 }: Arena, address: number, { of, seed }: Spread): number {
  const at = address >> 2;
  const word = (n: number): number => u32[at + n] as number;
  let state = seed;
  if ((word(0) & 0xffff) === AF_INET) state = mix(mixMapped(seed), swap(word(1)));
  else for (let n = 2; n < 6; n++) state = mix(state, swap(word(n)));
  return (mix(state, portAt(u8, address)) >>> 16) % of;
}

function mix(state: number, word: number): number {
  const mixed = Math.imul(state ^ word, FACTOR);
  return mixed ^ (mixed >>> 15);
}

/** What comes of the first three words of an IPv4-mapped address. */
function mixMapped(seed: number): number {
  return mix(mix(mix(seed, 0), 0), MAPPED);
}

function swap(word: number): number {
  return (word << 24) | ((word & 0xff00) << 8) | ((word >>> 8) & 0xff00) | (word >>> 24);
}

// -------------------------------------------------------------------- programs

/** A `sock_filter`: what to do, where to go on if a comparison holds and if not, an operand. */
type Instruction = readonly [code: number, yes: number, no: number, operand: number];

/** Operations of the classic BPF: it has a register, an index register (X) and words of memory. */
const LOAD_WORD = 0x20;
const LOAD_HALF = 0x28;
const LOAD_HALF_PAST_X = 0x48;
const LOAD_BYTE = 0x30;
/** Sets X to the length of the IPv4 header at an offset. */
const HEADER_LENGTH_TO_X = 0xb1;
const STORE = 0x02;
const RECALL_TO_X = 0x61;
const LOAD_TO_X = 0x01;
const TO_X = 0x07;
const AND = 0x54;
const XOR_X = 0xac;
const MULTIPLY = 0x24;
const SHIFT_RIGHT = 0x74;
const MODULO = 0x94;
const SKIP = 0x05;
const IF_EQUAL = 0x15;
const RETURN = 0x06;
const RETURN_REGISTER = 0x16;

/** Offsets from here on count from the network header (SKF_NET_OFF). */
const NETWORK = -0x100000;

const step = (code: number, operand = 0): Instruction => [code, 0, 0, operand];

/** `mix` of the index register and the register, into the latter. */
const MIX: readonly Instruction[] = [
  step(XOR_X),
  step(MULTIPLY, FACTOR),
  step(TO_X),
  step(SHIFT_RIGHT, 15),
  step(XOR_X),
];

/** They store what comes of the address, and load the port. */
const ipv4 = (seed: number): Instruction[] => [
  step(LOAD_TO_X, mixMapped(seed)),
  step(LOAD_WORD, NETWORK + 12),
  ...MIX,
  step(STORE),
  step(HEADER_LENGTH_TO_X, NETWORK),
  step(LOAD_HALF_PAST_X, NETWORK),
];

/** Extension headers stand in for the port. */
const ipv6 = (seed: number): Instruction[] => [
  step(LOAD_TO_X, seed),
  ...[8, 12, 16, 20].flatMap((at) => [step(LOAD_WORD, NETWORK + at), ...MIX, step(TO_X)]),
  step(STORE),
  step(LOAD_HALF, NETWORK + 40),
];

/** The same as `socketOf`. */
function steering({ of, seed }: Spread): Instruction[] {
  const [four, six] = [ipv4(seed), ipv6(seed)];
  return [
    step(LOAD_BYTE, NETWORK),
    step(AND, 0xf0),
    [IF_EQUAL, 0, four.length + 1, 0x40],
    ...four,
    step(SKIP, six.length),
    ...six,
    step(RECALL_TO_X),
    ...MIX,
    step(SHIFT_RIGHT, 16),
    step(MODULO, of),
    step(RETURN_REGISTER),
  ];
}

/** Lets nothing in. */
const DROP_ALL: readonly Instruction[] = [step(RETURN)];

/** Offsets in the scratch arena: a `sock_fprog`, its instructions. */
const HEADER = 1024;
const PROGRAM = 1040;

/** Returns 0, or a negative number. */
function attach(fd: number, option: number, program: readonly Instruction[]): number {
  const arena = scratchArena();
  const { u8, u16, u32 } = arena;
  arena.point(HEADER + 8, PROGRAM);
  u16[HEADER >> 1] = program.length;
  for (const [n, [code, yes, no, operand]] of program.entries()) {
    const at = PROGRAM + n * 8;
    u16[at >> 1] = code;
    u8[at + 2] = yes;
    u8[at + 3] = no;
    u32[(at + 4) >> 2] = operand;
  }
  return libc().setsockopt(fd, SOL_SOCKET, option, arena.base + HEADER, 16);
}

/** The second of two; where there is one only, the kernel finds no second one and takes that (socket(7)). */
const LATEST: readonly Instruction[] = [step(RETURN, 1)];

/** Has new connections go to the socket that was bound last, of this process and the one before it. */
export function preferLatest(fd: number): void {
  attach(fd, SO_ATTACH_REUSEPORT_CBPF, LATEST);
}

/** Nothing that comes from now on is received. */
export function dropAll(fd: number): void {
  attach(fd, SO_ATTACH_FILTER, DROP_ALL);
}

export function stopDropping(fd: number): void {
  sockets.setOption(fd, SOL_SOCKET, SO_DETACH_FILTER, 0);
}

/** Has each receive its own peers. They were bound in this order. Throws where the kernel cannot. */
export function steer(fds: readonly number[], seed: number): void {
  // The program is the whole group's. The first socket may have none of its own: it was bound before it was to share.
  const result = attach(fds[fds.length - 1] as number, SO_ATTACH_REUSEPORT_CBPF, steering({ of: fds.length, seed }));
  if (result < 0) throw new sockets.SocketError('setsockopt', libc().errno(), 'SO_ATTACH_REUSEPORT_CBPF');
}
