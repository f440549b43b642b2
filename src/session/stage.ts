import type { Cluster } from '../cluster/cluster.ts';
import type { Endpoint, Trial } from '../cluster/endpoint.ts';
import { isFinal, isOwnFault } from '../cluster/outcome.ts';
import type { Channel, ChannelOwner, CloseReason, DropReason, Head } from '../core/channel.ts';
import { wholeNow } from '../core/clock.ts';
import { mergeCounts } from '../core/counts.ts';
import { L7mpError } from '../core/errors.ts';
import type { Metadata } from '../core/metadata.ts';
import type { EndOwner } from './client.ts';
import { DialAttempt, type DialObserver } from './dial-attempt.ts';
import { probe } from './probe.ts';
import type { RetryPolicy } from './retry.ts';

/** Milliseconds. */
const NEVER = Number.POSITIVE_INFINITY;

export type StageStatus = 'INIT' | 'READY' | 'DISCONNECTED' | 'RETRYING' | 'END';

/** What a stage tells its session. */
export interface StageOwner extends EndOwner {
  readonly name: string;
  readonly metadata: Metadata;
  readonly listener: { readonly name: string };
  readonly retry: RetryPolicy;
  /** The client waits for one answer to one request. */
  readonly exchange: boolean;
  readonly transformed: boolean;
  /** The stage is connected, for the first time or again. */
  stageReady(stage: Stage): void;
  /** An attempt failed; another one follows if `again`. */
  stageFailed(stage: Stage, error: L7mpError, again: boolean): void;
  /** The stage was connected and no longer is, and will be again if it can. */
  stageLost(stage: Stage, reason: CloseReason): void;
  /** The stage is closed, and the retry policy does not bring it back. */
  stageClosed(stage: Stage, reason: CloseReason): void;
  stageHead(stage: Stage, head: Head): void;
  /** Something is known of what is at the other end of it that is no failure. */
  note(where: string, message: string): void;
}

/** What passed through a stage's earlier channels. */
export interface Traffic {
  bytesIn: number;
  bytesOut: number;
  messagesIn: number;
  messagesOut: number;
}

/** One cluster that a session goes through, and its connection: made, lost, and made again as the route's retry says. */
export class Stage implements ChannelOwner, DialObserver, Trial {
  readonly cluster: Cluster;
  readonly #owner: StageOwner;
  status: StageStatus = 'INIT';
  endpoint: Endpoint | undefined;
  channel: Channel | undefined;
  /** Traffic and drops of channels that are gone. */
  #past: Traffic | undefined;
  #pastDrops: ReadonlyMap<DropReason, number> | undefined;

  /** The latest, which has no answer yet; and earlier ones, which had none within the endpoint's patience. The first answer counts. */
  #attempt: DialAttempt | undefined;
  #slow: Set<DialAttempt> | undefined;
  /** Until the next attempt. */
  #wait: NodeJS.Timeout | undefined;
  /** Attempts that failed since it was last connected. */
  #failures = 0;
  /** The endpoints that failed in this round. */
  #tried: Set<Endpoint> | undefined;
  #connectedOnce = false;
  /** The head of an answer has come, which is the answer's beginning. */
  #answered = false;
  /** Bytes that had come when it was last told of a fault. */
  #heard = 0;
  #lastAttempt = 0;

  constructor(cluster: Cluster, owner: StageOwner) {
    this.cluster = cluster;
    this.#owner = owner;
  }

  get ready(): boolean {
    return this.status === 'READY';
  }

  /** The endpoint's end is a disconnect that is mended, not a half-close. */
  get mendsEnd(): boolean {
    return this.ready && this.mends && this.channel?.endSent === false;
  }

  /**
   * Whether a lost connection is made again. A cluster without a network has nothing that could come back, and a part of
   * a request, or of an answer, cannot be continued by another endpoint.
   */
  get mends(): boolean {
    const { exchange, retry } = this.#owner;
    if (!retry.onDisconnect || retry.retries === 0 || this.cluster.side.virtual) return false;
    return !(exchange || this.channel?.exchange) || !this.#used;
  }

