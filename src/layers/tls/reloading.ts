/** What is made of certificates and keys, and made anew when their files have changed. */
import { asL7mpError } from '../../core/errors.ts';
import type { Log } from '../../core/log.ts';
import type { Enclosure } from '../../core/protocol.ts';
import { Sources } from './material.ts';

/** Milliseconds between two looks at the files. */
const LOOKS = 2000;

/** Whose they are. */
export interface ReloadingHost {
  readonly name: string;
  readonly log: Log;
  readonly enclosure?: Enclosure | undefined;
}

/** Makes it of what it reads. Rejects where that is of no use. */
export type Load<T> = (sources: Sources) => Promise<T>;

/**
 * Files are looked at, not watched: what is watched is lost where links on the way to it change, as those of a volume of
 * Kubernetes do. What has changed and is of no use is told of once, and what was before goes on.
 */
export class Reloading<T> {
  readonly #host: ReloadingHost;
  #load: Load<T>;
  #sources: Sources;
  #current: T;
  #timer: NodeJS.Timeout | undefined;
  #closed = false;
  readonly #free: ((old: T) => void) | undefined;

  /** Rejects as `load` does. To be closed. `free`: what becomes of one that is not current any more. */
  static async open<T>(load: Load<T>, host: ReloadingHost, free?: (old: T) => void): Promise<Reloading<T>> {
    const sources = new Sources(host.enclosure);
    return new Reloading(load, sources, await load(sources), host, free);
  }

  private constructor(load: Load<T>, sources: Sources, current: T, host: ReloadingHost, free?: (old: T) => void) {
    this.#free = free;
    this.#host = host;
    this.#load = load;
    this.#sources = sources;
    this.#current = current;
    this.#arm();
  }

  get current(): T {
    return this.#current;
  }

  /** Takes up others from now on. Rejects as `load` does, and goes on as before then. */
  async take(load: Load<T>): Promise<void> {
    const sources = new Sources(this.#host.enclosure);
    this.#replace(await load(sources));
    this.#load = load;
    this.#sources = sources;
    this.#arm();
  }

  close(): void {
    this.#closed = true;
    clearTimeout(this.#timer);
    this.#free?.(this.#current);
  }

  #replace(fresh: T): void {
    const old = this.#current;
    this.#current = fresh;
    this.#free?.(old);
  }

  #arm(): void {
    clearTimeout(this.#timer);
    if (this.#closed || !this.#sources.any) return;
    this.#timer = setTimeout(() => void this.#look(), LOOKS).unref();
  }

  async #look(): Promise<void> {
    const load = this.#load;
    if (await this.#sources.changed()) await this.#reload(load);
    // Another `take` has armed it.
    if (load === this.#load) this.#arm();
  }

  async #reload(load: Load<T>): Promise<void> {
    const { log, name, enclosure } = this.#host;
    const sources = new Sources(enclosure);
    try {
      const fresh = await load(sources);
      if (load !== this.#load || this.#closed) return;
      this.#replace(fresh);
      log.write('info', name, 'certificates and keys are taken up anew: their files have changed');
    } catch (error) {
      const { message } = asL7mpError(error);
      log.write('warn', name, `certificates and keys stay as they were: their files have changed, but ${message}`);
    }
    // Of files that are of no use, too: they are read again when they have changed once more.
    if (load === this.#load) this.#sources = sources;
  }
}
