import { VIRTUAL } from '../cluster/endpoint.ts';
import type { Channel, CloseReason, DropReason, Head, Tail } from '../core/channel.ts';
import { wholeNow } from '../core/clock.ts';
import { mergeCounts } from '../core/counts.ts';
import type { Engine } from '../core/engine.ts';
import { asL7mpError, L7mpError } from '../core/errors.ts';
import type { Log } from '../core/log.ts';
import type { Metadata } from '../core/metadata.ts';
import { MESSAGE_TOO_BIG } from '../core/told.ts';
import type { Listener } from '../listener/listener.ts';
import type { ListenerDefinition } from '../model/definitions.ts';
import type { Offload } from '../offload/engine.ts';
import { Client, type ClientOwner } from './client.ts';
import { type EventLevel, EventLog, type EventName } from './events.ts';
import type { Pipe } from './pipe.ts';
import type { Plan } from './plan.ts';
import type { RetryPolicy } from './retry.ts';
import type { Rung, RungBytes } from './rung-bytes.ts';
import { Stage, type StageOwner } from './stage.ts';
import type { Expiring, Slot, Wheel } from './wheel.ts';
import { type Wired, Wiring } from './wiring.ts';

export type SessionStatus = 'INIT' | 'CONNECTED' | 'DISCONNECTED' | 'FINALIZING' | 'DESTROYED';

/** What sessions need of the proxy. */
export interface SessionHost {
  readonly log: Log;
  readonly wheel: Wheel;
  readonly io: Engine;
  readonly offload: Offload;
  readonly rungBytes: RungBytes;
  /** Where the session goes. Throws where it goes nowhere. */
  route(session: Session): Plan;
  /** Something has happened to the session. */
  event(session: Session, event: EventName, about: string, level: EventLevel): void;
  /** The session is over: its name is free. */
  ended(session: Session): void;
}

const NONE: readonly never[] = [];

/** Ends that are failures. */
const FAILURES: ReadonlySet<CloseReason['kind']> = new Set(['reset', 'error', 'timeout']);

/**
 * One connection through the proxy: the listener's channel, the stages that the route names, and the pipes between
 * them. Owns them all; is owned by the session table.
 */
export class Session implements ClientOwner, StageOwner, Wired, Expiring {
  readonly name: string;
  readonly listener: Listener;
  readonly events = new EventLog();
  status: SessionStatus = 'INIT';
  /** Why it ended, once it has. */
  outcome: CloseReason | undefined;
  slot: Slot | undefined;
  previous: Expiring | undefined;
  next: Expiring | undefined;
  /** Given by the session table: grows from one session to the next, in the whole proxy. */
  id = 0;
  /** Notes of the limits: what was taken of its source's share, and whether it counts for the whole. */
  sourceShare = 0;
  counted = false;
  readonly #host: SessionHost;
  readonly #client: Client;
  #metadata: Metadata | undefined;
  #plan: Plan | undefined;
  /** The ingress stages, the destination, the egress stages. */
  #stages: readonly Stage[] = NONE;
  #lastActive = wholeNow();
  /** One side has ended and the other cannot be told: the session ends when nothing comes back. */
  #halfClosed = false;
  #tail: Tail | undefined;
  #warned = false;
  /** How its channels are joined. */
  readonly wiring: Wiring;

  constructor(name: string, listener: Listener, source: Channel, host: SessionHost) {
    this.name = name;
    this.listener = listener;
    this.#host = host;
    this.wiring = new Wiring(this, host);
    this.#client = new Client(source, this);
  }

  // ------------------------------------------------------------------ what others see

  /** The client's channel. */
  get source(): Channel {
    return this.#client.channel;
  }

  /**
   * Made anew from the channel at each call, unless a rule has rewritten it: sessions that stand are many. Those of a request do not
   * stand, and are asked several times.
   */
  get metadata(): Metadata {
    if (this.source.exchange) return this.ownMetadata();
    return this.#metadata ?? this.source.describe();
  }

