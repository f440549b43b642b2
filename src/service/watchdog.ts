import type { Log } from '../core/log.ts';

/** Tells again and again that the process lives. */
export class Watchdog {
  /** Milliseconds between two times. */
  readonly #interval: number;
  readonly #tell: () => void;
  readonly #log: Log;

  /** It must be heard within `limit` milliseconds. */
  constructor(limit: number, tell: () => void, log: Log) {
    // As sd_watchdog_enabled(3) recommends.
    this.#interval = limit / 2;
    this.#tell = tell;
    this.#log = log;
  }

  /**
   * Until the process ends. Each time, `probe` is asked first: one that is never settled (a worker that hangs) is a process that
   * does not live.
   */
  start(probe: () => Promise<unknown>): void {
    let waiting = false;
    const look = async (): Promise<void> => {
      if (waiting) {
        this.#log.write(
          'error',
          'service',
          'a part of the proxy does not answer: the service manager hears no sign of life',
        );
        return;
      }
      waiting = true;
      await probe().catch(() => {});
      waiting = false;
      this.#tell();
    };
    setInterval(() => void look(), this.#interval).unref();
    void look();
  }
}
