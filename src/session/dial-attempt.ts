import type { Endpoint } from '../cluster/endpoint.ts';
import type { Channel } from '../core/channel.ts';
import { wholeNow } from '../core/clock.ts';
import { asL7mpError, L7mpError } from '../core/errors.ts';
import type { Attempt, Dialer, DiallingSession } from '../core/protocol.ts';

/** Waits for an attempt. One of the two is called, once, unless the attempt is cancelled. */
export interface DialObserver {
  connected(attempt: DialAttempt, channel: Channel): void;
  failed(attempt: DialAttempt, error: L7mpError): void;
}

/** One attempt to connect to an endpoint, within its time. */
export class DialAttempt implements Attempt {
  readonly endpoint: Endpoint;
  readonly timeout: number;
  readonly session: DiallingSession;
  /** Another one was made in its place meanwhile. */
  slow = false;
  readonly #began = wholeNow();
  readonly #observer: DialObserver;
  #timer: NodeJS.Timeout | undefined;
  #cancelled = false;
  /** Made for who asks. */
  #aborter: AbortController | undefined;

  /** `timeout`: milliseconds. */
  constructor(endpoint: Endpoint, timeout: number, session: DiallingSession, observer: DialObserver) {
    this.endpoint = endpoint;
    this.timeout = timeout;
    this.session = session;
    this.#observer = observer;
  }

  /** Milliseconds since it was made. */
  get took(): number {
    return wholeNow() - this.#began;
  }

  get address(): string {
    return this.endpoint.address;
  }

  get port(): number | undefined {
    return this.endpoint.port;
  }

  get signal(): AbortSignal {
    this.#aborter ??= new AbortController();
    if (this.#cancelled) this.#aborter.abort();
    return this.#aborter.signal;
  }

  /** Dials. What needs no waiting is done when it returns. */
  run(dialer: Dialer): void {
    try {
      const result = dialer.dial(this);
      if (result instanceof Promise) this.#await(result);
      else this.#observer.connected(this, result);
    } catch (error) {
      this.#observer.failed(this, asL7mpError(error));
    }
  }

  cancel(): void {
    clearTimeout(this.#timer);
    this.#cancelled = true;
    this.#aborter?.abort();
  }

  #await(result: Promise<Channel>): void {
    this.#timer = setTimeout(() => {
      this.cancel();
      const message = `${this.address}: not connected within ${this.timeout} ms`;
      this.#observer.failed(this, new L7mpError('E_TIMEOUT', message));
    }, this.timeout);
    result.then(
      (channel) => {
        clearTimeout(this.#timer);
        if (this.#cancelled) channel.close({ kind: 'end', message: 'not wanted any more' });
        else this.#observer.connected(this, channel);
      },
      (error: unknown) => {
        clearTimeout(this.#timer);
        if (!this.#cancelled) this.#observer.failed(this, asL7mpError(error, 'E_CONNECT'));
      },
    );
  }
}
