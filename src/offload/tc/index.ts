/**
 * The offload engine on eBPF: a program at tc ingress of the interfaces forwards the packets of the flows that it is
 * given. Owns the program, its maps and attachments; none of them outlives the process.
 *
 * Packets that are offloaded bypass netfilter. Routes, interfaces and path MTUs are looked up when a flow is added and
 * again when they change, up to a second late: until then packets go the way that was right before.
 */
import * as net from 'node:net';
import { isWildcard, plainAddress } from '../../core/address.ts';
import type { Offload, OffloadedFlow, OffloadStatus, Refused, UdpEnd, UdpFlow } from '../engine.ts';
import { addressText } from './address.ts';
import { Attacher, type Means } from './attach.ts';
import { type Entries, entriesOf, type Slots } from './entries.ts';
import { TcFlow } from './flow.ts';
import { Interfaces } from './interfaces.ts';
import type { Native } from './libbpf.ts';
import { Netlink, type Route } from './netlink.ts';
import { Program } from './program.ts';
import { SlotRing } from './slots.ts';

export interface TcOptions {
  /** Names, also of interfaces that do not exist yet; all: also those that appear later. */
  readonly interfaces: readonly string[] | 'all';
  /** Flows at most. Each takes 128 bytes from the start, and some 400 more while it is there. */
  readonly capacity?: number;
  /** How to attach; by default TCX where the kernel has it, else clsact. */
  readonly means?: Means;
}

const CAPACITY = 32_768;

/** Milliseconds between two looks at what has changed. */
const TICK = 1000;

/** Path MTUs change without notice: at each tick, of so many flows the routes of those with traffic are looked up again. */
const LOOKS = 1024;
const LOOK_UPS = 64;

/** Flows that are rerouted before others have their turn. */
const CHUNK = 128;

export class TcOffload implements Offload {
  readonly name = 'tc';
  readonly #netlink: Netlink;
  readonly #program: Program;
  readonly #interfaces: Interfaces;
  readonly #capacity: number;
  readonly #slots: SlotRing;
  readonly #flows = new Set<TcFlow>();
  /** Looked up since the last tick: clients come in crowds. */
  readonly #routes = new Map<string, Route>();
  readonly #timer: NodeJS.Timeout;
  #closed = false;

  /** Works in the network namespace of the calling thread. Throws an Error that says why it cannot. */
  constructor(native: Native, { interfaces, capacity = CAPACITY, means }: TcOptions) {
    this.#capacity = capacity;
    this.#slots = new SlotRing(capacity);
    this.#netlink = new Netlink(native);
    try {
      this.#program = new Program(native, capacity);
    } catch (error) {
      this.#netlink.close();
      throw error;
    }
    this.#interfaces = new Interfaces(interfaces, this.#netlink, new Attacher(native, this.#program.fd, means));
    this.#timer = setInterval(() => this.#tick(), TICK);
    this.#timer.unref();
    const { unusable } = this.#interfaces;
    if (unusable === undefined) return;
    this.#release();
    throw new Error(unusable);
  }

  get on(): boolean {
    return !this.#closed;
  }

