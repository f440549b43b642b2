/**
 * Calls between two threads, both ways, over a port: plain data, each call with its answer. What is called on one side is
 * an object of the other; its errors keep their code, message and problems.
 */
import type { Transferable } from 'node:worker_threads';
import { asL7mpError, type ErrorCode, L7mpError, type Problem } from '../core/errors.ts';

/** A MessagePort, or a Worker. */
export interface Port {
  postMessage(message: unknown, transfer?: readonly Transferable[]): void;
  on(event: 'message', listener: (message: Message) => void): unknown;
  on(event: 'close' | 'exit', listener: () => void): unknown;
}

const CALL = 0;
const TELL = 1;
const ANSWER = 2;
const FAILURE = 3;

type Message =
  | readonly [typeof CALL, id: number, method: string, args: readonly unknown[]]
  | readonly [typeof TELL, id: number, method: string, args: readonly unknown[]]
  | readonly [typeof ANSWER, id: number, value: unknown]
  | readonly [typeof FAILURE, id: number, failure: Failure];

/** An error as it crosses. */
interface Failure {
  readonly code: ErrorCode;
  readonly message: string;
  readonly problems: readonly Problem[];
}

interface Pending {
  readonly timer: NodeJS.Timeout | undefined;
  resolve(value: unknown): void;
  reject(error: L7mpError): void;
}

/** A call that was not answered in its time. */
export class LateError extends L7mpError {
  constructor(method: string) {
    super('E_TIMEOUT', `${method}: no answer in time`);
  }
}

/** A value, and what of it changes hands in place of being copied. */
export class Given {
  readonly value: unknown;
  readonly transfer: readonly Transferable[];

  constructor(value: unknown, transfer: readonly Transferable[]) {
    this.value = value;
    this.transfer = transfer;
  }
}

// biome-ignore lint/suspicious/noExplicitAny: any method of an interface.
type Method = (...args: any[]) => any;
type MethodOf<T, M extends keyof T> = T[M] extends Method ? T[M] : never;

export interface CallTerms {
  /** Milliseconds after which it rejects with a LateError, whatever the other side does. Left out: never. */
  readonly timeout?: number;
  readonly transfer?: readonly Transferable[];
}

/** One end. `Theirs` is the interface of what the other end gives out. */
export class Calls<Theirs extends object> {
  readonly #port: Port;
  readonly #own: object;
  readonly #pending = new Map<number, Pending>();
  #next = 0;
  #over: L7mpError | undefined;

  /** `own`: whose methods the other end may call. They may return a `Given`. */
  constructor(port: Port, own: object) {
    this.#port = port;
    this.#own = own;
    port.on('message', (message) => this.#heard(message));
    const gone = (): void => this.end(new L7mpError('E_INTERNAL', 'the thread that was asked has ended'));
    port.on('close', gone);
    port.on('exit', gone);
  }

  /** Rejects with what the method throws, or when the port closes. */
  call<M extends keyof Theirs & string>(
    method: M,
    args: Parameters<MethodOf<Theirs, M>>,
    { timeout, transfer }: CallTerms = {},
  ): Promise<Awaited<ReturnType<MethodOf<Theirs, M>>>> {
    return new Promise((resolve, reject) => {
      if (this.#over) return reject(this.#over);
      const id = this.#next++;
      const late = (): void => this.#settle(id)?.reject(new LateError(method));
      const timer = timeout === undefined ? undefined : setTimeout(late, timeout);
      this.#pending.set(id, { timer, resolve: resolve as Pending['resolve'], reject });
      try {
        this.#port.postMessage([CALL, id, method, args], transfer);
      } catch (error) {
        // Not plain data: a defect.
        this.#settle(id)?.reject(asL7mpError(error));
      }
    });
  }

  /** Without an answer; lost where the port is closed. */
  tell<M extends keyof Theirs & string>(method: M, ...args: Parameters<MethodOf<Theirs, M>>): void {
    if (!this.#over) this.#port.postMessage([TELL, 0, method, args]);
  }

  /** What is asked now and later rejects with this. */
  end(error: L7mpError): void {
    this.#over ??= error;
    for (const id of [...this.#pending.keys()]) this.#settle(id)?.reject(error);
  }

  #heard(message: Message): void {
    const [type, id] = message;
    switch (type) {
      case CALL:
        void this.#serve(id, message[2], message[3]);
        break;
      case TELL:
        void this.#run(message[2], message[3]);
        break;
      case ANSWER:
        this.#settle(id)?.resolve(message[2]);
        break;
      case FAILURE: {
        const { code, message: text, problems } = message[2];
        this.#settle(id)?.reject(new L7mpError(code, text, { problems }));
      }
    }
  }

  async #serve(id: number, method: string, args: readonly unknown[]): Promise<void> {
    try {
      const answer = await this.#run(method, args);
      if (answer instanceof Given) this.#port.postMessage([ANSWER, id, answer.value], answer.transfer);
      else this.#port.postMessage([ANSWER, id, answer]);
    } catch (error) {
      const { code, message, problems } = asL7mpError(error);
      this.#port.postMessage([FAILURE, id, { code, message, problems }]);
    }
  }

  #run(method: string, args: readonly unknown[]): unknown {
    return (this.#own as Record<string, Method>)[method]?.(...args);
  }

  #settle(id: number): Pending | undefined {
    const pending = this.#pending.get(id);
    clearTimeout(pending?.timer);
    this.#pending.delete(id);
    return pending;
  }
}

/** Bytes, as ones that can change hands: a part of a larger buffer is copied. */
export function ownBytes(bytes: Uint8Array): Uint8Array<ArrayBuffer> {
  const { buffer, byteLength } = bytes;
  const whole = buffer instanceof ArrayBuffer && byteLength === buffer.byteLength;
  return whole ? new Uint8Array(buffer) : new Uint8Array(bytes);
}
