/**
 * A layer with all that TLS has of the parts that matter to the proxy, and nothing that makes it safe to use: a handshake
 * of two ways in which both sides prove that they know a secret, records that are sealed, and an end that cannot be
 * forged by cutting the connection. It is a byte stream, and stands on whatever loses nothing: bytes or messages.
 *
 *   client → server   its nonce
 *   server → client   its nonce, its proof
 *   client → server   its proof, then records both ways
 */
import { createCipheriv, createDecipheriv, createHmac, hkdfSync, randomBytes, timingSafeEqual } from 'node:crypto';
import {
  BINARY,
  defineProtocol,
  dialLayer,
  L7mpError,
  LayerChannel,
  listenOnLayer,
  strict,
  TransportSpec,
  Type,
} from 'l7mp';

/** Bytes of a nonce, and of a proof. */
const NONCE = 32;
const PROOF = 32;

/** A record: two bytes of length, the sealed type and payload, and the 16 bytes that AES-GCM adds. */
const LENGTH = 2;
const TAG = 16;
const MAX_PAYLOAD = 16_384;

/** The type of a record: its first byte. */
const DATA = 0;
const END = 1;

const CIPHER = 'aes-256-gcm';

/** Any number of bytes may be written: they are cut into records. */
const NO_LIMIT = 0x7fffffff;

class ToyTlsChannel extends LayerChannel {
  /** @type {import('l7mp').ChannelKind} */
  kind = 'stream';
  #secret;
  #dials;
  #nonce = randomBytes(NONCE);
  /** Both nonces, the client's first. */
  #transcript = Buffer.alloc(0);
  /** What the peer is still to prove. @type {Buffer | undefined} */
  #expected;
  /** What has come and is not whole. */
  #rest = Buffer.alloc(0);
  /** @type {Sealer | undefined} */
  #out;
  /** @type {Sealer | undefined} */
  #in;
  #endSent = false;
  #endCame = false;

  /** @param {import('l7mp').Channel} lower @param {string} secret @param {boolean} dials */
  constructor(lower, secret, dials) {
    super(lower);
    this.#secret = secret;
    this.#dials = dials;
    this.largest = NO_LIMIT;
  }

  /** An end is a record of its own: also a transport that has none carries it. */
  get halfClose() {
    return true;
  }

  // -------------------------------------------------------------------- handshake

