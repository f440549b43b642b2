/** The engine's thread waits here, in the kernel: one epoll set, whose events go to who owns the descriptor. */
// Not the global one, which is a getter.
import { performance } from 'node:perf_hooks';
import { empty } from '../../core/arrays.ts';
import { TurnoverSet } from '../../core/turnover.ts';
import type { Arena } from './arena.ts';
import { EPOLL_CTL_ADD, EPOLL_CTL_DEL, EPOLL_CTL_MOD } from './constants.ts';
import { type Libc, libc } from './libc.ts';
import { type RingHandler, RingReader, RingWriter } from './ring.ts';
import { CEILING, RUNG, type Shared, SLEEPING, STOPPING, type WorkerStart } from './wire.ts';

/** Owns a descriptor. */
export interface Pollable {
  ready(events: number): void;
  /** `ready` has thrown: whatever it was doing is given up. */
  broken(): void;
}

/** Work that was put off, so that others have their turn. */
export interface Task {
  proceed(): void;
  broken(): void;
}

/** Is asked now and then, while it has deadlines. */
export interface Ticking {
  /** Returns whether it wants to be asked again. */
  tick(now: number): boolean;
}

/** Exceptions that are told of; the later ones are most likely the same. */
const TOLD_DEFECTS = 10;

const EVENTS = 256;
// struct epoll_event is packed on x86-64 only.
const EVENT_SIZE = process.arch === 'x64' ? 12 : 16;
const EVENT_DATA = process.arch === 'x64' ? 4 : 8;

/** Milliseconds between two looks at deadlines. */
const TICK = 100;