  /** Something has passed through it, in either direction. */
  get #used(): boolean {
    const { bytesIn, bytesOut } = this.traffic;
    return this.#answered || bytesIn + bytesOut > 0;
  }

  /** Something has come from the endpoint, since a fault where there was one. */
  get answered(): boolean {
    const { channel } = this;
    channel?.refresh();
    return this.#answered || (channel !== undefined && channel.bytesIn > this.#heard);
  }

  connect(): void {
    const { cluster } = this;
    cluster.requests++;
    this.#dial();
  }

  /** The endpoint has ended, which the retry policy takes for a disconnect; or it was deleted. */
  disconnect(reason: CloseReason): void {
    if (this.#attempt) {
      this.#cancel();
      this.#retry(new L7mpError('E_DISCONNECT', reason.message));
    }
    if (!this.ready) return;
    this.channel?.close(reason);
    this.closed(this.channel as Channel, reason);
  }

  /** Ends it for good. */
  end(reason: CloseReason): void {
    this.#cancel();
    clearTimeout(this.#wait);
    // What has come is asked for only where somebody wants to know.
    if (this.ready && this.endpoint?.unanswered && this.answered) this.#tellAnswered();
    this.channel?.close(reason);
    this.#tally();
    this.#release();
    this.status = 'END';
  }

  get traffic(): Traffic {
    const { channel } = this;
    channel?.refresh();
    const past = this.#past;
    return {
      bytesIn: (past?.bytesIn ?? 0) + (channel?.bytesIn ?? 0),
      bytesOut: (past?.bytesOut ?? 0) + (channel?.bytesOut ?? 0),
      messagesIn: (past?.messagesIn ?? 0) + (channel?.messagesIn ?? 0),
      messagesOut: (past?.messagesOut ?? 0) + (channel?.messagesOut ?? 0),
    };
  }

  /** Messages dropped here, by reason, if any were. */
  get drops(): ReadonlyMap<DropReason, number> | undefined {
    return mergeCounts(this.#pastDrops, this.channel?.drops);
  }

  // ------------------------------------------------------------------ the channel's owner

  head(head: Head): void {
    this.#answered = true;
    this.#tellAnswered();
    this.#owner.stageHead(this, head);
  }

  lingering(): void {
    this.#owner.lingers();
  }

  socketChanged(): void {
    this.#owner.socketChanged();
  }

  active(): void {
    this.#owner.active();
  }

  fault(channel: Channel, message: string): void {
    if (this.answered) this.#tellAnswered();
    this.#heard = channel.bytesIn;
    if (this.endpoint) this.cluster.unanswered(this.endpoint, message);
    this.#owner.fault(this.cluster.name, message);
  }

  note(_channel: Channel, message: string): void {
    this.#owner.note(this.cluster.name, message);
  }

  dropped(_channel: Channel, reason: DropReason, messages: number): void {
    this.#owner.dropped(`stage ${this.cluster.name}`, reason, messages);
  }

  closed(channel: Channel, reason: CloseReason): void {
    if (!this.ready || channel !== this.channel) return;
    const inOrder = reason.kind === 'end' && channel.endSent;
    this.#countLoss(reason, inOrder);
    if (!inOrder) this.#judge(reason);
    if (!this.mends || inOrder) {
      this.#release();
      this.status = 'END';
      this.#owner.stageClosed(this, reason);
      return;
    }
    this.#release();
    this.status = 'DISCONNECTED';
    this.#failures = 0;
    // The kernel's share of the traffic is known after that.
    this.#owner.stageLost(this, reason);
    this.#absorb();
    this.#reconnect();
  }

  // ------------------------------------------------------------------ connecting

  // An endpoint that takes connections only to drop them must not be hammered: what has not stood for the wait has
  // failed in this round.
  #reconnect(): void {
    if (this.#over) return;
    const left = this.#lastAttempt + this.#owner.retry.wait - wholeNow();
    if (left > 0) this.#tryOther(left);
    else {
      this.status = 'RETRYING';
      this.#nextRound();
    }
  }

  /** Dials an endpoint that has not failed in this round, at once; else begins the next round in `wait` milliseconds. */
  #tryOther(wait: number): void {
    this.status = 'RETRYING';
    this.#tried ??= new Set();
    if (this.endpoint) this.#tried.add(this.endpoint);
    if (this.cluster.hasOther(this.#tried)) this.#dial();
    else this.#wait = setTimeout(() => this.#nextRound(), wait);
  }

  #nextRound(): void {
    this.#tried = undefined;
    this.#dial();
  }

  #dial(): void {
    this.#lastAttempt = wholeNow();
    const endpoint = this.cluster.pick(this.#owner, this.#tried);
    if (!endpoint) {
      this.#retry(new L7mpError('E_NO_ENDPOINT', `cluster ${this.cluster.name} has no endpoint that takes sessions`));
      return;
    }
    this.endpoint = endpoint;
    const attempt = new DialAttempt(endpoint, this.#timeout(), this.#owner, this);
    this.#attempt = attempt;
    endpoint.connecting++;
    if (this.#failures > 0 || this.#slow || this.#connectedOnce) this.cluster.retried(endpoint);
    attempt.run(this.cluster.dialer);
    const due = this.cluster.due();
    if (due && due !== endpoint) probe(this.cluster, due, attempt);
    if (this.#attempt === attempt && this.#mayJoin)
      this.#wait = setTimeout(() => this.#joinAttempt(), endpoint.patience);
  }

  get #mayJoin(): boolean {
    return this.cluster.plural && this.#failures + (this.#slow?.size ?? 0) + 1 < this.#allowed;
  }

  /** Dials another endpoint beside the one that takes its time, if one is not known to be down. */
  #joinAttempt(): void {
    const attempt = this.#attempt as DialAttempt;
    this.#tried ??= new Set();
    this.#tried.add(attempt.endpoint);
    if (!this.cluster.hasOther(this.#tried, true)) return;
    this.#slow ??= new Set();
    this.#slow.add(attempt);
    attempt.slow = true;
    this.cluster.slower(attempt.endpoint, 1);
    this.#dial();
  }

  /** Milliseconds that an attempt may take. */
  #timeout(): number {
    const { wait, connectTimeout: ofRoute = NEVER } = this.#owner.retry;
    const { connect_timeout: ofCluster = NEVER } = this.cluster.definition.options;
    const least = Math.min(ofRoute, ofCluster);
    return least === NEVER ? wait : least;
  }

  /** Milliseconds since the latest attempt began. */
  get #took(): number {
    return wholeNow() - this.#lastAttempt;
  }

  #cancel(): void {
    if (!this.#attempt) return;
    for (const attempt of [this.#attempt, ...(this.#slow ?? [])]) {
      attempt.cancel();
      this.#resolved(attempt);
    }
    this.#settleAll();
  }

  /** There is an answer, or nobody waits for it any more. */
  #resolved(attempt: DialAttempt): void {
    if (!attempt.slow) return;
    attempt.slow = false;
    this.cluster.slower(attempt.endpoint, -1);
  }

  #settleAll(): void {
    if (this.#attempt) this.#attempt.endpoint.connecting--;
    if (this.#slow) for (const { endpoint } of this.#slow) endpoint.connecting--;
    this.#attempt = undefined;
    this.#slow = undefined;
  }

  connected(attempt: DialAttempt, channel: Channel): void {
    const { endpoint } = attempt;
    this.#resolved(attempt);
    this.cluster.outcome(attempt);
    if (!this.#waitsFor(attempt)) {
      channel.close({ kind: 'end', message: 'another endpoint was faster' });
      return;
    }
    clearTimeout(this.#wait);
    // What becomes of the others is told to the cluster.
    this.#settleAll();
    this.#failures = 0;
    this.#connectedOnce = true;
    this.endpoint = endpoint;
    endpoint.sessions++;
    if (endpoint.mute) endpoint.trial = this;
    this.channel = channel;
    channel.owner = this;
    this.status = 'READY';
    this.#owner.stageReady(this);
  }

  failed(attempt: DialAttempt, error: L7mpError): void {
    this.#resolved(attempt);
    this.cluster.outcome(attempt, error);
    if (!this.#waitsFor(attempt)) return;
    attempt.endpoint.connecting--;
    if (!this.#slow?.delete(attempt)) {
      clearTimeout(this.#wait);
      this.#attempt = this.#slowest();
    }
    if (!this.#attempt) this.#retry(error);
    else {
      this.#failures++;
      this.#owner.stageFailed(this, error, true);
    }
  }

  #waitsFor(attempt: DialAttempt): boolean {
    return this.#attempt === attempt || this.#slow?.has(attempt) === true;
  }

  /** One of those that go on. */
  #slowest(): DialAttempt | undefined {
    const [attempt] = this.#slow ?? [];
    if (attempt) this.#slow?.delete(attempt);
    return attempt;
  }

  #retry(error: L7mpError): void {
    if (this.#over) return;
    this.#failures++;
    const again = this.#failures < this.#allowed && !isFinal(error);
    this.status = again ? 'RETRYING' : 'DISCONNECTED';
    this.#owner.stageFailed(this, error, again);
    if (!again || this.#over) return;
    const { wait } = this.#owner.retry;
    if (isOwnFault(error)) this.#wait = setTimeout(() => this.#nextRound(), wait);
    else this.#tryOther(wait);
  }

  /** Attempts in this round: the first connection has one more than the retries; after a disconnect, that was it. */
  get #allowed(): number {
    if (this.#connectedOnce) return this.#owner.retry.onDisconnect ? this.#owner.retry.retries : 0;
    return this.#owner.retry.onConnectFailure ? 1 + this.#owner.retry.retries : 1;
  }

  /** Where nothing is mended an orderly end is a session's end, not a loss. */
  #countLoss({ kind }: CloseReason, inOrder: boolean): void {
    const lost = kind !== 'deleted' && (kind !== 'end' || this.mends) && !inOrder;
    if (lost && this.endpoint) this.cluster.disconnected(this.endpoint);
  }

  /** Whether an endpoint serves shows in what comes from it, not in the connection. */
  #judge({ kind, message }: CloseReason): void {
    if (this.answered) this.#tellAnswered();
    else if (this.endpoint && kind !== 'deleted' && (kind === 'timeout' || this.#took < this.#owner.retry.wait)) {
      this.cluster.unanswered(this.endpoint, message);
    }
  }

  #tellAnswered(): void {
    if (this.endpoint && this.endpoint.unanswered > 0) this.cluster.answered(this.endpoint);
  }

  get #over(): boolean {
    return this.status === 'END';
  }

  #release(): void {
    if (this.ready && this.endpoint) this.endpoint.sessions--;
  }

  /** Puts what has passed over a channel that is closed to the endpoint's account. */
  #tally(): void {
    const { channel, endpoint } = this;
    if (!channel || !endpoint) return;
    this.cluster.carried(endpoint, channel.bytesIn, channel.bytesOut);
  }

  #absorb(): void {
    this.#tally();
    this.#pastDrops = this.drops;
    this.#past = this.traffic;
    this.channel = undefined;
  }
}
