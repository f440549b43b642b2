/**
 * Answers of any length, across threads: parts are asked for one by one, as they are taken. Whoever stops asking says so, so
 * that what makes them can end.
 */
import type { ApiResponse } from '../core/protocol.ts';
import { type Calls, Given, ownBytes } from './calls.ts';
import type { MainCalls, PlainResponse } from './contract.ts';

type Parts = Exclude<ApiResponse['body'], string | Uint8Array>;

/** Those that a worker reads, in the main thread. */
export class Bodies {
  readonly #parts = new Map<number, AsyncIterator<string | Uint8Array>>();
  #next = 0;

  /** An answer as it crosses: of a long one, the number by which its parts are asked for. */
  give({ body, ...response }: ApiResponse): Given {
    if (typeof body === 'string') return new Given({ ...response, body }, []);
    if (body instanceof Uint8Array) {
      const own = ownBytes(body);
      return new Given({ ...response, body: own }, [own.buffer]);
    }
    const parts = this.#next++;
    this.#parts.set(parts, body[Symbol.asyncIterator]());
    return new Given({ ...response, parts }, []);
  }

  /** The next part; undefined at the end. */
  async part(number: number): Promise<string | Uint8Array | undefined> {
    const result = await this.#parts.get(number)?.next();
    if (!result || result.done) {
      this.#parts.delete(number);
      return undefined;
    }
    return result.value;
  }

  async drop(number: number): Promise<void> {
    const parts = this.#parts.get(number);
    this.#parts.delete(number);
    await parts?.return?.();
  }

  /** The worker has ended. */
  dropAll(): void {
    for (const number of [...this.#parts.keys()]) this.drop(number).catch(() => {});
  }
}

/** The answer again, in the worker. */
export function responseOf(plain: PlainResponse, calls: Calls<MainCalls>): ApiResponse {
  if (!('parts' in plain)) return plain;
  const { parts, ...response } = plain;
  return { ...response, body: partsOf(parts, calls) };
}

async function* partsOf(number: number, calls: Calls<MainCalls>): Parts {
  try {
    for (;;) {
      const part = await calls.call('apiPart', [number]);
      if (part === undefined) return;
      yield part;
    }
  } finally {
    calls.tell('apiDrop', number);
  }
}
