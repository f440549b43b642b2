/** The engine's thread: owns the sockets that it is given, and does what the main thread's commands say. */
import { parentPort, workerData } from 'node:worker_threads';
import { Arena } from './arena.ts';
import { DatagramPort } from './datagram-port.ts';
import { ConnectedDatagram, Datagram, Datagrams } from './datagrams.ts';
import { Loop } from './loop.ts';
import { Registry } from './registry.ts';
import { askForShortSlices } from './scheduling.ts';
import { StreamListener } from './stream-listener.ts';
import { StreamSocket } from './stream-socket.ts';
import { Streams } from './streams.ts';
import { Watch } from './watch.ts';
import { Command, layOut, Report, STARTED, type WorkerStart } from './wire.ts';

/** Milliseconds that sockets have to deliver what was written when the engine closes. */
const CLOSE_GRACE = 1000;

/** Reaches the main thread although this one never comes back to its loop: a port's messages need no loop to leave. */
const tell = (what: string): void => parentPort?.postMessage(what);

class EngineThread {
  readonly #loop: Loop;
  readonly #streams: Streams<StreamSocket>;
  readonly #datagrams: Datagrams;
  readonly #ports: (DatagramPort | undefined)[] = [];
  readonly #listeners: (StreamListener | undefined)[] = [];
  readonly #watches = new Registry<Watch>();
  readonly #scratch: number;
  #stopAt = 0;

  constructor(start: WorkerStart) {
    const arena = new Arena(start.base, start.size);
    this.#loop = new Loop(layOut(arena, new Int32Array(start.control)), start, tell);
    this.#streams = new Streams(this.#loop, start.pipes);
    this.#datagrams = new Datagrams(this.#loop);
    this.#scratch = arena.take(32);
    askForShortSlices(arena);
  }

  run(): void {
    const { i32 } = this.#loop.arena;
    this.#loop.run((type, at) => {
      const arg = (n: number): number => i32[at + n] as number;
      try {
        this.#obey(type, arg);
      } catch (error) {
        // A command fails alone.
        this.#loop.defect(error);
      }
    });
    this.#streams.pipes.close();
  }

  #obey(type: number, arg: (n: number) => number): void {
    const { known } = this.#streams;
    switch (type) {
      case Command.Listen:
        this.#listeners[arg(0)] = new StreamListener(arg(0), arg(1), arg(2) === 1, this.#loop, this.#scratch);
        break;
      case Command.Unlisten:
        this.#unlisten(arg(0));
        break;
      case Command.Hold:
        this.#stream(arg(0), arg(1));
        break;
      case Command.Relay:
        this.#relay(this.#stream(arg(0), arg(1)), this.#stream(arg(2), arg(3)), arg(4));
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
        break;
      default:
        this.#obeyDatagram(type, arg);
    }
  }

  #obeyDatagram(type: number, arg: (n: number) => number): void {
    const { known } = this.#datagrams;
    const a = known.get(arg(0));
    const b = known.get(arg(1));
    switch (type) {
      case Command.OpenPort:
        this.#openPort(arg);
        break;
      case Command.ClosePort:
        this.#closePort(arg(0));
        break;
      case Command.AdmitPeers:
        this.#ports[arg(0)]?.admit(arg(1) === 1, { bytes: arg(2), messages: arg(3) });
        break;
      case Command.AddPeer:
        this.#ports[arg(0)]?.add(arg(1));
        break;
      case Command.Adopt:
        new ConnectedDatagram(arg(0), arg(1), this.#datagrams.limits(arg(2), arg(3)), this.#datagrams);
        break;
      case Command.Couple:
        this.#couple(a, b);
        break;
      case Command.Deliver:
        a?.deliver();
    }
  }

  #couple(a: Datagram | undefined, b: Datagram | undefined): void {
    if (!a || !b) return;
    Datagram.couple(a, b);
    this.#loop.report(Report.Coupled, a.id, b.id);
  }

  #openPort(arg: (n: number) => number): void {
    const share = { index: arg(4), of: arg(5), seed: arg(6) };
    this.#ports[arg(0)] = new DatagramPort(arg(0), arg(1), arg(2), arg(3) === 1, share, this.#datagrams);
  }

  #closePort(number: number): void {
    this.#ports[number]?.close();
    this.#ports[number] = undefined;
    this.#loop.report(Report.PortClosed, number);
  }

  /** Undefined where it was known and has broken, of which the main thread has not heard yet. */
  #stream(id: number, fd: number): StreamSocket | undefined {
    const known = this.#streams.known.get(id);
    return known ?? (fd < 0 ? undefined : new StreamSocket(id, fd, this.#streams));
  }

  #relay(a: StreamSocket | undefined, b: StreamSocket | undefined, flags: number): void {
    if (a && b) StreamSocket.join(a, b, flags);
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
    else {
      this.#streams.known.get(id)?.close(reset);
      this.#datagrams.known.get(id)?.close();
    }
  }

  #watch(id: number, fd: number): void {
    this.#watches.set(new Watch(id, fd, this.#loop, () => this.#watches.delete(id)));
  }

  // ------------------------------------------------------------------ the end

  #stop(): void {
    for (const listener of this.#listeners) listener?.close();
    this.#listeners.length = 0;
    for (const watch of this.#watches.all()) watch.close();
    for (const port of this.#ports) port?.close();
    this.#ports.length = 0;
    for (const datagram of this.#datagrams.known.all()) datagram.close();
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

const thread = new EngineThread(workerData as WorkerStart);
tell(STARTED);
thread.run();
