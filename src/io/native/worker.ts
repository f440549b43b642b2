/** The engine's thread: owns the sockets that it is given, and does what the main thread's commands say. */
import { workerData } from 'node:worker_threads';
import { Arena } from './arena.ts';
import { Loop } from './loop.ts';
import { Registry } from './registry.ts';
import { StreamListener } from './stream-listener.ts';
import { Streams, StreamSocket } from './stream-socket.ts';
import { Watch } from './watch.ts';
import { Command, layOut, Report, type WorkerStart } from './wire.ts';

/** Milliseconds that sockets have to deliver what was written when the engine closes. */
const CLOSE_GRACE = 1000;

class EngineThread {
  readonly #loop: Loop;
  readonly #streams: Streams;
  readonly #listeners: (StreamListener | undefined)[] = [];
  readonly #watches = new Registry<Watch>();
  readonly #scratch: number;
  #stopAt = 0;

  constructor(start: WorkerStart) {
    const arena = new Arena(start.base, start.size);
    this.#loop = new Loop(layOut(arena, new Int32Array(start.control)), start);
    this.#streams = new Streams(this.#loop);
    this.#scratch = arena.take(32);
  }

  run(): void {
    const { i32 } = this.#loop.arena;
    this.#loop.run((type, at) => {
      const arg = (n: number): number => i32[at + n] as number;
      try {
        this.#obey(type, arg);
      } catch {
        // A command fails alone.
      }
    });
    this.#streams.pipes.close();
  }

  #obey(type: number, arg: (n: number) => number): void {
    const { known } = this.#streams;
    switch (type) {
      case Command.Listen:
        this.#listeners[arg(0)] = new StreamListener(arg(0), arg(1), this.#loop, this.#scratch);
        break;
      case Command.Unlisten:
        this.#unlisten(arg(0));
        break;
      case Command.Relay:
        StreamSocket.join(this.#stream(arg(0), arg(1)), this.#stream(arg(2), arg(3)), arg(4));
        break;
      case Command.End:
        known.get(arg(0))?.end();
        break;
      case Command.Close:
        this.#close(arg(0), arg(1), arg(2) === 1);
        break;
      case Command.Release:
        known.get(arg(0))?.release();
        break;
      case Command.Watch:
        this.#watch(arg(0), arg(1));
        break;
      case Command.Stop:
        this.#stop();
    }
  }

  #stream(id: number, fd: number): StreamSocket {
    const known = this.#streams.known.get(id);
    if (known) return known;
    if (fd < 0) throw new Error('gone');
    return new StreamSocket(id, fd, this.#streams);
  }

  #unlisten(number: number): void {
    this.#listeners[number]?.close();
    this.#listeners[number] = undefined;
    this.#loop.report(Report.Unlistened, number);
  }

  #close(id: number, fd: number, reset: boolean): void {
    const watch = this.#watches.get(id);
    if (watch) watch.close();
    else if (fd >= 0) new StreamSocket(id, fd, this.#streams).close(reset);
    else this.#streams.known.get(id)?.close(reset);
  }

  #watch(id: number, fd: number): void {
    this.#watches.set(new Watch(id, fd, this.#loop, () => this.#watches.delete(id)));
  }

  // ------------------------------------------------------------------ the end

  #stop(): void {
    for (const listener of this.#listeners) listener?.close();
    this.#listeners.length = 0;
    for (const watch of this.#watches.all()) watch.close();
    this.#stopAt = this.#loop.now + CLOSE_GRACE;
    if (!this.tick(this.#loop.now)) return;
    this.#loop.tickFor(this);
  }

  tick(now: number): boolean {
    const { known, closing } = this.#streams;
    if (known.size + closing.size > 0 && now < this.#stopAt) return true;
    for (const socket of [...known.all(), ...closing]) socket.cut();
    this.#loop.stop();
    return false;
  }
}

new EngineThread(workerData as WorkerStart).run();