  start() {
    if (this.#dials) this.lower.write(this.#nonce);
  }

  /** @param {Uint8Array} bytes */
  shake(bytes) {
    this.#rest = Buffer.concat([this.#rest, bytes]);
    if (!this.#expected && !this.#meet()) return;
    if (this.#rest.length < PROOF) return;
    if (!timingSafeEqual(this.#take(PROOF), /** @type {Buffer} */ (this.#expected))) {
      throw new L7mpError('E_HANDSHAKE', 'the peer does not know the secret');
    }
    if (this.#dials) this.lower.write(this.#prove('client'));
    // What has come behind the handshake is delivered before it completes: the order is handshake, data, end.
    this.#read();
    this.complete();
  }

  /** Takes the peer's nonce, once it is whole, and derives what depends on both. */
  #meet() {
    if (this.#rest.length < NONCE) return false;
    const theirs = this.#take(NONCE);
    const nonces = this.#dials ? [this.#nonce, theirs] : [theirs, this.#nonce];
    this.#transcript = Buffer.concat(nonces);
    const keys = Buffer.from(hkdfSync('sha256', this.#secret, this.#transcript, 'toy-tls', 64));
    const [client, server] = [new Sealer(keys.subarray(0, 32)), new Sealer(keys.subarray(32))];
    this.#out = this.#dials ? client : server;
    this.#in = this.#dials ? server : client;
    this.#expected = this.#prove(this.#dials ? 'server' : 'client');
    if (!this.#dials) this.lower.write(Buffer.concat([this.#nonce, this.#prove('server')]));
    return true;
  }

  /** @param {string} who */
  #prove(who) {
    return createHmac('sha256', this.#secret).update(who).update(this.#transcript).digest();
  }

  // -------------------------------------------------------------------- data

  /** @param {Uint8Array} bytes */
  send(bytes) {
    let more = true;
    for (let at = 0; at < bytes.length; at += MAX_PAYLOAD)
      more = this.#seal(DATA, bytes.subarray(at, at + MAX_PAYLOAD));
    return more;
  }

  /** @param {Uint8Array} bytes */
  received(bytes) {
    this.#rest = Buffer.concat([this.#rest, bytes]);
    this.#read();
  }

  /** Hands on what is whole. What is thrown, here or by the cipher, closes this channel and the one below. */
  #read() {
    while (this.#rest.length >= LENGTH) {
      const length = this.#rest.readUInt16BE();
      if (this.#rest.length < LENGTH + length) return;
      const record = this.#take(LENGTH + length).subarray(LENGTH);
      const [type, payload] = /** @type {Sealer} */ (this.#in).open(record);
      if (type === DATA) this.deliver(payload, BINARY, true);
      else this.#deliverPeersEnd();
    }
  }

  /** @param {number} type @param {Uint8Array} payload */
  #seal(type, payload) {
    return this.lower.write(/** @type {Sealer} */ (this.#out).seal(type, payload), BINARY, true);
  }

  /** @param {number} length */
  #take(length) {
    const taken = this.#rest.subarray(0, length);
    this.#rest = this.#rest.subarray(length);
    return taken;
  }

  // -------------------------------------------------------------------- ends

  #deliverPeersEnd() {
    this.#endCame = true;
    this.deliverEnd();
  }

  sendEnd() {
    if (this.#endSent || !this.#out) return;
    this.#endSent = true;
    this.#seal(END, Buffer.alloc(0));
    this.lower.end();
  }

  /** The last word before the lower channel is closed; of a handshake that broke there is none. */
  flush() {
    this.sendEnd();
    this.flushed();
  }

  /** The transport has ended. In order only where the peer had said so: else somebody has cut it. */
  ended() {
    if (!this.#endCame) this.abort({ kind: 'reset', message: 'cut off without an end' });
  }

  /** @param {import('l7mp').CloseReason} reason */
  lost(reason) {
    const cut = reason.kind === 'end' && !this.#endCame;
    this.deliverClose(cut ? { kind: 'reset', message: 'cut off without an end' } : reason);
  }
}

/** One direction of a connection: each record has a nonce of its own, so that none can be left out or come twice. */
class Sealer {
  #key;
  #count = 0n;

  /** @param {Buffer} key */
  constructor(key) {
    this.#key = key;
  }

  /** @param {number} type @param {Uint8Array} payload */
  seal(type, payload) {
    const cipher = createCipheriv(CIPHER, this.#key, this.#next());
    const sealed = [cipher.update(Uint8Array.of(type)), cipher.update(payload), cipher.final()];
    const length = Buffer.alloc(LENGTH);
    length.writeUInt16BE(1 + payload.length + TAG);
    return Buffer.concat([length, ...sealed, cipher.getAuthTag()]);
  }

  /** @param {Buffer} record @returns {[number, Buffer]} */
  open(record) {
    if (record.length < 1 + TAG) throw new L7mpError('E_DISCONNECT', 'a record is too short');
    const decipher = createDecipheriv(CIPHER, this.#key, this.#next());
    decipher.setAuthTag(record.subarray(-TAG));
    const plain = Buffer.concat([decipher.update(record.subarray(0, -TAG)), decipher.final()]);
    return [/** @type {number} */ (plain[0]), plain.subarray(1)];
  }

  #next() {
    const nonce = Buffer.alloc(12);
    nonce.writeBigUInt64BE(this.#count++, 4);
    return nonce;
  }
}

const side = {
  schema: strict({
    transport: TransportSpec,
    secret: Type.String({ minLength: 16, description: 'What both sides know, 16 characters at least.' }),
  }),
  standsOn: /** @type {const} */ ({ field: 'transport', lossy: false }),
  kind: /** @type {const} */ ('stream'),
  transport: true,
};

export default defineProtocol({
  name: 'ToyTLS',
  title: 'A byte stream that is sealed, for learning how a layer is written.',
  listener: {
    ...side,
    sessionName: ({ listener, n }) => `ToyTLS:${listener}-${n}`,
    listen: ({ transport, secret }, host) =>
      listenOnLayer(host, transport, (lower) => new ToyTlsChannel(lower, secret, false)),
  },
  cluster: {
    ...side,
    open: async ({ transport, secret }, host) => {
      const below = await host.dialerOn(transport);
      return {
        dial: (attempt) => dialLayer(below, attempt, (lower) => new ToyTlsChannel(lower, secret, true)),
        close: () => below.close?.(),
      };
    },
  },
});
