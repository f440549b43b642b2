/**
 * Keys of what is to be done. A key waits once, however often it is added; it is never worked on twice at a time. What fails is
 * tried again, later each time. So the queue is as long as there are keys, at most.
 */
import { Backoff, pause } from './backoff.ts';
import { messageOf } from './errors.ts';
import { RateLimiter } from './rate.ts';

export interface WorkQueueOptions {
  /** May give milliseconds after which the key is to be done again. */
  work(key: string, signal: AbortSignal): Promise<number | undefined>;
  /** Told of each failure, and of the milliseconds until the next attempt. */
  failed?(key: string, message: string, wait: number): void;
  /** Of work in all. */
  readonly concurrency: number;
  readonly perSecond: number;
  readonly burst: number;
  /** Of the wait after a failure, in milliseconds. */
  readonly firstWait?: number;
  readonly longestWait?: number;
}

interface Item {
  /** When it becomes ready, in milliseconds of `performance.now()`. */
  due: number;
  state: 'waiting' | 'ready' | 'running';
  timer?: NodeJS.Timeout;
  /** It was added while it ran: the milliseconds after which it is to be done again. */
  again: number;
  backoff?: Backoff | undefined;
}

export class WorkQueue {
  readonly #options: WorkQueueOptions;
  readonly #rate: RateLimiter;
  readonly #items = new Map<string, Item>();
  readonly #ready: string[] = [];
  readonly #running = new Set<Promise<void>>();
  readonly #stop = new AbortController();

  constructor(options: WorkQueueOptions) {
    this.#options = options;
    this.#rate = new RateLimiter(options);
  }

  /** Keys that wait or are worked on. */
  get depth(): number {
    return this.#items.size;
  }

  /** After `delay` milliseconds, or sooner if it waits for less already. */
  add(key: string, delay = 0): void {
    if (this.#stop.signal.aborted) return;
    const item = this.#items.get(key);
    if (!item) this.#schedule(key, { due: 0, state: 'waiting', again: Infinity }, delay);
    else if (item.state === 'running') item.again = Math.min(item.again, delay);
    else if (item.state === 'waiting' && item.due > performance.now() + delay) this.#schedule(key, item, delay);
  }

  /** What waits is forgotten; what is under way is told by its signal, and awaited. */
  async close(): Promise<void> {
    this.#stop.abort();
    for (const { timer } of this.#items.values()) clearTimeout(timer);
    this.#items.clear();
    this.#ready.length = 0;
    await Promise.all(this.#running);
  }

  #schedule(key: string, item: Item, delay: number): void {
    clearTimeout(item.timer);
    this.#items.set(key, item);
    item.state = 'waiting';
    item.due = performance.now() + delay;
    item.timer = setTimeout(() => {
      item.state = 'ready';
      this.#ready.push(key);
      this.#next();
    }, delay);
  }

  #next(): void {
    while (this.#running.size < this.#options.concurrency) {
      const key = this.#ready.shift();
      const item = key === undefined ? undefined : this.#items.get(key);
      if (key === undefined || !item) return;
      const run = this.#run(key, item).finally(() => {
        this.#running.delete(run);
        this.#next();
      });
      this.#running.add(run);
    }
  }

  async #run(key: string, item: Item): Promise<void> {
    const { signal } = this.#stop;
    item.state = 'running';
    await pause(this.#rate.reserve(), signal);
    if (signal.aborted) return;
    item.again = Infinity;
    const again = await this.#attempt(key, item);
    if (signal.aborted) return;
    if (Math.min(again, item.again) === Infinity) this.#items.delete(key);
    else this.#schedule(key, item, Math.min(again, item.again));
  }

  /** Gives the milliseconds after which it is to be done again. */
  async #attempt(key: string, item: Item): Promise<number> {
    const { work, failed, firstWait = 500, longestWait = 60_000 } = this.#options;
    const { signal } = this.#stop;
    try {
      const again = await work(key, signal);
      item.backoff = undefined;
      return again ?? Infinity;
    } catch (error) {
      item.backoff ??= new Backoff(firstWait, longestWait);
      const wait = item.backoff.next();
      if (!signal.aborted) failed?.(key, messageOf(error), wait);
      return wait;
    }
  }
}
