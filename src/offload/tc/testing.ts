/** For tests of the offload: network namespaces, and peers in them that are real sockets. */
import { execFileSync } from 'node:child_process';
import * as dgram from 'node:dgram';
import { once } from 'node:events';
import { closeSync, openSync } from 'node:fs';
import { createRequire } from 'node:module';
import * as net from 'node:net';
import { addressBytes } from './address.ts';

const CLONE_NEWNET = 0x40000000;

/** Milliseconds after which what does not come is a failure. */
export const PATIENCE = 30_000;

/** The C library, where there is the FFI for it. */
export function libc(name: string, result: string, ...args: string[]): (...args: unknown[]) => number {
  const koffi = createRequire(import.meta.url)('koffi') as typeof import('koffi');
  return koffi.load(null).func(name, result, args) as never;
}

/** Why namespaces, and so the tests in them, cannot be had here; false if they can. */
export function noNamespaces(): string | false {
  if (process.platform !== 'linux') return 'not Linux';
  if (process.getuid?.() !== 0) return 'network namespaces and eBPF need root';
  try {
    createRequire(import.meta.url)('koffi');
    const name = `l7mp-try-${process.pid}`;
    ip('netns', 'add', name);
    ip('netns', 'del', name);
    return false;
  } catch (error) {
    return `no network namespaces: ${String((error as Error).message).split('\n')[0]}`;
  }
}

export function ip(...args: string[]): string {
  return execFileSync('ip', args, { encoding: 'utf8', stdio: ['ignore', 'pipe', 'pipe'] });
}

/** A network namespace. Entering one moves this thread, and what is made meanwhile stays there. */
export class Namespace {
  readonly name: string;

  constructor(name: string) {
    this.name = `l7mp-${name}-${process.pid}`;
    ip('netns', 'add', this.name);
    this.ip('link', 'set', 'lo', 'up');
  }

  ip(...args: string[]): string {
    return ip('-n', this.name, ...args);
  }

  exec(...command: string[]): string {
    return ip('netns', 'exec', this.name, ...command);
  }

  enter<T>(act: () => T): T {
    const before = openSync('/proc/thread-self/ns/net', 'r');
    this.stay();
    try {
      return act();
    } finally {
      libc('setns', 'int', 'int', 'int')(before, CLONE_NEWNET);
      closeSync(before);
    }
  }

  /** Enters it for good. */
  stay(): void {
    const into = openSync(`/run/netns/${this.name}`, 'r');
    const failed = libc('setns', 'int', 'int', 'int')(into, CLONE_NEWNET);
    closeSync(into);
    if (failed) throw new Error(`the namespace ${this.name} cannot be entered`);
  }

  remove(): void {
    ip('netns', 'del', this.name);
  }
}

/** A cable between two namespaces. */
export function cable(
  a: Namespace,
  nameA: string,
  addressesA: string[],
  b: Namespace,
  nameB: string,
  addressesB: string[],
): void {
  a.ip('link', 'add', nameA, 'type', 'veth', 'peer', 'name', nameB, 'netns', b.name);
  for (const [namespace, name, addresses] of [
    [a, nameA, addressesA],
    [b, nameB, addressesB],
  ] as const) {
    for (const address of addresses) {
      namespace.ip('addr', 'add', address, 'dev', name, ...(address.includes(':') ? ['nodad'] : []));
    }
    namespace.ip('link', 'set', name, 'up');
  }
}

export interface Received {
  readonly text: string;
  readonly from: string;
}

/** A UDP socket, and what it has received. */
export class Peer {
  readonly socket: dgram.Socket;
  readonly received: Received[] = [];
  readonly address: string;

  private constructor(socket: dgram.Socket, address: string) {
    this.socket = socket;
    this.address = address;
    socket.on('message', (bytes, { address: from, port }) => {
      this.received.push({ text: bytes.toString('latin1'), from: `${from}|${port}` });
    });
    socket.on('error', () => {});
  }

  /** The socket is made before this returns a promise, and so in the namespace that was entered. */
  static async open(address: string): Promise<Peer> {
    // Without a look-up, node makes the socket within bind().
    const lookup = (host: string, _options: unknown, done: (e: null, host: string) => void): void => done(null, host);
    const socket = dgram.createSocket({ type: net.isIPv6(address) ? 'udp6' : 'udp4', lookup: lookup as never });
    const listening = once(socket, 'listening');
    socket.bind(0, address);
    await listening;
    return new Peer(socket, address);
  }

  get end(): { address: string; port: number } {
    return { address: this.address, port: this.socket.address().port };
  }

  get name(): string {
    return `${this.address}|${this.end.port}`;
  }

  /** Of the socket, for what node has no call for. */
  get fd(): number {
    return (this.socket as unknown as { [key: symbol]: { handle: { fd: number } } })[
      Object.getOwnPropertySymbols(this.socket).find(({ description }) => description === 'state symbol') as symbol
    ]?.handle.fd as number;
  }

  send(to: { end: { address: string; port: number } }, message: string | Uint8Array): void {
    this.socket.send(message, to.end.port, to.end.address);
  }

  /** Sends back what comes, from now on. */
  echo(): this {
    this.socket.on('message', (bytes, { address, port }) => this.socket.send(bytes, port, address));
    return this;
  }

