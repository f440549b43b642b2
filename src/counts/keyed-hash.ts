/** Rounds for each word, and for each half of the result. */
const ROUNDS = 2;
const LAST_ROUNDS = 4;

/**
 * HalfSipHash-2-4 (Aumasson and Bernstein, 2012 and 2016) with 64 bits, of a text's UTF-16 units: words of 32 bits, as
 * JavaScript has. Who does not know the key cannot make two texts meet, whatever names and addresses a client chooses.
 */
export class KeyedHash {
  /** The two halves of the latest result: an object for each would be garbage. */
  low = 0;
  high = 0;
  readonly #key: Int32Array;
  readonly #state = new Int32Array(4);

  /** `key`: two words. */
  constructor(key: Int32Array) {
    this.#key = key;
  }

  of(text: string): void {
    const state = this.#state;
    const [k0, k1] = this.#key as unknown as [number, number];
    state[0] = k0;
    state[1] = k1 ^ 0xee;
    state[2] = 0x6c796765 ^ k0;
    state[3] = 0x74656462 ^ k1;
    const { length } = text;
    for (let n = 1; n < length; n += 2) this.#mix(text.charCodeAt(n - 1) | (text.charCodeAt(n) << 16));
    this.#mix((length << 25) | (length % 2 === 1 ? text.charCodeAt(length - 1) : 0));
    this.low = this.#half(2, 0xee);
    this.high = this.#half(1, 0xdd);
  }

  #mix(word: number): void {
    const state = this.#state;
    state[3] = (state[3] as number) ^ word;
    rounds(state, ROUNDS);
    state[0] = (state[0] as number) ^ word;
  }

  #half(n: number, constant: number): number {
    const state = this.#state;
    state[n] = (state[n] as number) ^ constant;
    rounds(state, LAST_ROUNDS);
    return (state[1] as number) ^ (state[3] as number);
  }
}

function rounds(state: Int32Array, count: number): void {
  let [v0, v1, v2, v3] = [state[0] as number, state[1] as number, state[2] as number, state[3] as number];
  for (let n = 0; n < count; n++) {
    v0 = (v0 + v1) | 0;
    v1 = ((v1 << 5) | (v1 >>> 27)) ^ v0;
    v0 = (v0 << 16) | (v0 >>> 16);
    v2 = (v2 + v3) | 0;
    v3 = ((v3 << 8) | (v3 >>> 24)) ^ v2;
    v0 = (v0 + v3) | 0;
    v3 = ((v3 << 7) | (v3 >>> 25)) ^ v0;
    v2 = (v2 + v1) | 0;
    v1 = ((v1 << 13) | (v1 >>> 19)) ^ v2;
    v2 = (v2 << 16) | (v2 >>> 16);
  }
  state[0] = v0;
  state[1] = v1;
  state[2] = v2;
  state[3] = v3;
}
