/**
 * Messages over a byte stream, each with its length in front: four bytes, the most significant first. So datagrams keep
 * their boundaries on TCP or a UNIX socket. Sockets, queues, limits, counters and retries are others' business.
 */
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

const HEADER = 4;

/** The largest message, in bytes, where the specification does not say: any UDP datagram fits. */
const MAX_MESSAGE = 65_535;

const fields = {
  transport: TransportSpec,
  max_message_size: Type.Optional(
    Type.Integer({
      minimum: 1,
      maximum: 1 << 30,
      description: `The largest message, in bytes: a peer that announces a larger one is cut off. Default ${MAX_MESSAGE}.`,
    }),
  ),
};

class FramedChannel extends LayerChannel {
  /** @type {import('l7mp').ChannelKind} */
  kind = 'datagram';
  #header = Buffer.alloc(HEADER);
  /** Bytes of the header that have come; all of them while a message is under way. */
  #headed = 0;
  /** @type {Uint8Array | undefined} The message under way, of which so much has come: */
  #message;
  #filled = 0;

  /** @param {import('l7mp').Channel} lower @param {number | undefined} maxMessage */
  constructor(lower, maxMessage = MAX_MESSAGE) {
    super(lower);
    this.largest = maxMessage;
  }

  /**
   * The bytes may be an engine's, which writes into them again when this call is over: the frame is a copy, and ours.
   * @param {Uint8Array} bytes
   */
  send(bytes) {
    const frame = Buffer.allocUnsafe(HEADER + bytes.length);
    frame.writeUInt32BE(bytes.length);
    frame.set(bytes, HEADER);
    return this.lower.write(frame, BINARY, true);
  }

  /**
   * A stream cuts and joins as it likes: a piece may hold many messages, or one byte of a header.
   * @param {Uint8Array} bytes @param {unknown} _attributes @param {boolean} owned
   */
  received(bytes, _attributes, owned) {
    let rest = bytes;
    while (rest.length > 0) rest = this.#message ? this.#goOn(rest, this.#message) : this.#begin(rest, owned);
  }

  /** The peer has ended: a message that is not whole is lost. @param {import('l7mp').Tail} [tail] */
  ended(tail) {
    if (this.#headed > 0) this.drop('invalid');
    this.deliverEnd(tail);
  }

  /** Takes a header, and the message if all of it is there. @param {Uint8Array} bytes @param {boolean} owned */
  #begin(bytes, owned) {
    const part = bytes.subarray(0, HEADER - this.#headed);
    this.#header.set(part, this.#headed);
    this.#headed += part.length;
    const rest = bytes.subarray(part.length);
    if (this.#headed < HEADER) return rest;
    const length = this.#header.readUInt32BE();
    // What is thrown here closes this channel and the one below.
    if (length > this.maxMessage) throw new L7mpError('E_HANDSHAKE', `a message of ${length} bytes was announced`);
    if (rest.length < length) {
      this.#message = Buffer.allocUnsafe(length);
      return rest;
    }
    this.#headed = 0;
    this.deliver(rest.subarray(0, length), BINARY, owned);
    return rest.subarray(length);
  }

  /** Goes on with a message that comes in pieces. @param {Uint8Array} bytes @param {Uint8Array} message */
  #goOn(bytes, message) {
    const part = bytes.subarray(0, message.length - this.#filled);
    message.set(part, this.#filled);
    this.#filled += part.length;
    if (this.#filled === message.length) {
      this.#message = undefined;
      this.#headed = this.#filled = 0;
      this.deliver(message, BINARY, true);
    }
    return bytes.subarray(part.length);
  }
}

export default defineProtocol({
  name: 'LengthPrefix',
  title: 'Messages over a byte stream, each with its length in front.',
  listener: {
    schema: strict(fields),
    standsOn: { field: 'transport', kind: 'stream' },
    transport: true,
    kind: 'datagram',
    sessionName: ({ listener, n }) => `LengthPrefix:${listener}-${n}`,
    listen: ({ transport, max_message_size: max }, host) =>
      listenOnLayer(host, transport, (lower) => new FramedChannel(lower, max)),
  },
  cluster: {
    schema: strict(fields),
    standsOn: { field: 'transport', kind: 'stream' },
    transport: true,
    kind: 'datagram',
    open: async ({ transport, max_message_size: max }, host) => {
      const below = await host.dialerOn(transport);
      return {
        dial: (attempt) => dialLayer(below, attempt, (lower) => new FramedChannel(lower, max)),
        close: () => below.close?.(),
      };
    },
  },
});