  status(): OffloadStatus {
    const { used } = this.#slots;
    const base = { interfaces: this.#closed ? [] : this.#interfaces.status(), flows: used, capacity: this.#capacity };
    return this.#closed ? { on: false, why: 'closed', ...base } : { on: true, ...base };
  }

  add(asked: UdpFlow): OffloadedFlow | Refused {
    if (this.#closed) return { refused: 'the offload engine is closed' };
    const slots = this.#slots.take();
    if (!slots) return { refused: 'the map of flows is full' };
    const flow = this.#nameListen(plain(asked));
    const entries = typeof flow === 'string' ? flow : this.#entriesOf(flow, slots);
    if (typeof flow === 'string' || typeof entries === 'string') return this.#refuse(slots, entries as string);
    this.#program.reset(slots.fromClient);
    this.#program.reset(slots.fromUpstream);
    const taken = new TcFlow(flow, slots, this.#program, (removed) => this.#forget(removed));
    const why = taken.install(entries);
    if (why) return this.#refuse(slots, why);
    this.#flows.add(taken);
    return taken;
  }

  close(): Promise<void> {
    if (!this.#closed) this.#release();
    return Promise.resolve();
  }

  #tick(): void {
    this.#routes.clear();
    if (!this.#netlink.changed()) {
      this.#lookAround();
      return;
    }
    this.#interfaces.update();
    this.#rerouteAll([...this.#flows]);
  }

  /** Some flows, each in its turn, with a route looked up anew where packets came since it last was. */
  #lookAround(): void {
    let left = LOOK_UPS;
    let seen = Math.min(LOOKS, this.#flows.size);
    for (const flow of this.#flows) {
      if (left === 0 || seen-- === 0) return;
      this.#flows.delete(flow);
      this.#flows.add(flow);
      if (flow.counters().lastSeen <= flow.lookedUp) continue;
      left--;
      this.#reroute(flow);
    }
  }

  /** A few milliseconds at a time. */
  #rerouteAll(flows: TcFlow[]): void {
    for (const flow of flows.splice(0, CHUNK)) if (this.#flows.has(flow)) this.#reroute(flow);
    if (flows.length > 0) setImmediate(() => this.#rerouteAll(flows)).unref();
  }

  #reroute(flow: TcFlow): void {
    const entries = this.#entriesOf(flow.flow, flow.slots);
    if (typeof entries === 'string') flow.withdraw();
    else flow.install(entries);
  }

  #nameListen(flow: UdpFlow): UdpFlow | string {
    const ends = [flow.client, flow.listen, flow.local, flow.upstream];
    const odd = ends.find(({ address }) => !net.isIP(address) || address.includes('%') || /^fe[89ab]/i.test(address));
    if (odd) return `${odd.address}: not an address that stands by itself`;
    if (!isWildcard(flow.listen.address)) return flow;
    const route = this.#route(flow.client.address, undefined);
    if (typeof route === 'string') return route;
    if (!route.source) return `no address of ours is known to ${flow.client.address}`;
    return { ...flow, listen: { address: addressText(route.source), port: flow.listen.port } };
  }

  #entriesOf(flow: UdpFlow, slots: Slots): Entries | string {
    const toClient = this.#route(flow.client.address, flow.listen.address);
    if (typeof toClient === 'string') return toClient;
    const toUpstream = this.#route(flow.upstream.address, flow.local.address);
    if (typeof toUpstream === 'string') return toUpstream;
    const entries = entriesOf(flow, toClient, toUpstream, slots);
    if (typeof entries === 'string') return entries;
    const unseen = entries.interfaces.find((index) => !this.#interfaces.has(index));
    if (unseen === undefined) return entries;
    return `packets come in on ${this.#interfaces.nameOf(unseen)}, which is not an interface of the offload`;
  }

  #route(to: string, from: string | undefined): Route | string {
    const key = `${to} ${from}`;
    const known = this.#routes.get(key);
    if (known) return known;
    const route = this.#netlink.route(to, from);
    if (typeof route !== 'string') this.#routes.set(key, route);
    return route;
  }

  #refuse(slots: Slots, refused: string): Refused {
    this.#slots.give(slots);
    return { refused };
  }

  #forget(flow: TcFlow): void {
    if (this.#flows.delete(flow)) this.#slots.give(flow.slots);
  }

  #release(): void {
    this.#closed = true;
    clearInterval(this.#timer);
    for (const flow of [...this.#flows]) flow.remove();
    this.#interfaces.close();
    this.#program.close();
    this.#netlink.close();
  }
}

function plain({ client, listen, local, upstream, ...rest }: UdpFlow): UdpFlow {
  return {
    ...rest,
    client: plainEnd(client),
    listen: plainEnd(listen),
    local: plainEnd(local),
    upstream: plainEnd(upstream),
  };
}

function plainEnd({ address, port }: UdpEnd): UdpEnd {
  return { address: plainAddress(address), port };
}
