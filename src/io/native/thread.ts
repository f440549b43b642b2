/** The main thread's side of an engine's thread: starts it, asks it, hears it, and makes sure that it can always end. */
import * as net from 'node:net';
import { Worker } from 'node:worker_threads';
import type { Connections } from '../../core/connections.ts';
import { ownModule } from '../../own-file.ts';
import { Arena } from './arena.ts';
import { CLOEXEC, NONBLOCK_CLOEXEC } from './constants.ts';
import { type Libc, libc, systemError } from './libc.ts';
import { Outbox } from './outbox.ts';
import { Registry } from './registry.ts';
import { RingReader, RingWriter } from './ring.ts';
import * as wire from './wire.ts';

/** Records that are handled before timers and other I/O have their turn. */
const BATCH = 2048;
/** Commands after which the thread is woken while such records are handled. */
const PROMPT = 16;

/** Arenas of engines that have ended: memory that was mapped once is kept, since views of it may live on. */
const idle: Arena[] = [];
/** For small arguments of system calls: nothing in it outlives a call. */
let scratch: Arena | undefined;

export function scratchArena(): Arena {
  scratch ??= Arena.map(1 << 20);
  return scratch;
}

/** What a slot stands for, told of what happens to it. */
export interface Held extends Readonly<{ id: number }> {
  /** `at`: the index of the first argument after the id, in the words of the engine's arena. */
  report(type: number, at: number): void;
  /** The thread has ended, and its descriptors with it, unless it has failed: then who holds one closes it. */
  lost(): void;
}

/** Takes the reports that are about no slot. */
export type ReportHandler = (type: number, at: number) => void;

export class IoThread {
  readonly shared: wire.Shared;
  readonly slots = new wire.Slots(0);
  readonly held = new Registry<Held>();
  readonly outbox: Outbox;
  /** Handlers of reports about a listener or a port, by type. */
  readonly handlers: (ReportHandler | undefined)[] = [];
  /** Called when the thread has ended, whyever. */
  onEnd: (() => void) | undefined;
  readonly #c: Libc = libc();
  readonly #start: wire.WorkerStart;
  /** Once it has been asked for something: a thread takes as much memory as all else. */
  #worker: Worker | undefined;
  #ready: Promise<void> | undefined;
  readonly #commands: RingWriter;
  readonly #reports: RingReader;
  readonly #control: Int32Array;
  readonly #descriptors: number[] = [];
  readonly #epoll: number;
  readonly #wake: number;
  readonly #bell: net.Socket;
  #exited = Promise.resolve();
  readonly connections: Connections;
  readonly #mostPeers: number;
  #users = 0;
  /** Peers of listening sockets that the thread has told of. */
  #peers = 0;
  /** In the middle of the thread's reports; and how many commands it has not been woken for. */
  #hearing = false;
  #unannounced = 0;
  #closing = false;
  #ended = false;
  #error = '';

  /** `pipes`: how many it may have at a time; `peers`: likewise, of listening sockets. `connections`: where its sockets are counted. Throws where the system lacks something. */
  constructor(pipes: number, peers: number, connections: Connections) {
    this.#mostPeers = peers;
    this.connections = connections;
    const arena = idle.pop() ?? Arena.map(wire.ARENA_SIZE);
    arena.reset();
    const control = new SharedArrayBuffer(wire.CONTROL_WORDS * 4);
    this.#control = new Int32Array(control);
    this.limitDescriptors(connections.ceiling);
    this.shared = wire.layOut(arena, this.#control);
    this.outbox = new Outbox(this.shared);
    this.#commands = new RingWriter(this.shared.commands);
    this.#reports = new RingReader(this.shared.reports);
    this.#epoll = this.#open('epoll_create1', this.#c.epoll_create1(CLOEXEC));
    this.#wake = this.#open('eventfd', this.#c.eventfd(0, NONBLOCK_CLOEXEC));
    const [heard, bell] = this.#makeBell();
    this.#bell = this.#listenTo(heard);
    this.#start = {
      base: arena.base,
      size: arena.size,
      control,
      epoll: this.#epoll,
      wake: this.#wake,
      bell,
      origin: performance.timeOrigin,
      pipes,
    };
  }

  /**
   * Starts it, the first time. Resolves when it serves its sockets, or has ended: what is asked of it before waits. Keeps
   * the process until then.
   */
  start(): Promise<void> {
    this.#ready ??= this.#ended ? Promise.resolve() : this.#run();
    return this.#ready;
  }

  get ended(): boolean {
    return this.#ended;
  }

  /** It has ended, or was told to: nothing new is begun. */
  get closing(): boolean {
    return this.#closing || this.#ended;
  }

  /** It has ended without being told to. */
  get failed(): boolean {
    return this.#ended && !this.#closing;
  }

  /** Sockets, and peers of them, that it has or is to have. */
  get load(): number {
    return this.#users;
  }

  /** It has as many peers of listening sockets as it may: another one is taken only for one that goes. */
  get crowded(): boolean {
    return this.#peers >= this.#mostPeers;
  }

  // ------------------------------------------------------------------ asking

