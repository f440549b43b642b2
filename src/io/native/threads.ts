import { Connections } from '../../core/connections.ts';
import { MOST_PIPES } from './pipes.ts';
import { IoThread, type ReportHandler } from './thread.ts';
import { MOST_PEERS } from './wire.ts';

/** The threads of an engine. What is new goes to the one that has the least. */
export class IoThreads {
  readonly #all: IoThread[] = [];
  readonly #onExit = (): void => {
    for (const thread of this.#all) thread.letGo();
  };

  /** Throws, and leaves nothing behind, where the system lacks something. */
  constructor(count: number, connections = new Connections(), peers = MOST_PEERS) {
    const pipes = Math.max(1, Math.floor(MOST_PIPES / count));
    try {
      while (this.#all.length < count) this.#all.push(new IoThread(pipes, peers, connections));
    } catch (error) {
      void this.close();
      throw error;
    }
    connections.onCeiling = (ceiling) => {
      for (const thread of this.#all) thread.limitDescriptors(ceiling);
    };
    process.on('exit', this.#onExit);
  }

  /** Starts those that have not been asked for anything yet. Resolves when each serves its sockets. */
  start(): Promise<unknown> {
    return Promise.all(this.#all.map((thread) => thread.start()));
  }

  /** Those that take something new. */
  get living(): readonly IoThread[] {
    return this.#all.filter(({ closing }) => !closing);
  }

  /** The one for a new socket. Where none takes any, one that says so. */
  pick(): IoThread {
    return this.#all.reduce((best, thread) => {
      if (best.closing !== thread.closing) return best.closing ? thread : best;
      return thread.load < best.load ? thread : best;
    });
  }

  /** Has the reports of a type about a listener or a port handled. */
  handle(type: number, handler: (thread: IoThread, at: number) => void): void {
    for (const thread of this.#all) {
      const own: ReportHandler = (_type, at) => handler(thread, at);
      thread.handlers[type] = own;
    }
  }

  /** Calls back when a thread has ended, whyever. */
  onEnd(ended: (thread: IoThread) => void): void {
    for (const thread of this.#all) thread.onEnd = () => ended(thread);
  }

  async close(): Promise<void> {
    await Promise.all(this.#all.map((thread) => thread.close()));
    process.off('exit', this.#onExit);
  }
}