  /** The metadata, kept from now on: what is written into it stays. */
  ownMetadata(): Metadata {
    this.#metadata ??= this.source.describe();
    return this.#metadata;
  }

  /** The listener's definition, as it was when the session was routed. */
  get listenedBy(): ListenerDefinition {
    return this.#plan?.listener ?? this.listener.definition;
  }

  get route(): string | undefined {
    return this.#plan?.route;
  }

  /** How its stages are connected again. There is a plan when there are stages. */
  get retry(): RetryPolicy {
    return (this.#plan as Plan).policy;
  }

  get exchange(): boolean {
    return this.source.exchange;
  }

  get switches(): boolean {
    return this.source.switches;
  }

  get transformed(): boolean {
    return (this.#plan?.destination ?? 0) > 0;
  }

  get ingress(): readonly Stage[] {
    return this.#stages.slice(0, this.#plan?.destination ?? 0);
  }

  get destination(): Stage | undefined {
    return this.#stages[this.#plan?.destination ?? 0];
  }

  get egress(): readonly Stage[] {
    return this.#stages.slice((this.#plan?.destination ?? 0) + 1);
  }

  get stages(): readonly Stage[] {
    return this.#stages;
  }

  /** Where each pipe runs: in the order of the stages, the way back last. */
  get rungs(): Rung[] {
    return this.wiring.rungs;
  }

  /** Brings all counters up to date. */
  refresh(): void {
    this.wiring.refresh();
  }

  /** Messages lost in the session, by reason, if any were. */
  get drops(): ReadonlyMap<DropReason, number> | undefined {
    let all: ReadonlyMap<DropReason, number> | undefined = this.source.drops;
    for (const { drops } of this.#stages) all = mergeCounts(all, drops);
    return all;
  }

  /** FINALIZING or DESTROYED. */
  get over(): boolean {
    return this.outcome !== undefined;
  }

  // ------------------------------------------------------------------ life

  /** Asks the rules and connects the stages. What the peer sends meanwhile waits in the channel. */
  start(): void {
    this.#event('INIT', this.listener.name);
    try {
      const plan = this.#host.route(this);
      this.#plan = plan;
      this.#event('LOOKUP SUCCESS', plan.route);
      this.source.routed();
      this.#stages = plan.clusters.map((cluster) => new Stage(cluster, this));
      this.#host.wheel.schedule(this);
    } catch (error) {
      this.#refuse(asL7mpError(error));
      return;
    }
    for (const stage of this.#stages) {
      stage.connect();
      if (this.over) return;
    }
  }

  /** Ends it in order, whatever it is doing. */
  end(reason: CloseReason): void {
    this.#finish(reason, () => this.#client.close(reason));
  }

  /** An endpoint is gone: stages on it are mended as the retry policy says. */
  disconnect(endpoint: string, reason: CloseReason): void {
    for (const stage of this.#stages) {
      if (stage.endpoint?.name !== endpoint || stage.endpoint.address === VIRTUAL) continue;
      this.wiring.withdraw();
      stage.disconnect(reason);
    }
  }

  // ------------------------------------------------------------------ deadlines

  deadline(): number {
    if (!this.#plan) return Number.POSITIVE_INFINITY;
    const { idleTimeout, halfCloseTimeout } = this.#plan;
    return this.lastActivity + (this.#halfClosed ? Math.min(idleTimeout, halfCloseTimeout) : idleTimeout);
  }

  expire(): void {
    // A sink that takes its time is no silence, nor is what waits for a stage.
    if ((this.#halfClosed && this.wiring.slow) || (this.#client.hasSent && !this.connected)) {
      this.active();
      this.#host.wheel.schedule(this);
      return;
    }
    const idle = this.#plan && performance.now() - this.lastActivity >= this.#plan.idleTimeout;
    const reason: CloseReason = idle
      ? { kind: 'idle', message: 'no traffic for the idle timeout' }
      : { kind: 'end', message: 'one side has ended, and nothing more came from the other' };
    this.end(reason);
  }

  /** When something last passed in either direction, on the clock of performance.now(). */
  get lastActivity(): number {
    return Math.max(this.#lastActive, this.wiring.lastActive);
  }

  // ------------------------------------------------------------------ pipes

  get connected(): boolean {
    return this.status === 'CONNECTED';
  }

  active(): void {
    this.#lastActive = wholeNow();
  }

  sourceEnded(pipe: Pipe, tail: Tail | undefined): void {
    const stage = this.#stageOf(pipe.source);
    if (stage?.mendsEnd) {
      stage.disconnect({ kind: 'end', message: 'the endpoint has ended the connection' });
      return;
    }
    pipe.finish(pipe.sink === this.source ? (tail ?? this.#tail) : tail);
    if (stage === this.destination) this.#tail = tail;
    if (pipe.sink && !pipe.sink.halfClose) this.#startHalfClose();
    this.#settle();
  }

  sinkDrained(): void {
    this.wiring.settle();
  }

  endUntold(): void {
    this.#startHalfClose();
  }

  boundariesLost(): void {
    if (this.#warned) return;
    this.#warned = true;
    const text = 'a datagram stream is piped to a byte stream: the boundaries of messages are lost';
    this.#event('WARNING', text);
    if (this.#plan?.firstTime(text)) this.#host.log.write('warn', this.#plan.route, text);
  }

  /** Where datagrams may be lost anyway it is dropped and counted; else nobody would know that something is missing. */
  tooLarge(pipe: Pipe, size: number): boolean {
    const lossy = this.source.lossy || this.#stages.some(({ channel }) => channel?.lossy);
    if (lossy || pipe.sink === undefined) return false;
    const stage = this.#stageOf(pipe.sink);
    const where = stage ? `stage ${stage.cluster.name}` : 'the client';
    const message = `a message of ${size} bytes does not fit ${where}, which takes ${pipe.sink.maxMessage}`;
    // What follows is the line in the log.
    this.status = 'FINALIZING';
    pipe.sink.drop('too-large');
    this.end({ kind: 'error', code: MESSAGE_TOO_BIG, message });
    return true;
  }

  // ------------------------------------------------------------------ the client, and both ends

  clientClosed(reason: CloseReason): void {
    if (this.over) return;
    if (reason.kind !== 'end') {
      this.#event('DISCONNECT', `the client is gone: ${reason.message}`);
      this.end(reason);
    } else this.#settle();
    if (!this.over) this.#startHalfClose();
  }

  // Below the sockets, answers leave from one address.
  clientWanders(): void {
    this.wiring.withdraw();
  }

  lingers(): void {
    this.#startHalfClose();
  }

  socketChanged(): void {
    this.wiring.socketChanged();
  }

  fault(where: string, message: string): void {
    this.#event('ERROR', `${where}: ${message}`);
  }

  note(where: string, message: string): void {
    this.#event('DISCONNECT', `stage ${where}: ${message}`, 'verbose');
  }

  /** An event for each reason, and one line in the log. What is left over when a session ends is no news to the log. */
  dropped(where: string, reason: DropReason, messages: number): void {
    const { drops } = this;
    if (this.status === 'DESTROYED' || drops?.get(reason) !== messages) return;
    const news = drops.size === 1 && this.status !== 'FINALIZING';
    this.#event('WARNING', `${where}: messages are dropped (${reason})`, news ? 'info' : 'verbose');
  }

  // ------------------------------------------------------------------ stages

  stageReady(stage: Stage): void {
    if (this.status === 'CONNECTED') return;
    const first = this.status === 'INIT';
    const whole = this.#stages.every(isReady);
    if (whole) this.status = 'CONNECTED';
    if (!first) this.#join();
    if (!whole || this.over) return;
    this.#event('CONNECT', first ? 'all stages are connected' : `stage ${stage.cluster.name} is connected again`);
    if (!first) return;
    this.active();
    this.#host.wheel.schedule(this);
    this.source.accept(this.destination?.channel?.answer);
    if (!this.over) this.#join();
  }

  stageFailed(stage: Stage, error: L7mpError, again: boolean): void {
    this.#event('ERROR', `stage ${stage.cluster.name}: ${error.message}${again ? '; trying again' : ''}`, 'info');
    if (again) return;
    if (this.status === 'INIT') this.#refuse(error, 'verbose');
    else this.#fail(error);
  }

  stageLost(stage: Stage, reason: CloseReason): void {
    this.#event('DISCONNECT', `stage ${stage.cluster.name}: ${reason.message}`, 'info');
    if (this.status === 'INIT') return;
    this.wiring.withdraw();
    this.status = 'DISCONNECTED';
    this.#join();
  }

  stageClosed(stage: Stage, reason: CloseReason): void {
    if (this.over) return;
    // A stage that has ended in order, both ways: what has gone through is still on its way through the others.
    if (reason.kind === 'end' && stage.channel?.endSent && stage.channel.endRead && this.status !== 'INIT') {
      this.#settle();
      return;
    }
    this.#event('DISCONNECT', `stage ${stage.cluster.name}: ${reason.message}`);
    if (this.status === 'INIT') this.#refuse(new L7mpError('E_DISCONNECT', reason.message));
    else if (this.#complete()) this.end({ kind: 'end', message: 'both sides have ended' });
    else this.end(reason);
  }

  stageHead(stage: Stage, head: Head): void {
    if (stage !== this.destination || this.over) return;
    // What stands on the way back may make the answer longer or shorter.
    this.source.head(stage === this.#stages.at(-1) ? head : withoutLength(head));
  }

  // ------------------------------------------------------------------ own

  #stageOf(channel: Channel | undefined): Stage | undefined {
    for (const stage of this.#stages) if (stage.channel === channel) return stage;
    return undefined;
  }

  #join(): void {
    this.#halfClosed = this.#client.lost !== undefined;
    this.wiring.join();
  }

  /** Begins the time of a session one side of which has ended, and the other cannot be told. */
  #startHalfClose(): void {
    this.#halfClosed = true;
    this.#host.wheel.schedule(this);
  }

  /** Ends the session once both directions have. */
  #settle(): void {
    if (this.over || this.status === 'INIT') return;
    if (this.#complete()) this.end(this.#client.lost ?? { kind: 'end', message: 'both sides have ended' });
  }

  #complete(): boolean {
    return this.#client.complete && (this.destination?.channel?.endSent ?? false);
  }

  #refuse(error: L7mpError, level: EventLevel = 'info'): void {
    this.#finish({ kind: 'refused', message: error.message }, () => this.#client.refuse(error), 'ERROR', level);
  }

  /** A stage has failed, which was said. */
  #fail(error: L7mpError): void {
    const { kind } = this.source;
    const reason: CloseReason = { kind: kind === 'stream' ? 'reset' : 'error', message: error.message };
    this.#finish(reason, () => this.#client.fail(error), 'ERROR', 'verbose');
  }

  #finish(reason: CloseReason, closeSource: () => void, event: EventName = 'END', level: EventLevel = 'info'): void {
    if (this.over) return;
    this.outcome = reason;
    this.status = 'FINALIZING';
    const failed = event === 'ERROR' || FAILURES.has(reason.kind);
    this.#event(failed ? 'ERROR' : event, reason.message, failed ? level : 'verbose');
    this.#host.wheel.remove(this);
    this.wiring.release();
    for (const stage of this.#stages) stage.end(this.#client.told(reason));
    closeSource();
    this.wiring.countEnd();
    this.status = 'DESTROYED';
    this.#event('DESTROY', '');
    this.#host.ended(this);
  }

  #event(event: EventName, about: string, level: EventLevel = 'verbose'): void {
    // Nobody sees the last ones of a session that is forgotten when it has ended.
    if (!this.over || (this.listener.definition.options.track ?? 0) > 0) this.events.add(event, about);
    this.#host.event(this, event, about, level);
  }
}

function isReady({ ready }: Stage): boolean {
  return ready;
}

function withoutLength({ headers, ...head }: Head): Head {
  const { 'content-length': _length, ...left } = headers ?? {};
  return { ...head, headers: left };
}