  /** `ceiling`: the lowest descriptor that no connection may have. What is accepted above is closed at once. */
  limitDescriptors(ceiling: number): void {
    Atomics.store(this.#control, wire.CEILING, Math.min(ceiling, 0x7fffffff));
  }

  send(type: number, ...args: number[]): void {
    if (this.#ended) return;
    if (!this.#worker) void this.start();
    this.#commands.push(type, ...args);
    // What answers several reports goes together: a wake-up costs as much as a small message does.
    if (!this.#hearing || ++this.#unannounced === PROMPT) this.#announce();
  }

  /** Gives a slot; -1 where there are no more. */
  hold(holder: (id: number) => Held): number {
    const id = this.slots.take();
    if (id >= 0) this.adopt(holder(id));
    return id;
  }

  /** Something has a slot now: the process lives on for it. */
  adopt(holder: Held): void {
    this.held.set(holder);
    if (wire.slotOf(holder.id) < wire.HALF) wire.clearCounters(this.shared, holder.id);
    else this.#peers++;
    this.use();
  }

  /** Takes a slot back. What is still reported of it is heard by nobody. */
  release(id: number): void {
    if (!this.held.get(id)) return;
    this.held.delete(id);
    if (wire.slotOf(id) < wire.HALF) this.slots.give(id);
    else this.#peers--;
    this.unuse();
  }

  use(): void {
    if (this.#users++ === 0) this.#bell.ref();
  }

  unuse(): void {
    if (--this.#users === 0) this.#bell.unref();
  }

  /** Ends the thread; what was written has a second to leave. */
  close(): Promise<void> {
    this.outbox.close();
    if (this.#worker) this.send(wire.Command.Stop);
    this.use();
    this.#closing ||= !this.#ended;
    if (!this.#worker && !this.#ended) this.#finish();
    return this.#exited;
  }

  /** Makes it return from the kernel: until then, neither the process nor a worker of it can end. */
  letGo(): void {
    Atomics.store(this.#control, wire.STOPPING, 1);
    Atomics.store(this.#control, wire.SLEEPING, 1);
    this.#wakeUp();
  }

  // ------------------------------------------------------------------ hearing

  readonly #report = (type: number, at: number): void => {
    const { i32 } = this.shared.arena;
    const handler = this.handlers[type];
    const holder = this.held.get(i32[at] as number);
    if (handler) handler(type, at);
    else if (holder) holder.report(type, at + 1);
    // It was asked for, and closed before it came.
    else if (type === wire.Report.Released) this.#c.close(i32[at + 1] as number);
  };

  #hear(): void {
    Atomics.store(this.#control, wire.RUNG, 0);
    this.#hearing = true;
    try {
      // A thread that waits for room is told of it like of a command.
      if (this.#reports.drain(this.#report, BATCH)) this.#unannounced++;
      this.#commands.flush();
    } finally {
      this.#hearing = false;
      if (this.#unannounced > 0) this.#announce();
      if (!this.#reports.empty) setImmediate(() => this.#hear());
    }
  }

  #announce(): void {
    this.#unannounced = 0;
    this.#wakeUp();
  }

  #wakeUp(): void {
    if (Atomics.exchange(this.#control, wire.SLEEPING, 0) === 0) return;
    const arena = scratchArena();
    arena.u32[0] = 1;
    arena.u32[1] = 0;
    this.#c.write(this.#wake, arena.base, 8);
  }

  // ------------------------------------------------------------------ life

  #run(): Promise<void> {
    const worker = new Worker(ownModule('io/native/worker'), {
      workerData: this.#start,
      // The program's own flags may be such as no worker takes.
      execArgv: [],
    });
    this.#worker = worker;
    const started = new Promise<void>((resolve) => worker.once('message', () => resolve(this.#started(worker))));
    this.#exited = new Promise((resolve) => worker.once('exit', () => resolve(this.#finish())));
    // It catches what its own code throws; what is left is that it could not start, or has run out of memory.
    worker.on('error', (error) => {
      this.#error = `: ${error}`;
    });
    return Promise.race([started, this.#exited]);
  }

  #started(worker: Worker): void {
    worker.on('message', (defect) => process.emitWarning(`native I/O: a defect, please report it: ${defect}`));
    // After it has a listener, which would keep the process.
    worker.unref();
  }

  #open(call: string, fd: number): number {
    if (fd >= 0) {
      this.#descriptors.push(fd);
      return fd;
    }
    const error = systemError(call, this.#c.errno());
    this.#closeDescriptors();
    throw new Error(`native I/O: ${error.message}`);
  }

  #makeBell(): [read: number, write: number] {
    const arena = scratchArena();
    this.#open('pipe2', this.#c.pipe2(arena.base, NONBLOCK_CLOEXEC));
    this.#descriptors.pop();
    const [read, write] = [arena.i32[0] as number, arena.i32[1] as number];
    this.#descriptors.push(write);
    return [read, write];
  }

  #listenTo(fd: number): net.Socket {
    const onread = {
      buffer: Buffer.alloc(64),
      callback: () => {
        this.#hear();
        return true;
      },
    };
    const socket = new net.Socket({ fd, readable: true, writable: false, onread } as net.SocketConstructorOpts);
    socket.unref();
    return socket;
  }

  #finish(): void {
    this.#ended = true;
    this.outbox.close();
    if (this.failed) process.emitWarning(`native I/O: a thread has failed, its connections are cut${this.#error}`);
    this.#reports.drain(this.#report);
    for (const holder of this.held.all()) {
      holder.lost();
      this.release(holder.id);
    }
    this.onEnd?.();
    this.#bell.destroy();
    this.#closeDescriptors();
    idle.push(this.shared.arena);
  }

  #closeDescriptors(): void {
    for (const fd of this.#descriptors.splice(0)) this.#c.close(fd);
  }
}
