/**
 * The engine's epoll set, in the loop of the thread that uses it: Node says when something has happened in it
 * (`uv_poll_t` on the set), and all that has is handled then.
 */
// Not the global one, which is a getter.
import { performance } from 'node:perf_hooks';
import { clear } from '../../core/arrays.ts';
import { wholeNow } from '../../core/clock.ts';
import { CompactingSet } from '../../core/compacting.ts';
import type { Arena } from './system/arena.ts';
import { CLOEXEC, EPOLL_CTL_ADD, EPOLL_CTL_DEL, EPOLL_CTL_MOD } from './system/constants.ts';
import type { Descriptors } from './system/descriptors.ts';
import { type Libc, libc, type PollHandle, systemError } from './system/libc.ts';

/** Owns a descriptor. Closes it with the loop (`Loop.close`), or takes it out before it is closed otherwise. */
export interface Pollable {
  /** Returns whether it has called JavaScript beyond the engine: what was put off there runs as soon as this turn is over. */
  ready(events: number): boolean;
  /** `ready` has thrown: whatever it was doing is given up. */
  broken(): void;
  /** The engine closes: gives its descriptor up. */
  stop?(): void;
}

/** Work that was put off, so that others have their turn. */
export interface Task {
  /** Returns the same as `Pollable.ready`. */
  proceed(): boolean;
  broken(): void;
}

/** Is asked now and then, while it has deadlines. */
export interface Ticking {
  /** Returns whether it wants to be asked again. */
  tick(now: number): boolean;
}

/** Exceptions that are told of; the later ones are most likely the same. */
const TOLD_DEFECTS = 10;

/** Events of one call. */
const EVENTS = 256;
/** Milliseconds that a turn may take before the rest of Node has its own, where there is always something to do. */
const TURN = 4;
/** Turns that are not further apart than this, in milliseconds, follow each other: the next event is waited for in the turn. */
const CLOSE = 0.5;
/** How long, in milliseconds: with less, the kernel has to set its clock for each wait, which costs 5 µs with 1 ms. */
const WAIT = 10;
// struct epoll_event is packed on x86-64 only.
const EVENT_SIZE = process.arch === 'x64' ? 12 : 16;
const EVENT_DATA = process.arch === 'x64' ? 4 : 8;

/** Milliseconds between two looks at deadlines. */
const TICK = 100;

export class Loop {
  /** The engine's memory, for what the kernel reads and writes. */
  readonly arena: Arena;
  readonly #c: Libc = libc();
  readonly #descriptors: Descriptors | undefined;
  readonly #epoll: number;
  readonly #poll: PollHandle;
  readonly #events: number;
  readonly #event: number;
  readonly #handlers: (Pollable | undefined)[] = [];
  /** Of each descriptor's number: an event of its earlier holder, who was closed in the same turn, has another one. */
  readonly #generations: number[] = [];
  #size = 0;
  /** Those of this turn, and those that they put off. */
  #tasks: Task[] = [];
  #later: Task[] = [];
  #immediate: NodeJS.Immediate | undefined;
  /** The turn that is about to be. */
  #due: NodeJS.Immediate | undefined;
  readonly #hush = (): void => this.#poll.close();
  readonly #ticking = new CompactingSet<Ticking>();
  #ticker: NodeJS.Timeout | undefined;
  #defects = 0;
  /** In a turn: when its latest events came, in whole milliseconds. */
  #now = 0;
  /** When the last turn was over. */
  #ended = 0;
  #turning = false;

