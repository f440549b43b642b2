import {
  Channel,
  type CloseReason,
  type Head,
  type Headers,
  type QueueLimits,
  type Tail,
} from '../../../core/channel.ts';
import { asL7mpError } from '../../../core/errors.ts';
import type { Deadlines, Waiter } from './deadlines.ts';
import type { Lease } from './pool.ts';
import type { AnswerReader, Failure, RequestHead, UpstreamExchange } from './upstream.ts';

/** Methods that may be asked for twice with the effect of once (RFC 9110 section 9.2.2). */
const IDEMPOTENT: ReadonlySet<string> = new Set(['GET', 'HEAD', 'OPTIONS', 'TRACE', 'PUT', 'DELETE']);

/** Times that a request is made again at most, while the upstream takes none. */
const MOST_AGAIN = 3;

/** Bytes of a body that are kept until it is answered, so that it can be sent again. */
const MOST_KEPT = 16 << 10;

const TELLS_CONTINUE: Head = Object.freeze({ tellsContinue: true });
const MAY_SWITCH: Head = Object.freeze({ tellsContinue: true, switches: true });

/** What a request needs beside its head. */
export interface Asking {
  readonly deadlines: Deadlines;
  /** A place on a connection; `fresh`: on one that has carried nothing. */
  readonly lease: (fresh: boolean) => Lease | Promise<Lease>;
  /** The head is sent at once, whatever follows; else with what follows, or when somebody reads the answer. */
  readonly ahead: boolean;
}

/** A request to an upstream: what is written is its body, what is read that of the answer. */
export class UpstreamChannel extends Channel implements AnswerReader, Waiter {
  readonly kind = 'stream';
  since = 0;
  readonly #request: RequestHead;
  readonly #asking: Asking;
  #lease: Lease | undefined;
  #exchange: UpstreamExchange | undefined;
  #flush: NodeJS.Immediate | undefined;
  /** What has come of the body, while it can be sent again: it is small, and nothing is answered. */
  #kept: Uint8Array[] | undefined;
  #keptBytes = 0;
  #replayable = true;
  /** A place for the request is waited for, so that it can be made anew. */
  #anew = false;
  #tail: Tail | undefined;
  /** The request went out on a connection that had carried others. */
  #stale = false;
  #bodiless = false;
  #answerOver = false;
  #times = 0;

  constructor(request: RequestHead, lease: Lease, asking: Asking, limits: QueueLimits) {
    super(limits);
    this.#request = request;
    this.#lease = lease;
    this.#asking = asking;
    if (asking.ahead) this.#flushSoon();
  }

  override get halfClose(): boolean {
    return true;
  }

  override get exchange(): boolean {
    return true;
  }

  override get answer(): Head {
    return this.#request.upgrade ? MAY_SWITCH : TELLS_CONTINUE;
  }

  // ------------------------------------------------------------------ the transport

