/**
 * Where the bytes of a session are moved: by pipes in JavaScript, by the engine between two sockets, or in the kernel. A
 * session is moved down as far as it can be, and up again when something needs its messages.
 *
 * Not owned here: the channels, when they are connected, and what their ends mean: the session's.
 */
import type { Channel, ChannelKind } from '../core/channel.ts';
import type { StreamKind } from '../core/protocol.ts';
import { KernelFlow } from './kernel-flow.ts';
import { Pipe, type PipeOwner } from './pipe.ts';
import type { Rung } from './rung-bytes.ts';
import type { SessionHost } from './session.ts';
import { joinSockets, type SocketRelay } from './socket-relay.ts';
import type { Stage } from './stage.ts';

/** What is wired: the client's channel and the stages. */
export interface Wired extends PipeOwner {
  readonly name: string;
  readonly source: Channel;
  readonly stages: readonly Stage[];
  /** All stages are connected. */
  readonly connected: boolean;
  readonly over: boolean;
  /** A pipe has passed its end on to a channel that cannot tell its peer. */
  endUntold(): void;
  /** Datagrams are piped to a byte stream. */
  boundariesLost(): void;
}

const NONE: readonly never[] = [];

export class Wiring {
  readonly #session: Wired;
  readonly #host: SessionHost;
  /** The ingress stages', the destination's, the egress stages', the way back last. Datagrams that were never read have none. */
  #pipes: readonly Pipe[] = NONE;
  #relay: SocketRelay | undefined;
  #flow: KernelFlow | undefined;
  /** Bytes of the client that are put down to a rung. */
  #counted = 0;

  constructor(session: Wired, host: SessionHost) {
    this.#session = session;
    this.#host = host;
  }

  // ------------------------------------------------------------------ what others see

  /** Where each pipe runs: in the order of the stages, the way back last. */
  get rungs(): Rung[] {
    const pipes = this.#relay ? 2 : this.#pipes.length;
    return new Array(pipes).fill(this.#flow ? 'kernel' : this.#socketRung);
  }

  /** When something last passed below JavaScript, on the clock of performance.now(). */
  get lastActive(): number {
    return Math.max(this.#relay?.lastActive() ?? 0, this.#flow?.lastActive ?? 0);
  }

  /** A sink takes its time with what there is. */
  get slow(): boolean {
    return this.#pipes.some(({ source, sink }) => source?.queued && sink?.full);
  }

  /** Brings the counters up to date, of all channels and of the rungs. */
  refresh(): void {
    const { source, stages } = this.#session;
    source.refresh();
    for (const { channel } of stages) channel?.refresh();
    this.#relay?.refresh?.();
    this.#count(this.#socketRung);
    this.#flow?.refresh();
    this.#count('kernel');
  }

  // ------------------------------------------------------------------ what the session asks

  /** Joins what is connected; what is not is held back meanwhile. */
  join(): void {
    if (this.#relay) this.refresh();
    else this.#count('userspace');
    this.#relay = this.#join();
    // Datagrams have no end that a pipe would have to pass on.
    if (this.#pipes.length > 0 || !this.#relay || this.#session.source.kind !== 'datagram') this.#joinPipes();
    if (!this.#session.over) this.settle();
  }

  /** Moves it as far down as it can be. What waits in JavaScript goes first; what waits in sockets is read from them. */
  settle(): void {
    if (!this.#session.connected) return;
    if (!this.#relay) {
      this.#count('userspace');
      this.#relay = this.#join();
    }
    this.offload();
  }

  /** The socket of a channel has come, or is gone. */
  socketChanged(): void {
    if (this.#relay && !this.#sockets) this.#part();
    if (this.#flow && !this.#sockets) this.withdraw();
    this.settle();
  }

  /** Moves it into the kernel, if it can be there. */
  offload(): void {
    const [source, sink] = this.#ends ?? NONE;
    if (this.#flow || !source || !sink || !this.#session.connected) return;
    const flow = KernelFlow.add(this.#host.offload, source, sink);
    if (flow instanceof KernelFlow) this.#flow = flow;
    else if (this.#host.log.enabled('silly'))
      this.#host.log.write('silly', this.#session.name, `not offloaded: ${flow}`);
  }

  /** Takes it out of the kernel again: everything comes to the sockets from now on. */
  withdraw(): void {
    if (!this.#flow) return;
    this.refresh();
    this.#flow.remove();
    this.#flow = undefined;
    this.#count('kernel');
  }

  /** Lets go of everything, before the channels are closed. */
  release(): void {
    this.withdraw();
    for (const pipe of this.#pipes) pipe.part();
  }

  /** What the channels have counted to their end was moved where it is now. */
  countEnd(): void {
    this.#count(this.#socketRung);
  }

  // ------------------------------------------------------------------ own

  /** Where what comes to the sockets is moved. */
  get #socketRung(): Rung {
    return this.#relay ? 'native' : 'userspace';
  }

  #count(rung: Rung): void {
    this.#counted = this.#host.rungBytes.put(rung, this.#session.source, this.#counted);
  }

  /** The two channels, where there is nothing between them. */
  get #ends(): readonly [Channel, Channel] | undefined {
    const { source, stages } = this.#session;
    const [stage] = stages;
    return stages.length === 1 && stage?.ready ? [source, stage.channel as Channel] : undefined;
  }

  /** Both are, or end in, kernel sockets. */
  get #sockets(): boolean {
    return this.#ends?.every(({ socket }) => socket !== undefined) ?? false;
  }

  #join(): SocketRelay | undefined {
    const [source, sink] = this.#ends ?? NONE;
    if (!source || !sink) return undefined;
    return joinSockets(this.#host.io, source, sink, this.#session.stages[0]?.mends ?? false);
  }

  /** Gives it back to JavaScript. */
  #part(): void {
    this.refresh();
    this.#relay?.part();
    this.#relay = undefined;
    this.#joinPipes();
  }

  #joinPipes(): void {
    if (this.#pipes.length === 0) this.#pipes = this.#makePipes();
    for (let n = 0; n < this.#pipes.length; n++) {
      const pipe = this.#pipes[n] as Pipe;
      const to = this.#station(n + 1);
      pipe.join(this.#station(n), to);
      if (this.#session.over) return;
      if (pipe.ended && to && !to.halfClose) this.#session.endUntold();
    }
  }

  /** What the n-th pipe comes from: the client, the stages that are connected, and the client again. */
  #station(n: number): Channel | undefined {
    const { source, stages } = this.#session;
    // An index that is none would be looked up by its name.
    if (n === 0 || n > stages.length) return source;
    const stage = stages[n - 1] as Stage;
    return stage.ready ? stage.channel : undefined;
  }

  #makePipes(): Pipe[] {
    const { source, stages } = this.#session;
    let kind: ChannelKind = source.kind;
    const pipes: Pipe[] = [];
    for (const { channel, cluster } of stages) {
      const into = channel?.kind ?? 'datagram';
      pipes.push(this.#makePipe(kind, into, cluster.kind));
      if (cluster.kind !== 'same') kind = into;
    }
    pipes.push(this.#makePipe(kind, source.kind, source.kind));
    return pipes;
  }

  #makePipe(from: ChannelKind, to: ChannelKind, taken: StreamKind): Pipe {
    if (from === 'datagram' && taken === 'stream') this.#session.boundariesLost();
    return new Pipe(this.#session, from === 'stream' && to === 'datagram');
  }
}
