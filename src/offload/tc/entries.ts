/** From a session's ends and the routes to them to the two entries of the program's map. Pure. */
import * as net from 'node:net';
import type { UdpEnd, UdpFlow } from '../engine.ts';
import { addressBytes, isLoopback } from './address.ts';
import { LOOPBACK, type Route } from './netlink.ts';

/** One direction: how its packets look, and what becomes of them. As udp.bpf.c has them. */
export interface Entry {
  /** struct key4, 12 bytes, or struct tuple */
  readonly key: Buffer;
  /** struct flow */
  readonly value: Buffer;
}

/** The interfaces where the packets of a flow come in must all be seen. */
export interface Entries {
  readonly fromClient: Entry;
  readonly fromUpstream: Entry;
  readonly interfaces: readonly [client: number, upstream: number];
}

/** Where a direction is counted. */
export interface Slots {
  readonly fromClient: number;
  readonly fromUpstream: number;
}

/** sizeof(struct key4), sizeof(struct tuple), and where its ports begin. */
export const KEY4 = 12;
const TUPLE = 36;
const PORTS = 32;

type Ends = readonly [from: UdpEnd, to: UdpEnd];

/** `toClient` and `toUpstream` are the routes of the session's own packets. Returns why not, where it cannot be done. */
export function entriesOf(flow: UdpFlow, toClient: Route, toUpstream: Route, slots: Slots): Entries | string {
  const { client, listen, local, upstream } = flow;
  const families = new Set([client, listen, local, upstream].map(({ address }) => net.isIP(address)));
  if (families.size > 1) return 'one side is IPv4, the other IPv6';
  const forward = way(toClient, toUpstream, upstream);
  if (typeof forward === 'string') return forward;
  const back = way(toUpstream, toClient, client);
  if (typeof back === 'string') return back;
  return {
    fromClient: {
      key: keyOf(client, listen),
      value: valueFor([client, listen], [local, upstream], toClient.oif, forward, toUpstream.mtu, slots.fromClient),
    },
    fromUpstream: {
      key: keyOf(upstream, local),
      value: valueFor([upstream, local], [listen, client], toUpstream.oif, back, toClient.mtu, slots.fromUpstream),
    },
    interfaces: [toClient.oif, toUpstream.oif],
  };
}

/** The interface that a packet is redirected to, or 0 if it goes up the stack where it came in. */
function way(back: Route, on: Route, to: UdpEnd): number | string {
  if (!on.local) return on.oif;
  // On the loopback a packet carries its route along, so that its new addresses are not judged.
  if (back.oif === LOOPBACK) return 0;
  // Redirected to the loopback, it gets an output route, as if it was sent here.
  if (isLoopback(to.address)) return LOOPBACK;
  // Our own address is the new source. IPv6 takes it; to IPv4 it is a martian (fib_validate_source), unless a sysctl
  // says otherwise, and there is no output route to such an address through the loopback.
  if (net.isIPv6(to.address)) return 0;
  return `${to.address} is local, but neither on the loopback, nor is the other side of this host`;
}

/** struct key4, or struct tuple where it is IPv6. */
function keyOf(from: UdpEnd, to: UdpEnd): Buffer {
  const whole = tuple(from, to);
  if (net.isIPv6(from.address)) return whole;
  return Buffer.concat([whole.subarray(0, 4), whole.subarray(16, 20), whole.subarray(PORTS)]);
}

/** struct flow: the new ends, iif, oif, mtu, slot, and what the checksums gain. */
function valueFor(before: Ends, ends: Ends, ...words: readonly number[]): Buffer {
  const [old, now] = [tuple(...before), tuple(...ends)];
  return tuple(...ends, ...words, gain(old, now, 0, PORTS), gain(old, now, PORTS, TUPLE));
}

/** The one's complement sum of the new bytes without the old ones (RFC 1624), of words as this machine reads them. */
function gain(old: Buffer, now: Buffer, from: number, to: number): number {
  let sum = 0;
  for (let at = from; at < to; at += 2) sum += now.readUInt16LE(at) + (0xffff - old.readUInt16LE(at));
  return sum;
}

/** struct tuple, and words of 32 bits behind it. */
function tuple(from: UdpEnd, to: UdpEnd, ...behind: readonly number[]): Buffer {
  const bytes = Buffer.alloc(TUPLE + 4 * behind.length);
  addressBytes(from.address).copy(bytes, 0);
  addressBytes(to.address).copy(bytes, 16);
  bytes.writeUInt16BE(from.port, 32);
  bytes.writeUInt16BE(to.port, 34);
  for (const [n, word] of behind.entries()) bytes.writeUInt32LE(word, TUPLE + 4 * n);
  return bytes;
}
