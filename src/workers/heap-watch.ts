/** Looks whether a worker's thread runs out of memory. */
import type { Worker } from 'node:worker_threads';

/** Milliseconds between two looks. */
const LOOK = 200;

/**
 * Of the heap that V8 allows a thread for what lives long. It begins to collect half-way from what is alive to that, so what
 * is alive is not much less.
 */
const FULL = 0.97;

/** Bytes that are left then, at least: pages that are half empty are no part of what is used, and V8 counts them. */
const LEFT = 16 * 2 ** 20;

/**
 * Ends a thread before V8 does. Where V8 does, koffi may be called back once more, as by a thread that is ended by force, and
 * then the process ends. Too late for a thread that fills what is left of its heap between two looks.
 */
export class HeapWatch {
  readonly #worker: Worker;
  readonly #young: number;
  readonly #full: () => void;
  readonly #timer: NodeJS.Timeout;
  /** Bytes from which on it is full; 0 until they are known. */
  #most = 0;
  #looking = false;

  /** `young`: bytes of the heap that are for what is new. `full`: called once. */
  constructor(worker: Worker, young: number, full: () => void) {
    this.#worker = worker;
    this.#young = young;
    this.#full = full;
    this.#timer = setInterval(() => void this.#look(), LOOK).unref();
  }

  end(): void {
    clearInterval(this.#timer);
  }

  /** The thread is not asked, which would wake it up, while the whole process has less memory. Node 22 has no answer. */
  async #look(): Promise<void> {
    if (this.#looking || !this.#worker.getHeapStatistics || process.memoryUsage.rss() < this.#most) return;
    this.#looking = true;
    try {
      const { used_heap_size: used, heap_size_limit: all } = await this.#worker.getHeapStatistics();
      const old = all - this.#young;
      this.#most = Math.min(old * FULL, old - LEFT);
      this.#looking = used >= this.#most;
      if (this.#looking) this.#full();
    } catch {
      // It does not run, or not yet.
      this.#looking = false;
    }
  }
}
