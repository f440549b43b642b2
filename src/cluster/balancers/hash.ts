/**
 * MurmurHash3 (Austin Appleby, public domain), 32 bits, in the two parts that consistent hashing needs. Not the
 * reference function of a byte string: each UTF-16 unit is a block of its own, which spares encoding the key.
 *
 * Unkeyed on purpose: proxies side by side must agree on where a key goes. So a client that chooses its key can choose
 * its endpoint, as with every consistent hash that is published.
 */

/** The finalizer: every bit of the input flips every bit of the result with a probability near one half. */
export function mix(h: number): number {
  h = Math.imul(h ^ (h >>> 16), 0x85ebca6b);
  h = Math.imul(h ^ (h >>> 13), 0xc2b2ae35);
  return h ^ (h >>> 16);
}

export function hashText(text: string, seed: number): number {
  let h = seed;
  for (let i = 0; i < text.length; i++) {
    let k = Math.imul(text.charCodeAt(i), 0xcc9e2d51);
    k = (k << 15) | (k >>> 17);
    h ^= Math.imul(k, 0x1b873593);
    h = (h << 13) | (h >>> 19);
    h = (Math.imul(h, 5) + 0xe6546b64) | 0;
  }
  return mix(h ^ text.length);
}
