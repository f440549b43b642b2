/** Cookies: what a client must send back before there is anything of it, so that it shows that it is where it says (RFC 6347 section 4.2.1). */
import { createHmac, timingSafeEqual } from 'node:crypto';
import type { SharedSecret } from '../../core/shared-secret.ts';
import type { Hello } from './record.ts';

/** Milliseconds for which a key is used; one cookie is good for as long at least, and twice as long at most. */
export const PERIOD = 60_000;

const KEY_BYTES = 32;

/** Of one period. */
interface Key {
  readonly period: number;
  readonly version: number;
  readonly bytes: Buffer;
}

/** Nothing is kept of a cookie. All workers have the same keys, and the same ones after a restart of one. */
export class Cookies {
  readonly #secret: SharedSecret;
  readonly #now: () => number;
  #key: Key | undefined;
  #before: Key | undefined;

  /** `now`: milliseconds, the same in all threads. */
  constructor(secret: SharedSecret, now: () => number = Date.now) {
    this.#secret = secret;
    this.#now = now;
  }

  /** For a client's ClientHello. `place`: where it has come from. */
  make(hello: Hello, place: string): Buffer {
    return sign(this.#current(), hello, place);
  }

  isGood(hello: Hello, place: string): boolean {
    const key = this.#current();
    if (hello.cookie.length !== KEY_BYTES) return false;
    if (timingSafeEqual(hello.cookie, sign(key, hello, place))) return true;
    const before = this.#before ?? this.#derive(key.period - 1);
    return before.period >= key.period - 1 && timingSafeEqual(hello.cookie, sign(before, hello, place));
  }

  #current(): Key {
    const period = Math.floor(this.#now() / PERIOD);
    const { version } = this.#secret;
    if (this.#key?.period === period && this.#key.version === version) return this.#key;
    this.#before = this.#key;
    this.#key = this.#derive(period);
    return this.#key;
  }

  #derive(period: number): Key {
    return { period, version: this.#secret.version, bytes: this.#secret.derive(`DTLS cookies ${period}`, KEY_BYTES) };
  }
}

function sign({ bytes }: Key, { vouched }: Hello, place: string): Buffer {
  return createHmac('sha256', bytes).update(`${place}\0`).update(vouched).digest();
}