export class Loop {
  readonly shared: Shared;
  readonly arena: Arena;
  readonly reports: RingWriter;
  /** When this turn began, on the main thread's performance.now(). */
  now = 0;
  /** The reports' ring is full: what makes new ones should wait. */
  /** The lowest descriptor that no connection may have. */
  get ceiling(): number {
    return Atomics.load(this.#control, CEILING);
  }

  get congested(): boolean {
    return this.reports.congested;
  }

  readonly #c: Libc = libc();
  readonly #commands: RingReader;
  readonly #control: Int32Array;
  readonly #epoll: number;
  readonly #wake: number;
  readonly #bell: number;
  readonly #clock: number;
  readonly #events: number;
  readonly #event: number;
  readonly #handlers: (Pollable | undefined)[] = [];
  /** Of each descriptor's number: an event of its earlier holder, who was closed in the same turn, has another one. */
  readonly #generations: number[] = [];
  #handler: RingHandler = () => {};
  /** Those of this turn, and those that they put off. */
  #tasks: Task[] = [];
  #later: Task[] = [];
  readonly #ticking = new TurnoverSet<Ticking>();
  #nextTick = 0;
  #reported = false;
  #defects = 0;
  readonly #tell: (defect: string) => void;
  #stopped = false;

  constructor(shared: Shared, start: WorkerStart, tell: (defect: string) => void) {
    const { arena } = shared;
    this.#tell = tell;
    this.shared = shared;
    this.arena = arena;
    this.reports = new RingWriter(shared.reports);
    this.#commands = new RingReader(shared.commands);
    this.#control = shared.control;
    this.#epoll = start.epoll;
    this.#wake = start.wake;
    this.#bell = start.bell;
    this.#clock = performance.timeOrigin - start.origin;
    this.#events = arena.take(EVENTS * EVENT_SIZE);
    this.#event = arena.take(EVENT_SIZE);
  }

  // ------------------------------------------------------------------ for who owns descriptors

  /** Returns whether the kernel took it. */
  add(fd: number, events: number, handler: Pollable): boolean {
    this.#handlers[fd] = handler;
    this.#generations[fd] = ((this.#generations[fd] ?? 0) + 1) | 0;
    return this.#ctl(EPOLL_CTL_ADD, fd, events) === 0;
  }

  modify(fd: number, events: number): void {
    this.#ctl(EPOLL_CTL_MOD, fd, events);
  }

  /** Lets a descriptor go that lives on. */
  remove(fd: number): void {
    this.#handlers[fd] = undefined;
    this.#ctl(EPOLL_CTL_DEL, fd, 0);
  }

  /** Closes a descriptor, which takes it out of the epoll set too. */
  close(fd: number): void {
    this.#handlers[fd] = undefined;
    this.#c.close(fd);
  }

  /** Goes on with it after everybody's turn. */
  later(task: Task): void {
    this.#later.push(task);
  }

  tickFor(ticking: Ticking): void {
    if (this.#ticking.size === 0) this.#nextTick = this.now + TICK;
    this.#ticking.add(ticking);
  }

  /** Obeys what the main thread has asked by now. */
  catchUp(): void {
    if (this.reports.congested) {
      this.reports.flush();
      this.#reported = true;
    }
    if (!this.#commands.empty && this.#commands.drain(this.#handler)) this.#reported = true;
  }

  /** Tells of an exception that has ended one socket, and nothing else: the first ones, since it may be at each packet. */
  defect(error: unknown): void {
    if (this.#defects++ < TOLD_DEFECTS)
      this.#tell(error instanceof Error ? (error.stack ?? error.message) : String(error));
  }

  report(type: number, ...args: number[]): void {
    this.reports.push(type, ...args);
    this.#reported = true;
  }

  reportBytes(type: number, id: number, from: number, length: number): boolean {
    this.#reported = true;
    return this.reports.pushBytes(type, id, from, length);
  }

  // ------------------------------------------------------------------ life

  /** Runs until `stop`, or until the main thread is about to exit. */
  run(commands: RingHandler): void {
    const c = this.#c;
    this.#handler = commands;
    this.add(this.#wake, WAKE_EVENTS, NOBODY);
    while (!this.#stopped && Atomics.load(this.#control, STOPPING) === 0) {
      const count = c.epoll_wait(this.#epoll, this.arena.base + this.#events, EVENTS, this.#fallAsleep());
      Atomics.store(this.#control, SLEEPING, 0);
      this.now = performance.now() + this.#clock;
      this.catchUp();
      this.#dispatch(count);
      this.#workOff();
      if (this.#ticking.size > 0 && this.now >= this.#nextTick) this.#tick();
      this.#ring();
    }
  }

  stop(): void {
    this.#stopped = true;
  }

  /** Wakes the main thread, unless it is going to look anyway. */
  #ring(): void {
    if (!this.#reported) return;
    this.#reported = false;
    if (Atomics.exchange(this.#control, RUNG, 1) === 0) this.#c.write(this.#bell, this.arena.base, 1);
  }

  /** How long to wait: not at all where there is work. Who writes a command, or has us stop, from now on wakes us. */
  #fallAsleep(): number {
    if (this.#later.length > 0) return 0;
    Atomics.store(this.#control, SLEEPING, 1);
    if (!this.#commands.empty) return 0;
    if (this.#ticking.size === 0) return -1;
    return Math.max(0, Math.ceil(this.#nextTick - this.now));
  }

  #dispatch(count: number): void {
    const { i32 } = this.arena;
    for (let n = 0; n < count; n++) {
      const at = (this.#events + n * EVENT_SIZE) >> 2;
      const data = at + (EVENT_DATA >> 2);
      const fd = i32[data] as number;
      const handler = this.#handlers[fd];
      if (!handler || i32[data + 1] !== this.#generations[fd]) continue;
      try {
        handler.ready(i32[at] as number);
      } catch (error) {
        this.defect(error);
        handler.broken();
      }
    }
  }

  #workOff(): void {
    if (this.#later.length === 0) return;
    const tasks = this.#later;
    this.#later = this.#tasks;
    this.#tasks = tasks;
    for (const task of tasks) {
      try {
        task.proceed();
      } catch (error) {
        this.defect(error);
        task.broken();
      }
    }
    empty(tasks);
  }

  #tick(): void {
    this.#nextTick = this.now + TICK;
    for (const ticking of this.#ticking) {
      if (!ticking.tick(this.now)) this.#ticking.delete(ticking);
    }
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

// EPOLLIN | EPOLLET: each write to an eventfd is an event, and it need not be read (epoll(7)).
const WAKE_EVENTS = 1 | (0x80000000 | 0);
const NOBODY: Pollable = { ready: () => {}, broken: () => {} };
