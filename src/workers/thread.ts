/** The main thread's side of a worker: its thread, and what it asks for. */
import { setFlagsFromString } from 'node:v8';
import { Worker } from 'node:worker_threads';
import { type Log, writeDefect } from '../core/log.ts';
import type { ApiRequest } from '../core/protocol.ts';
import type { ControlPlane } from '../data-plane/contract.ts';
import { type BoundSocket, ELSEWHERE } from '../io/binder.ts';
import type { WorkerBinder } from './binder.ts';
import { Bodies } from './bodies.ts';
import { Calls, type Given } from './calls.ts';
import type { Bound, MainCalls, WorkerCalls, WorkerStart } from './contract.ts';
import { HeapWatch } from './heap-watch.ts';
import type { OwnedClusters } from './owner.ts';
import { RemoteDataPlane } from './remote.ts';
import type { Life } from './supervisor.ts';

/** What a worker needs of the main thread. */
export interface ThreadHost {
  readonly log: Log;
  readonly control: ControlPlane;
  readonly owned: OwnedClusters;
  readonly binder: WorkerBinder;
  /** The thread is about to be ended by force. */
  readonly ending: () => void;
  /** The thread has ended, by itself or not: what it has left behind in memory and descriptors that all share can go. */
  readonly ended: () => void;
}

/**
 * MiB that the young generation of a worker may grow to, thrice. Sixty HTTP requests at a time fill the 2 that bin/l7mp
 * leaves the main thread, and what is alive then is taken for old, which costs half as much again for each request.
 */
const SEMI_SPACE = 8;

const OUT_OF_MEMORY = 'it is out of memory (NODE_OPTIONS=--max-old-space-size=… gives its heap another size, in MiB)';

export class PlaneThread implements Life {
  readonly plane: RemoteDataPlane;
  readonly failed: Promise<string>;
  readonly #worker: Worker;
  readonly #host: ThreadHost;
  readonly #exited: Promise<void>;
  #ending = false;
  #why = 'the thread has ended';

  /** Starts a thread. Rejects, and leaves nothing behind, where it does not come to run. `module`: what runs in it. */
  static async start(module: URL, start: WorkerStart, host: ThreadHost): Promise<PlaneThread> {
    // The program's own flags may be such as no worker takes.
    // V8 has no other way: what is set when a thread starts is the thread's, and resourceLimits give way to it.
    setFlagsFromString(`--max-semi-space-size=${SEMI_SPACE}`);
    const worker = new Worker(module, { workerData: start, execArgv: [] });
    const thread = new PlaneThread(worker, host);
    try {
      await thread.plane.open();
      return thread;
    } catch (error) {
      await thread.end();
      throw error;
    }
  }

  private constructor(worker: Worker, host: ThreadHost) {
    this.#worker = worker;
    this.#host = host;
    const owner = host.owned.forWorker();
    const bodies = new Bodies();
    const calls = new Calls<WorkerCalls>(worker, { ...owner, ...mainCalls(host, bodies) });
    this.plane = new RemoteDataPlane(calls, () => this.#stop('it does not answer'));
    const watch = new HeapWatch(worker, 3 * SEMI_SPACE * 2 ** 20, () => this.#stop(OUT_OF_MEMORY));
    worker.on('error', (error: NodeJS.ErrnoException) => {
      if (error.code === 'ERR_WORKER_OUT_OF_MEMORY') {
        this.#why = OUT_OF_MEMORY;
        return;
      }
      this.#why = `${error}`.split('\n', 1)[0] as string;
      writeDefect(host.log, 'l7mp', 'a defect, please report it: ', error);
    });
    this.#exited = new Promise((resolve) => {
      worker.once('exit', () => {
        watch.end();
        owner.leave();
        bodies.dropAll();
        host.ended();
        resolve();
      });
    });
    this.failed = new Promise((resolve) => {
      void this.#exited.then(() => this.#ending || resolve(this.#why));
    });
  }

  begun(): Promise<void> {
    return this.#host.binder.releaseInherited();
  }

  async end(): Promise<void> {
    this.#ending = true;
    // The worker has had its time.
    await this.plane.close().catch(() => {});
    this.#host.ending();
    await this.#worker.terminate();
    await this.#exited;
  }

  #stop(why: string): void {
    this.#why = why;
    this.#host.ending();
    void this.#worker.terminate();
  }
}

type PlainCalls = Omit<MainCalls, 'api' | 'openOwned' | 'dialOwned' | 'closeOwned'> & {
  api(request: ApiRequest): Promise<Given>;
};

function mainCalls({ log, control, binder }: ThreadHost, bodies: Bodies): PlainCalls {
  const bound = new Map<number, BoundSocket>();
  let next = 0;
  const keep = <T extends BoundSocket>(socket: T): Bound<T> => {
    const { release, ...plain } = socket;
    if ((socket as BoundSocket) === ELSEWHERE) return { ...plain, id: undefined };
    bound.set(next, socket);
    return { ...plain, id: next++ };
  };
  return {
    log: async (lines, lost) => {
      control.log(lines);
      if (lost > 0) log.write('warn', 'log', `${lost} lines of a worker were too many to take`);
    },
    ended: async (records, lost) => control.ended(records, lost),
    api: async (request) => bodies.give(await control.api(request)),
    apiPart: (parts) => bodies.part(parts),
    apiDrop: (parts) => bodies.drop(parts),
    metrics: () => control.metrics(),
    bindStream: async (at) => keep(await binder.bindStream(at)),
    bindMessages: async (at) => keep(await binder.bindMessages(at)),
    bindFifos: async (at) => keep(await binder.bindFifos(at)),
    bindDatagram: async (at) => keep(await binder.bindDatagram(at)),
    release: async (id) => {
      const socket = bound.get(id);
      bound.delete(id);
      await socket?.release();
    },
  };
}