  protected override send(bytes: Uint8Array): boolean {
    if (bytes.length === 0) return true;
    if (this.#replayable) this.#keep(bytes);
    if (this.#anew) return false;
    const exchange = this.#exchange ?? this.#begin(false);
    if (!exchange) return true;
    this.since = performance.now();
    return exchange.write(bytes);
  }

  protected override sendEnd(tail?: Tail): void {
    this.#tail = tail;
    if (this.#anew) return;
    if (!this.#exchange) this.#begin(tail === undefined);
    else this.#exchange.end(tail);
    this.since = performance.now();
    if (this.#answerOver) this.#over();
  }

  protected override holdSource(): void {
    this.#exchange?.hold();
  }

  // The session stands when somebody reads: what it has to say comes at once, or the head goes ahead of it.
  protected override releaseSource(): void {
    if (this.#exchange) this.#exchange.release();
    else this.#flushSoon();
  }

  protected override shut(reason: CloseReason): void {
    const { kind } = reason;
    const exchange = this.#exchange;
    this.#exchange = undefined;
    this.#leave();
    if (kind === 'reset') exchange?.abort(reason);
    else if (kind === 'end' && exchange) this.#forget(exchange);
    else exchange?.breakOff(reason);
  }

  // ------------------------------------------------------------------ the answer

  informed(status: number, headers: Headers): void {
    this.since = performance.now();
    this.owner?.head?.({ status, headers });
  }

  answered(status: number, headers: Headers): void {
    this.#asking.deadlines.delete(this);
    this.#forgetBody();
    this.owner?.head?.({ status, headers });
  }

  received(bytes: Uint8Array): void {
    this.deliver(bytes);
  }

  ended(trailers?: Tail): void {
    this.#answerOver = true;
    this.deliverEnd(trailers);
    if (this.endSent) this.#over();
  }

  switched(headers: Headers, tunnel: UpstreamExchange): void {
    this.#exchange = tunnel;
    this.answered(101, headers);
    if (!this.held) tunnel.release();
  }

  override drained(): void {
    this.since = performance.now();
    super.drained();
  }

  failed(failure: Failure): void {
    this.#exchange = undefined;
    if (this.#answerOver) this.#over();
    else if (this.#mayAgain(failure)) void this.#again(failure);
    else this.#fail(reasonOf(failure));
  }

  late(): void {
    this.#fail({ kind: 'timeout', message: 'no answer within the response timeout' });
  }

  // ------------------------------------------------------------------ own

  /** In one piece with the body, or known to have none, where that shows at once. */
  #flushSoon(): void {
    if (!this.#lease) return;
    this.#flush ??= setImmediate(() => {
      this.#flush = undefined;
      if (!this.#exchange) this.#begin(false);
    });
  }

  /** Makes the request. `bodiless`: nothing follows its head. */
  #begin(bodiless: boolean): UpstreamExchange | undefined {
    const lease = this.#lease;
    if (!lease) return undefined;
    this.#lease = undefined;
    this.#stale = lease.stale;
    // What follows a wish to go on in another protocol is of that.
    this.#bodiless = bodiless || this.#request.upgrade !== undefined;
    this.#rest();
    try {
      this.since = performance.now();
      this.#asking.deadlines.add(this);
      this.#exchange = lease.use().request(this.#request, this.#bodiless, this);
    } catch (error) {
      const { message } = asL7mpError(error);
      // Who writes is not prepared for its end.
      process.nextTick(() => this.#fail({ kind: 'error', message }));
      return undefined;
    }
    if (this.held) this.#exchange.hold();
    return this.#exchange;
  }

  #keep(bytes: Uint8Array): void {
    this.#keptBytes += bytes.length;
    // What comes while it waits goes out in any case.
    if (this.#keptBytes > MOST_KEPT && !this.#anew) this.#forgetBody();
    else if (this.#kept) this.#kept.push(bytes);
    else this.#kept = [bytes];
  }

  #forgetBody(): void {
    this.#replayable = false;
    this.#kept = undefined;
  }

  /**
   * What the upstream certainly has not acted on is asked anew (RFC 9113 section 8.7). So is what may be asked twice and has no body
   * (RFC 9110 section 9.2.2), where nothing was answered on a connection that was kept: the upstream may have closed that while the
   * request was on its way.
   */
  #mayAgain({ kind, unanswered, unseen, progress }: Failure): boolean {
    if (!this.open || !this.#replayable) return false;
    if (!progress && this.#times === MOST_AGAIN) return false;
    if (unseen) return true;
    if (this.#keptBytes > 0) return false;
    return kind === 'reset' && unanswered && this.#stale && IDEMPOTENT.has(this.#request.method);
  }

  async #again({ unseen, progress }: Failure): Promise<void> {
    if (!progress) this.#times++;
    this.#anew = true;
    try {
      this.#lease = await this.#asking.lease(!unseen);
      this.#anew = false;
      if (!this.open) this.#leave();
      else this.#resume();
    } catch (error) {
      this.#fail({ kind: 'reset', message: asL7mpError(error).message });
    }
  }

  #resume(): void {
    const exchange = this.#begin(this.#bodiless);
    if (!exchange || this.#bodiless) return;
    for (const bytes of this.#kept ?? []) exchange.write(bytes);
    if (this.#keptBytes > MOST_KEPT) this.#forgetBody();
    if (this.endSent) exchange.end(this.#tail);
    else this.drained();
  }

  #over(): void {
    this.#leave();
    this.deliverClose({ kind: 'end', message: 'the answer is complete' });
  }

  #fail(reason: CloseReason): void {
    this.#leave();
    this.deliverClose(reason);
  }

  #forget(exchange: UpstreamExchange): void {
    if (!this.endSent) exchange.end();
    exchange.forget();
  }

  /** Nothing more is heard of the request, and nothing waits for it. */
  #leave(): void {
    this.#rest();
    this.#lease?.giveBack();
    this.#lease = undefined;
    this.#exchange?.abort();
    this.#exchange = undefined;
  }

  #rest(): void {
    clearImmediate(this.#flush);
    this.#flush = undefined;
    this.#asking.deadlines.delete(this);
  }
}

function reasonOf({ kind, message, code }: Failure): CloseReason {
  return code === undefined ? { kind, message } : { kind, message, code };
}
