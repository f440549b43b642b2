/** What JavaScript sends by datagrams: gathered for a turn of the main thread's loop, then sent with few system calls. */
import type { DropReason } from '../../core/channel.ts';
import type { Arena } from './arena.ts';
import { EAGAIN, EMSGSIZE } from './constants.ts';
import * as layout from './datagram-batch.ts';
import { type Libc, libc } from './libc.ts';
import { SendBatch, sendAll } from './send-batch.ts';
import * as wire from './wire.ts';

/** Runs that wait at most, each with a header; what a run's failure leaves to send apart has one more. */
const RUNS = layout.BATCH;
const SPARE = RUNS;
/** Where the bytes begin, after what describes them. */
const DATA = SendBatch.bytes(RUNS + 1);
const DATA_BYTES = wire.OUTBOX_BYTES - DATA;

/** Who sends, and whom to. */
export interface Sending {
  readonly fd: number;
  /** The kernel cuts one send into segments for it, as far as we know. */
  segments: boolean;
  /** The offset of the slot with the address to send to; undefined where the socket is connected. */
  address(): number | undefined;
  drop(reason: DropReason, messages: number): void;
  /** Is told of an error that ends nothing. */
  failed(errno: number): void;
}

/** Datagrams of one sender that follow each other: all of one size but the last, which may be smaller. */
interface Run {
  readonly to: Sending;
  /** Where its bytes begin, in the arena. */
  readonly at: number;
  readonly size: number;
  bytes: number;
  count: number;
}

export class Outbox {
  readonly #c: Libc = libc();
  readonly #arena: Arena;
  readonly #batch: SendBatch;
  readonly #data: number;
  #runs: Run[] = [];
  #used = 0;
  #scheduled = false;
  #closed = false;
  #failures: { readonly to: Sending; readonly errno: number }[] = [];

  constructor({ arena, outbox }: wire.Shared) {
    this.#arena = arena;
    this.#batch = new SendBatch(arena, outbox, RUNS + 1);
    this.#data = outbox + DATA;
  }

  /** Takes a datagram: it is sent when this turn of the loop is over, or before where much comes together. */
  add(to: Sending, bytes: Uint8Array): void {
    if (this.#closed) {
      to.drop('closed', 1);
      return;
    }
    if (this.#used + bytes.length > DATA_BYTES) this.flush();
    const last = this.#runs[this.#runs.length - 1];
    if (last && last.to === to && continues(last, bytes.length)) {
      last.bytes += bytes.length;
      last.count++;
    } else this.#begin(to, bytes.length);
    this.#arena.u8.set(bytes, this.#data + this.#used);
    this.#used += bytes.length;
  }

  /** Sends what it has. */
  flush(): void {
    const runs = this.#runs;
    if (runs.length === 0) return;
    this.#runs = [];
    this.#used = 0;
    for (let n = 0; n < runs.length; n++) this.#prepare(n, runs[n] as Run);
    sendAll(
      runs,
      (fd, n, count) => this.#batch.send(fd, n, count),
      (n) => this.#failed(runs[n] as Run, this.#c.errno()),
    );
    // Who is told may send again, or close.
    for (const { to, errno } of this.#failures.splice(0)) to.failed(errno);
  }

  /** Sends what it has, and takes no more: descriptors are about to be closed. */
  close(): void {
    this.flush();
    this.#closed = true;
  }

  #begin(to: Sending, size: number): void {
    if (this.#runs.length === RUNS) this.flush();
    this.#runs.push({ to, at: this.#data + this.#used, size, bytes: size, count: 1 });
    if (this.#scheduled) return;
    this.#scheduled = true;
    setImmediate(() => {
      this.#scheduled = false;
      this.flush();
    });
  }

  #prepare(n: number, { to, at, size, bytes, count }: Run): void {
    this.#batch.point(n, at, bytes);
    this.#batch.prepare(n, n, 1, to.address(), count > 1 ? size : 0);
  }

  #failed(run: Run, errno: number): void {
    const { to, at, size, bytes, count } = run;
    if (errno === EAGAIN) to.drop('queue-full', count);
    else if (count === 1) this.#retry(run, errno);
    else {
      // A pending ICMP error says nothing of segments.
      if (layout.UNREACHABLE.has(errno)) this.#failures.push({ to, errno });
      else to.segments = false;
      for (let n = 0; n < count; n++) {
        const rest = bytes - n * size;
        const part = { to, at: at + n * size, size, bytes: Math.min(size, rest), count: 1 };
        const failure = this.#sendApart(part);
        if (failure === EAGAIN) to.drop('queue-full', 1);
        else if (failure !== 0) this.#retry(part, failure);
      }
    }
  }

  // A pending ICMP error is reported by the next send(2), which then has not sent: it is sent again, once (udp(7)).
  #retry(run: Run, errno: number): void {
    const { to } = run;
    this.#failures.push({ to, errno });
    if (errno === EMSGSIZE) to.drop('too-large', 1);
    else if (this.#sendApart(run) !== 0) to.drop('send-error', 1);
  }

  /** Returns 0, or the error. */
  #sendApart(run: Run): number {
    this.#prepare(SPARE, run);
    return this.#batch.send(run.to.fd, SPARE, 1) < 0 ? this.#c.errno() : 0;
  }
}

/** Whether a datagram of so many bytes may be another segment of a run. */
function continues({ to, size, bytes, count }: Run, more: number): boolean {
  const even = bytes === size * count && more > 0 && more <= size;
  return to.segments && even && count < layout.BATCH && bytes + more <= layout.SEGMENTS_BYTES;
}
