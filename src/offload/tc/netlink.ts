/** What the kernel says of interfaces and routes (rtnetlink(7)), asked without waiting: it answers within send(2). */
import { constants } from 'node:os';
import { addressBytes } from './address.ts';
import { errorName, type Native } from './libbpf.ts';

export interface Link {
  readonly index: number;
  readonly name: string;
  /** ARPHRD_: 1 is Ethernet, 772 the loopback. */
  readonly type: number;
}

export interface Route {
  /** To a socket of this host. */
  readonly local: boolean;
  /** Interface; for what is local, the loopback. */
  readonly oif: number;
  /** The address that a socket gets which has none. */
  readonly source: Buffer | undefined;
  /** Of the route, or learned on it from ICMP (PMTU); 0 if only the interface limits. */
  readonly mtu: number;
}

/** Index of `lo` in every network namespace. */
export const LOOPBACK = 1;

const AF_NETLINK = 16;
const AF = { 4: 2, 6: 10 } as const;
const SOCK_RAW_NONBLOCK_CLOEXEC = 3 | 0o4000 | 0o2000000;
/** RTNLGRP_: LINK, IPV4_IFADDR, IPV4_ROUTE, IPV4_RULE, IPV6_IFADDR, IPV6_ROUTE, IPV6_RULE */
const GROUPS = 0x1 | 0x10 | 0x40 | 0x80 | 0x100 | 0x400 | 0x4_0000;
const RTM_NEWLINK = 16;
const RTM_GETLINK = 18;
const RTM_NEWROUTE = 24;
const RTM_GETROUTE = 26;
const NLM_F_REQUEST = 1;
const NLM_F_DUMP = 0x300;
const NLMSG_ERROR = 2;
const NLMSG_DONE = 3;
const RTN_UNICAST = 1;
const RTN_LOCAL = 2;
const RTA = { DST: 1, SRC: 2, OIF: 4, PREFSRC: 7, METRICS: 8 } as const;
const RTAX_MTU = 2;
const IFLA_IFNAME = 3;
/** Of nlmsghdr, and of rtmsg and ifinfomsg behind it. */
const HEADER = 16;
const RTMSG = 12;
const IFINFOMSG = 16;

interface Message {
  readonly type: number;
  readonly body: Buffer;
}

export class Netlink {
  readonly #native: Native;
  readonly #requests: number;
  readonly #events: number;
  readonly #buffer = Buffer.alloc(1 << 16);

  /** Belongs to the network namespace of the thread that makes it. Throws where the kernel has none of it. */
  constructor(native: Native) {
    this.#native = native;
    this.#requests = this.#open(0);
    this.#events = this.#open(GROUPS);
  }

  links(): Link[] {
    const body = Buffer.alloc(IFINFOMSG);
    const links: Link[] = [];
    for (const { type, body: link } of this.#ask(RTM_GETLINK, NLM_F_DUMP, body)) {
      if (type !== RTM_NEWLINK) continue;
      const name = attributes(link, IFINFOMSG).get(IFLA_IFNAME);
      if (name)
        links.push({
          index: link.readInt32LE(4),
          name: name.toString('utf8', 0, name.indexOf(0)),
          type: link.readUInt16LE(2),
        });
    }
    return links;
  }

  /** The way of a packet of ours, or why there is none. */
  route(to: string, from: string | undefined): Route | string {
    const family = to.includes(':') ? 6 : 4;
    const dst = addressBytes(to);
    const src = from === undefined ? undefined : addressBytes(from);
    const body = Buffer.alloc(RTMSG);
    body[0] = AF[family];
    body[1] = dst.length * 8;
    body[2] = (src?.length ?? 0) * 8;
    const attached = [attribute(RTA.DST, dst), ...(src ? [attribute(RTA.SRC, src)] : [])];
    const answer = this.#ask(RTM_GETROUTE, 0, Buffer.concat([body, ...attached]))[0];
    if (answer?.type !== RTM_NEWROUTE) return `no route to ${to}: ${answer ? failure(answer) : 'no answer'}`;
    return routeOf(answer.body) ?? `the route to ${to} goes to no host`;
  }

