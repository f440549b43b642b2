/** From a session's ends and the routes to them to the two entries of the program's maps. Pure. */
import { KEPT_BYTES, type UdpEnd, type UdpFlow } from '../engine.ts';
import { addressBytes, isLoopback } from './address.ts';
import { LOOPBACK, type Route } from './netlink.ts';

/** One direction: how its packets look, and what becomes of them. As udp.bpf.c has them. */
export interface Entry {
  /** struct key4, 12 bytes, or struct tuple. */
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

/** sizeof(struct key4), sizeof(struct tuple), where its ports begin, and sizeof(struct flow). */
export const KEY4 = 12;
const TUPLE = 36;
const PORTS = 32;
const KEPT = TUPLE + 24;
const FLOW = KEPT + KEPT_BYTES;

/** `toClient` and `toUpstream` are the routes of the session's own packets. Returns why not, where it cannot be done. */
export function entriesOf(flow: UdpFlow, toClient: Route, toUpstream: Route, slots: Slots): Entries | string {
  const [client, listen, local, upstream] = [flow.client, flow.listen, flow.local, flow.upstream].map(bytesOf) as [
    Buffer,
    Buffer,
    Buffer,
    Buffer,
  ];
  if ([listen, local, upstream].some(({ length }) => length !== client.length))
    return 'one side is IPv4, the other IPv6';
  const forward = way(toClient, toUpstream, upstream);
  if (forward === undefined) return refusal(flow.upstream);
  const back = way(toUpstream, toClient, client);
  if (back === undefined) return refusal(flow.client);
  const [fromClient, onward] = [tuple(client, listen), tuple(local, upstream)];
  const [fromUpstream, backward] = [tuple(upstream, local), tuple(listen, client)];
  const v4 = client.length === 4 + 2;
  return {
    fromClient: {
      key: keyOf(fromClient, v4),
      value: valueFor(fromClient, onward, [toClient.oif, forward, toUpstream.mtu, slots.fromClient]),
    },
    fromUpstream: {
      key: keyOf(fromUpstream, v4),
      value: valueFor(fromUpstream, backward, [toUpstream.oif, back, toClient.mtu, slots.fromUpstream], flow.kept),
    },
    interfaces: [toClient.oif, toUpstream.oif],
  };
}

/** The interface that a packet is redirected to, or 0 if it goes up the stack where it came in. */
function way(back: Route, on: Route, to: Buffer): number | undefined {
  if (!on.local) return on.oif;
  // On the loopback a packet carries its route along, so that its new addresses are not judged.
  if (back.oif === LOOPBACK) return 0;
  // Redirected to the loopback, it gets an output route, as if it was sent here.
  if (isLoopback(to.subarray(0, -2))) return LOOPBACK;
  // Our own address is the new source. IPv6 takes it; to IPv4 it is a martian (fib_validate_source), unless a sysctl
  // says otherwise, and there is no output route to such an address through the loopback.
  return to.length === 4 + 2 ? undefined : 0;
}

function refusal({ address }: UdpEnd): string {
  return `${address} is local, but neither on the loopback, nor is the other side of this host`;
}

/** Address and port in network order. */
function bytesOf({ address, port }: UdpEnd): Buffer {
  return Buffer.concat([addressBytes(address), Buffer.from([port >> 8, port & 0xff])]);
}

/** struct tuple */
function tuple(from: Buffer, to: Buffer): Buffer {
  const bytes = Buffer.alloc(TUPLE);
  from.copy(bytes, 0, 0, from.length - 2);
  to.copy(bytes, 16, 0, to.length - 2);
  from.copy(bytes, PORTS, from.length - 2);
  to.copy(bytes, PORTS + 2, to.length - 2);
  return bytes;
}

function keyOf(whole: Buffer, v4: boolean): Buffer {
  if (!v4) return whole;
  return Buffer.concat([whole.subarray(0, 4), whole.subarray(16, 20), whole.subarray(PORTS)], KEY4);
}

/** struct flow: the new ends; iif, oif, mtu and slot; what the checksums gain; what is kept from it. */
function valueFor(before: Buffer, ends: Buffer, words: readonly number[], kept?: Uint8Array): Buffer {
  const value = Buffer.alloc(FLOW);
  ends.copy(value);
  const all = [...words, gain(before, ends, 0, PORTS), gain(before, ends, PORTS, TUPLE)];
  for (const [n, word] of all.entries()) value.writeUInt32LE(word, TUPLE + 4 * n);
  if (kept) value.set(kept, KEPT);
  return value;
}

/** The one's complement sum of the new bytes without the old ones (RFC 1624), of words as this machine reads them. */
function gain(old: Buffer, now: Buffer, from: number, to: number): number {
  let sum = 0;
  for (let at = from; at < to; at += 2) sum += now.readUInt16LE(at) + (0xffff - old.readUInt16LE(at));
  return sum;
}