  /** `descriptors`: where those are noted that are this thread's. Throws one line where the system lacks something. */
  constructor(arena: Arena, descriptors?: Descriptors) {
    this.arena = arena;
    this.#descriptors = descriptors;
    this.#events = arena.take(EVENTS * EVENT_SIZE);
    this.#event = arena.take(EVENT_SIZE);
    this.#epoll = this.#c.epoll_create1(CLOEXEC);
    if (this.#epoll < 0) throw new Error(`native I/O: ${systemError('epoll_create1', this.#c.errno()).message}`);
    this.own(this.#epoll);
    // Not in the callback itself: koffi throws where that cannot return, or cannot be called, since the thread is ended,
    // and then the process ends.
    this.#poll = this.#c.poll(this.#epoll, () => {
      this.#due ??= setImmediate(() => this.#turn());
    });
    this.#poll.unref();
    process.once('exit', this.#hush);
  }

  /** The clock of performance.now(), in whole milliseconds, never too early; the same for all that happens in a turn. */
  get now(): number {
    return this.#turning ? this.#now : wholeNow();
  }

  /** Who owns a descriptor, if it is in here. */
  handler(fd: number): Pollable | undefined {
    return this.#handlers[fd];
  }

  /** Those that own descriptors. */
  handlers(): readonly Pollable[] {
    return this.#handlers.filter((handler) => handler !== undefined);
  }

  /** How many descriptors it has. While there are any, the process lives. */
  get size(): number {
    return this.#size;
  }

  // ------------------------------------------------------------------ for who owns descriptors

  /** A descriptor that is this thread's. Returns whether the kernel took it. */
  add(fd: number, events: number, handler: Pollable): boolean {
    this.own(fd);
    return this.addBound(fd, events, handler);
  }

  /** Likewise one that nothing is to be heard of. */
  own(fd: number): void {
    this.#descriptors?.open(fd);
  }

  /** One that belongs to a binder: it is removed, never closed. */
  addBound(fd: number, events: number, handler: Pollable): boolean {
    this.#generations[fd] = ((this.#generations[fd] ?? 0) + 1) | 0;
    if (this.#ctl(EPOLL_CTL_ADD, fd, events) !== 0) return false;
    this.#handlers[fd] = handler;
    if (this.#size++ === 0) this.#poll.ref();
    return true;
  }

  /** Another one has the descriptor from now on, with the same events. */
  replace(fd: number, handler: Pollable): void {
    this.#handlers[fd] = handler;
  }

  modify(fd: number, events: number): void {
    this.#ctl(EPOLL_CTL_MOD, fd, events);
  }

  /** Lets a descriptor go that lives on. */
  remove(fd: number): void {
    this.#forget(fd);
    this.#descriptors?.closed(fd);
    this.#ctl(EPOLL_CTL_DEL, fd, 0);
  }

  /** Closes a descriptor, which takes it out of the epoll set too. */
  close(fd: number): void {
    this.#forget(fd);
    this.#descriptors?.closed(fd);
    this.#c.close(fd);
  }

  /** Goes on with it after everybody's turn: in this one, or as soon as Node has had its own. */
  later(task: Task): void {
    this.#later.push(task);
    if (!this.#turning) this.#proceedSoon();
  }

  /** Asks it every 100 ms, as long as it wants that. */
  tickFor(ticking: Ticking): void {
    this.#ticking.add(ticking);
    this.#ticker ??= setInterval(() => this.#tick(), TICK).unref();
  }

  /** Tells of an exception that has ended one socket, and nothing else: the first ones, since it may be at each packet. */
  defect(error: unknown): void {
    if (this.#defects++ >= TOLD_DEFECTS) return;
    const text = error instanceof Error ? (error.stack ?? error.message) : String(error);
    process.emitWarning(`native I/O: a defect, please report it: ${text}`);
  }

  // ------------------------------------------------------------------ life

  /** Ends it. Who has descriptors in it has closed them. */
  end(): void {
    this.#hush();
    process.off('exit', this.#hush);
    clearImmediate(this.#immediate);
    clearImmediate(this.#due);
    clearInterval(this.#ticker);
    this.close(this.#epoll);
  }

  /**
   * To go round by Node's loop costs more than to forward a packet, so relays go on here for a while; not where ticks and
   * microtasks may have been left, which run after it.
   */
  #turn(): void {
    this.#due = undefined;
    const began = performance.now();
    let wait = began - this.#ended < CLOSE ? WAIT : 0;
    this.#turning = true;
    let called = false;
    for (let now = began; !called && now - began < TURN; now = performance.now()) {
      this.#now = Math.ceil(now);
      const count = this.#c.epoll_wait(this.#epoll, this.arena.base + this.#events, EVENTS, now === began ? 0 : wait);
      if (count <= 0) break;
      called = this.#dispatch(count);
      if (this.#workOff()) called = true;
      if (this.#later.length > 0) wait = 0;
    }
    this.#ended = performance.now();
    this.#turning = false;
  }

  /** Returns whether any has called JavaScript beyond the engine. */
  #dispatch(count: number): boolean {
    const { i32 } = this.arena;
    let called = false;
    for (let n = 0; n < count; n++) {
      const at = (this.#events + n * EVENT_SIZE) >> 2;
      const data = at + (EVENT_DATA >> 2);
      const fd = i32[data] as number;
      const handler = this.#handlers[fd];
      if (!handler || i32[data + 1] !== this.#generations[fd]) continue;
      try {
        if (handler.ready(i32[at] as number)) called = true;
      } catch (error) {
        this.#broken(handler, error);
        called = true;
      }
    }
    return called;
  }

  /** Returns whether any has called JavaScript beyond the engine. */
  #workOff(): boolean {
    if (this.#later.length === 0) return false;
    let called = false;
    const tasks = this.#later;
    this.#later = this.#tasks;
    this.#tasks = tasks;
    for (const task of tasks) {
      try {
        if (task.proceed()) called = true;
      } catch (error) {
        this.#broken(task, error);
        called = true;
      }
    }
    clear(tasks);
    if (this.#later.length > 0) this.#proceedSoon();
    return called;
  }

  #proceedSoon(): void {
    this.#immediate ??= setImmediate(() => {
      this.#immediate = undefined;
      this.#begin();
      this.#workOff();
      this.#turning = false;
    });
  }

  #begin(): void {
    this.#turning = true;
    this.#now = wholeNow();
  }

  #broken(owner: Pollable | Task, error: unknown): void {
    this.defect(error);
    try {
      owner.broken();
    } catch (another) {
      this.defect(another);
    }
  }

  #tick(): void {
    this.#begin();
    for (const ticking of this.#ticking) {
      if (!ticking.tick(this.#now)) this.#ticking.delete(ticking);
    }
    this.#workOff();
    this.#turning = false;
    if (this.#ticking.size > 0) return;
    clearInterval(this.#ticker);
    this.#ticker = undefined;
  }

  #forget(fd: number): void {
    if (!this.#handlers[fd]) return;
    this.#handlers[fd] = undefined;
    if (--this.#size === 0) this.#poll.unref();
  }

  #ctl(operation: number, fd: number, events: number): number {
    const { i32 } = this.arena;
    const at = this.#event >> 2;
    i32[at] = events;
    i32[at + (EVENT_DATA >> 2)] = fd;
    i32[at + (EVENT_DATA >> 2) + 1] = this.#generations[fd] ?? 0;
    return this.#c.epoll_ctl(this.#epoll, operation, fd, this.arena.base + this.#event);
  }
}