  /** Whether interfaces, addresses or routes have changed since it was last asked. */
  changed(): boolean {
    let changed = false;
    for (;;) {
      const n = this.#native.libc.recv(this.#events, this.#buffer, this.#buffer.length, 0);
      // ENOBUFS: there were more than the socket holds.
      if (n < 0 && this.#native.errno() !== constants.errno.ENOBUFS) return changed;
      if (n === 0) return changed;
      changed = true;
    }
  }

  close(): void {
    this.#native.libc.close(this.#requests);
    this.#native.libc.close(this.#events);
  }

  #open(groups: number): number {
    const { libc } = this.#native;
    const fd = libc.socket(AF_NETLINK, SOCK_RAW_NONBLOCK_CLOEXEC, 0);
    if (fd < 0) throw new Error(`netlink: ${errorName(this.#native.errno())}`);
    const address = Buffer.alloc(12);
    address.writeUInt16LE(AF_NETLINK, 0);
    address.writeUInt32LE(groups, 8);
    if (libc.bind(fd, address, address.length) === 0) return fd;
    const why = errorName(this.#native.errno());
    libc.close(fd);
    throw new Error(`netlink: ${why}`);
  }

  #ask(type: number, flags: number, body: Buffer): Message[] {
    const { libc } = this.#native;
    const header = Buffer.alloc(HEADER);
    header.writeUInt32LE(HEADER + body.length, 0);
    header.writeUInt16LE(type, 4);
    header.writeUInt16LE(NLM_F_REQUEST | flags, 6);
    const request = Buffer.concat([header, body]);
    if (libc.send(this.#requests, request, request.length, 0) < 0) return [];
    const all: Message[] = [];
    for (;;) {
      const n = libc.recv(this.#requests, this.#buffer, this.#buffer.length, 0);
      if (n <= 0) return all;
      all.push(...messages(Buffer.from(this.#buffer.subarray(0, n))));
      if (!(flags & NLM_F_DUMP) || all.at(-1)?.type === NLMSG_DONE) return all;
    }
  }
}

function routeOf(body: Buffer): Route | undefined {
  const type = body[7];
  const found = attributes(body, RTMSG);
  const metrics = found.get(RTA.METRICS);
  const oif = found.get(RTA.OIF)?.readInt32LE() ?? 0;
  if ((type !== RTN_UNICAST && type !== RTN_LOCAL) || oif === 0) return undefined;
  return {
    local: type === RTN_LOCAL,
    // IPv6 names the interface that has the address.
    oif: type === RTN_LOCAL ? LOOPBACK : oif,
    source: found.get(RTA.PREFSRC),
    mtu: (metrics && attributes(metrics, 0).get(RTAX_MTU)?.readUInt32LE()) ?? 0,
  };
}

function failure({ type, body }: Message): string {
  return type === NLMSG_ERROR ? errorName(body.readInt32LE(0)) : `message ${type}`;
}

function* messages(bytes: Buffer): Generator<Message> {
  for (let at = 0; at + HEADER <= bytes.length; ) {
    const length = bytes.readUInt32LE(at);
    if (length < HEADER) return;
    yield { type: bytes.readUInt16LE(at + 4), body: bytes.subarray(at + HEADER, at + length) };
    at += align(length);
  }
}

function attributes(bytes: Buffer, from: number): Map<number, Buffer> {
  const all = new Map<number, Buffer>();
  for (let at = from; at + 4 <= bytes.length; ) {
    const length = bytes.readUInt16LE(at);
    if (length < 4) break;
    all.set(bytes.readUInt16LE(at + 2) & 0x3fff, bytes.subarray(at + 4, at + length));
    at += align(length);
  }
  return all;
}

function attribute(type: number, value: Buffer): Buffer {
  const bytes = Buffer.alloc(align(4 + value.length));
  bytes.writeUInt16LE(4 + value.length, 0);
  bytes.writeUInt16LE(type, 2);
  value.copy(bytes, 4);
  return bytes;
}

function align(length: number): number {
  return (length + 3) & ~3;
}
