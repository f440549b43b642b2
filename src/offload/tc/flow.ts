import type { FlowCounters, OffloadedFlow, UdpFlow } from '../engine.ts';
import type { Entries, Slots } from './entries.ts';
import type { Counter, Program } from './program.ts';

/** performance.now() at CLOCK_MONOTONIC 0, in milliseconds: both run alike, and begin apart. */
const EPOCH = performance.now() - Number(process.hrtime.bigint()) / 1e6;

/** A flow in the program's map. */
export class TcFlow implements OffloadedFlow {
  /** With the address that the client sends to, where it was a wildcard. */
  readonly flow: UdpFlow;
  readonly slots: Slots;
  /** performance.now() when the way of the flow was last looked up. */
  lookedUp = performance.now();
  readonly #program: Program;
  readonly #added = performance.now();
  readonly #removed: (flow: TcFlow) => void;
  #entries: Entries | undefined;
  #final: FlowCounters | undefined;

  constructor(flow: UdpFlow, slots: Slots, program: Program, removed: (flow: TcFlow) => void) {
    this.flow = flow;
    this.slots = slots;
    this.#program = program;
    this.#removed = removed;
  }

  counters(): FlowCounters {
    if (this.#final) return this.#final;
    const fromClient = this.#program.counter(this.slots.fromClient);
    const fromUpstream = this.#program.counter(this.slots.fromUpstream);
    const last = Math.max(fromClient.last, fromUpstream.last);
    return { in: count(fromClient), out: count(fromUpstream), lastSeen: Math.max(this.#added, EPOCH + last / 1e6) };
  }

  remove(): void {
    if (this.#final) return;
    this.withdraw();
    this.#final = this.counters();
    this.#removed(this);
  }

  /** Puts it into the map, or changes its way there. Returns why not. */
  install(entries: Entries): string | undefined {
    const { fromClient, fromUpstream } = entries;
    const before = this.#entries;
    this.lookedUp = performance.now();
    if (before) {
      if (!before.fromClient.value.equals(fromClient.value)) this.#program.replace(fromClient);
      if (!before.fromUpstream.value.equals(fromUpstream.value)) this.#program.replace(fromUpstream);
      this.#entries = entries;
      return undefined;
    }
    const why = this.#program.add(fromClient, fromUpstream);
    if (why === undefined) this.#entries = entries;
    return why;
  }

  /** Takes it out of the map: packets arrive at the sockets until it is installed again. */
  withdraw(): void {
    this.lookedUp = performance.now();
    if (!this.#entries) return;
    this.#program.remove(this.#entries.fromClient.key);
    this.#program.remove(this.#entries.fromUpstream.key);
    this.#entries = undefined;
  }
}

function count({ packets, bytes }: Counter): { packets: number; bytes: number } {
  return { packets, bytes };
}
