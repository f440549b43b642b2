/** A secret that all threads have alike, and that is another one after a while. */
import { hkdfSync, randomFillSync } from 'node:crypto';

/** Milliseconds for which one is used. */
const LIFE = 12 * 60 * 60 * 1000;

/** Where in its memory lie the version, until when the secret is used, and the secret. */
const VERSION = 0;
const UNTIL = 8;
const SECRET = 16;
const BYTES = 32;

/**
 * A view of it. The version is odd while the secret is being replaced: who has read it between two looks at the same even
 * version has read one secret.
 *
 * @example const keys = host.secret.derive('MyProtocol cookies', 32);
 */
export class SharedSecret {
  readonly memory: SharedArrayBuffer;
  readonly #version: Int32Array;
  readonly #until: BigInt64Array;
  readonly #bytes: Uint8Array;

  /** `memory`: of another view; left out, a secret that nobody else has. */
  constructor(memory?: SharedArrayBuffer) {
    this.memory = memory ?? new SharedArrayBuffer(SECRET + BYTES);
    this.#version = new Int32Array(this.memory, VERSION, 1);
    this.#until = new BigInt64Array(this.memory, UNTIL, 1);
    this.#bytes = new Uint8Array(this.memory, SECRET, BYTES);
    if (!memory) this.replace();
  }

  /** Another number for each secret. Once twelve hours have passed, it is replaced. */
  get version(): number {
    if (Atomics.load(this.#until, 0) <= BigInt(Date.now())) this.replace();
    return Atomics.load(this.#version, 0);
  }

  /** From now on it is another one: nobody can find out what the one before was. */
  replace(): void {
    const before = Atomics.load(this.#version, 0) & ~1;
    // Where another thread is at it, it does so once.
    if (Atomics.compareExchange(this.#version, 0, before, before + 1) !== before) return;
    randomFillSync(this.#bytes);
    Atomics.store(this.#until, 0, BigInt(Date.now() + LIFE));
    Atomics.add(this.#version, 0, 1);
  }

  /** So many bytes that nobody knows who does not know the secret; other ones for each label (RFC 5869). */
  derive(label: string, length: number): Buffer {
    for (;;) {
      const before = this.version;
      const secret = new Uint8Array(this.#bytes);
      if (before % 2 === 0 && before === this.version) {
        return Buffer.from(hkdfSync('sha256', secret, '', label, length));
      }
    }
  }
}
