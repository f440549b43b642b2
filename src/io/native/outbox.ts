/** What JavaScript sends by datagrams: gathered for a turn of the main thread's loop, then sent with few system calls. */
import type { DropReason } from '../../core/channel.ts';
import type { Arena } from './arena.ts';
import { EAGAIN, EMSGSIZE, MSG_DONTWAIT, MSG_NOSIGNAL } from './constants.ts';
import * as layout from './datagram-batch.ts';
import { type Libc, libc } from './libc.ts';
import * as wire from './wire.ts';

const FLAGS = MSG_DONTWAIT | MSG_NOSIGNAL;

/** Runs that wait at most, each with a header; what a run's failure leaves to send apart has one more. */
const RUNS = layout.BATCH;
const SPARE = RUNS;
/** Room for a run's control messages: the address that it leaves from, and the size of segments. */
const CONTROL_BYTES = 64;

const VECTORS = (RUNS + 1) * layout.HEADER;
const CONTROLS = VECTORS + (RUNS + 1) * layout.VECTOR;
const DATA = CONTROLS + (RUNS + 1) * CONTROL_BYTES;
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
  readonly #at: number;
  #runs: Run[] = [];
  #used = 0;
  #scheduled = false;
  #closed = false;
  #failures: { readonly to: Sending; readonly errno: number }[] = [];

  constructor({ arena, outbox }: wire.Shared) {
    this.#arena = arena;
    this.#at = outbox;
    arena.u32.fill(0, outbox >> 2, (outbox + DATA) >> 2);
    for (let n = 0; n <= RUNS; n++) {
      const header = this.#header(n);
      arena.point(header + layout.VECTORS, this.#vector(n));
      arena.u32[(header + layout.VECTOR_COUNT) >> 2] = 1;
    }
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
    this.#arena.u8.set(bytes, this.#at + DATA + this.#used);
    this.#used += bytes.length;
  }

  /** Sends what it has. */
  flush(): void {
    const runs = this.#runs;
    if (runs.length === 0) return;
    this.#runs = [];
    this.#used = 0;
    for (let n = 0; n < runs.length; n++) this.#prepare(n, runs[n] as Run);
    for (let first = 0, end = 0; first < runs.length; first = end) {
      const { fd } = (runs[first] as Run).to;
      while (end < runs.length && runs[end]?.to.fd === fd) end++;
      this.#send(fd, runs, first, end);
    }
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
    this.#runs.push({ to, at: this.#at + DATA + this.#used, size, bytes: size, count: 1 });
    if (this.#scheduled) return;
    this.#scheduled = true;
    setImmediate(() => {
      this.#scheduled = false;
      this.flush();
    });
  }

  #header(n: number): number {
    return this.#at + n * layout.HEADER;
  }

  #vector(n: number): number {
    return this.#at + VECTORS + n * layout.VECTOR;
  }

  /** Makes the n-th header say where a run lies, and where it goes. */
  #prepare(n: number, { to, at, size, bytes, count }: Run): void {
    const arena = this.#arena;
    const { u8, u32 } = arena;
    const header = this.#header(n);
    const control = this.#at + CONTROLS + n * CONTROL_BYTES;
    const address = to.address();
    let used = 0;
    if (address === undefined) {
      u32.fill(0, (header + layout.NAME) >> 2, (header + layout.NAME_LENGTH + 4) >> 2);
    } else {
      arena.point(header + layout.NAME, address);
      u32[(header + layout.NAME_LENGTH) >> 2] = u32[(address + wire.ADDRESS_LENGTH) >> 2] as number;
      used = u32[(address + wire.CONTROL_LENGTH) >> 2] as number;
      u8.copyWithin(control, address + wire.CONTROL, address + wire.CONTROL + used);
    }
    if (count > 1) {
      layout.putSegmentSize(arena, control + used, size);
      used += layout.SEGMENT_CONTROL;
    }
    arena.point(header + layout.CONTROL, control);
    u32[(header + layout.CONTROL_LENGTH) >> 2] = used;
    arena.point(this.#vector(n), at);
    u32[(this.#vector(n) + 8) >> 2] = bytes;
  }

  #send(fd: number, runs: readonly Run[], first: number, end: number): void {
    for (let next = first; next < end; ) {
      const header = this.#arena.base + this.#header(next);
      const sent = end - next > 1 ? this.#c.sendmmsg(fd, header, end - next, FLAGS) : this.#sendOne(fd, next);
      if (sent > 0) next += sent;
      else this.#failed(runs[next++] as Run, this.#c.errno());
    }
  }

  /** Returns how many were sent: one, or a negative number. */
  #sendOne(fd: number, n: number): number {
    return this.#c.sendmsg(fd, this.#arena.base + this.#header(n), FLAGS) < 0 ? -1 : 1;
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
    return this.#sendOne(run.to.fd, SPARE) < 0 ? this.#c.errno() : 0;
  }
}

/** Whether a datagram of so many bytes may be another segment of a run. */
function continues({ to, size, bytes, count }: Run, more: number): boolean {
  const even = bytes === size * count && more > 0 && more <= size;
  return to.segments && even && count < layout.BATCH && bytes + more <= layout.SEGMENTS_BYTES;
}