  /** Waits for `n` messages in all, and gives what there is then, or when that has taken too long. */
  async got(n: number): Promise<Received[]> {
    const deadline = performance.now() + PATIENCE;
    while (this.received.length < n && performance.now() < deadline) await later(5);
    return this.received;
  }

  close(): void {
    this.socket.close();
  }
}

export function later(ms: number): Promise<void> {
  return new Promise((resolve) => {
    setTimeout(resolve, ms);
  });
}

// -------------------------------------------------------------------- packets made by hand

export interface Crafted {
  readonly from: { address: string; port: number };
  readonly to: { address: string; port: number };
  readonly payload: string;
  readonly ttl?: number;
  /** IPv4 options, or a whole IPv6 extension header of type 60 (destination options). */
  readonly options?: Buffer;
  /** Leaves the UDP checksum out. */
  readonly unchecked?: boolean;
}

/** The Internet checksum (RFC 1071), not complemented. */
export function sum16(...parts: Buffer[]): number {
  let sum = 0;
  for (const part of parts) {
    for (let at = 0; at < part.length; at += 2) sum += part.readUInt8(at) * 256 + (part[at + 1] ?? 0);
  }
  while (sum > 0xffff) sum = (sum & 0xffff) + Math.floor(sum / 0x10000);
  return sum;
}

export function pseudoHeader(from: Buffer, to: Buffer, length: number): Buffer {
  return Buffer.concat([from, to, Buffer.from([0, 17, length >> 8, length & 0xff])]);
}

function udpOf({ from, to, payload, unchecked }: Crafted): Buffer {
  const udp = Buffer.concat([Buffer.alloc(8), Buffer.from(payload, 'latin1')]);
  for (const [n, word] of [from.port, to.port, udp.length].entries()) udp.writeUInt16BE(word, 2 * n);
  const pseudo = pseudoHeader(addressBytes(from.address), addressBytes(to.address), udp.length);
  if (!unchecked) udp.writeUInt16BE(~sum16(pseudo, udp) & 0xffff || 0xffff, 6);
  return udp;
}

function packetOf(crafted: Crafted): Buffer {
  const { from, to, ttl = 64, options = Buffer.alloc(0) } = crafted;
  const ends = [addressBytes(from.address), addressBytes(to.address)];
  const udp = udpOf(crafted);
  if (net.isIPv4(from.address)) {
    const words = 5 + options.length / 4;
    // The kernel fills in length, id and checksum (raw(7)).
    const ip = Buffer.concat([Buffer.from([0x40 | words, 0, 0, 0, 0, 0, 0, 0, ttl, 17, 0, 0]), ...ends, options]);
    return Buffer.concat([ip, udp]);
  }
  const ip = Buffer.from([0x60, 0, 0, 0, 0, 0, options.length > 0 ? 60 : 17, ttl]);
  ip.writeUInt16BE(options.length + udp.length, 4);
  return Buffer.concat([ip, ...ends, options, udp]);
}

/** Sends a packet through a raw socket: its checksum is complete, and whoever receives it verifies it. */
export function sendRaw(crafted: Crafted): void {
  const v6 = net.isIPv6(crafted.from.address);
  const packet = packetOf(crafted);
  const to = Buffer.alloc(v6 ? 28 : 16);
  to.writeUInt16LE(v6 ? 10 : 2, 0);
  addressBytes(crafted.to.address).copy(to, v6 ? 8 : 4);
  const fd = libc('socket', 'int', 'int', 'int', 'int')(v6 ? 10 : 2, 3, 255);
  const sendto = libc('sendto', 'long', 'int', 'void *', 'size_t', 'int', 'void *', 'uint32');
  const sent = sendto(fd, packet, packet.length, 0, to, to.length);
  closeSync(fd);
  if (sent !== packet.length) throw new Error('the raw packet was not sent');
}

/** What an interface sees from now on: IP packets, without the link's header. */
export class Tap {
  readonly #fd: number;
  readonly #recv = libc('recv', 'long', 'int', 'void *', 'size_t', 'int');

  /** Of an interface of the namespace that was entered. */
  constructor(index: number) {
    const [AF_PACKET, SOCK_DGRAM_NONBLOCK, ETH_P_ALL] = [17, 2 | 0o4000, 0x0003];
    this.#fd = libc('socket', 'int', 'int', 'int', 'int')(AF_PACKET, SOCK_DGRAM_NONBLOCK, 0);
    const address = Buffer.alloc(20);
    address.writeUInt16LE(AF_PACKET, 0);
    address.writeUInt16BE(ETH_P_ALL, 2);
    address.writeInt32LE(index, 4);
    libc('bind', 'int', 'int', 'void *', 'uint32')(this.#fd, address, address.length);
  }

  packets(): Buffer[] {
    const all: Buffer[] = [];
    const buffer = Buffer.alloc(1 << 16);
    for (;;) {
      const n = this.#recv(this.#fd, buffer, buffer.length, 0);
      if (n < 0) return all;
      all.push(Buffer.from(buffer.subarray(0, n)));
    }
  }

  close(): void {
    closeSync(this.#fd);
  }
}
