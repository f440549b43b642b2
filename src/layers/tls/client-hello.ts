/** What a client says before anything is encrypted: the name that it wants, and the protocols that it speaks. */

import type { Rejected } from '../../core/handshakes.ts';

/** Bytes of a ClientHello, with the heads of its records, that are waited for: with a post-quantum key it has 2 KiB. */
export const MAX_HELLO = 16 << 10;

/** Types of records (RFC 8446 section 5.1), of handshake messages (section 4), of extensions (section 4.2). */
const HANDSHAKE = 22;
const CLIENT_HELLO = 1;
const SERVER_NAME = 0;
const ALPN = 16;

/** Type, version and length of a record; type and length of a handshake message. */
const RECORD_HEAD = 5;
const MESSAGE_HEAD = 4;

/** The largest record, without encryption (section 5.1). */
const MAX_RECORD = 16_384;

/** A name of a host, as a client may ask for it (RFC 6066 section 3): no address. */
const NAME = /^(?=.{1,253}\.?$)[a-z0-9_]([a-z0-9_-]*[a-z0-9_])?(\.[a-z0-9_]([a-z0-9_-]*[a-z0-9_])?)*\.?$/;

export interface ClientHello {
  /** In lower case, without a dot at its end; undefined where the client names none. */
  readonly servername: string | undefined;
  /** What the client offers by ALPN, in its order. */
  readonly alpn: readonly string[];
}

/** What has come is no ClientHello. */
export class NoHello extends Error implements Rejected {
  readonly reject = 'not-tls';
}

/** Puts a ClientHello together of what comes of a stream, in however many records and pieces; each byte is looked at once. */
export class HelloReader {
  readonly #all = new Growing();
  /** The handshake message, which records may cut anywhere. */
  readonly #message = new Growing();
  /** Where the next record begins. */
  #at = 0;

  /** All that has come: what is behind the ClientHello, too. */
  get bytes(): Buffer {
    return this.#all.bytes;
  }

  /** Returns it when it is whole. Throws NoHello where it will not be one, or is too long. */
  take(bytes: Uint8Array): ClientHello | undefined {
    this.#all.append(bytes);
    const all = this.#all.bytes;
    for (let end = recordEnd(all, this.#at); end !== undefined; end = recordEnd(all, this.#at)) {
      this.#message.append(all.subarray(this.#at + RECORD_HEAD, end));
      this.#at = end;
      const message = whole(this.#message.bytes);
      if (message) return parse(new Reader(message));
    }
    if (all.length > MAX_HELLO) throw new NoHello(`a ClientHello of more than ${MAX_HELLO} bytes`);
    return undefined;
  }
}

/** Where the record that begins there ends, once it is whole. */
function recordEnd(bytes: Buffer, at: number): number | undefined {
  const [type, major] = bytes.subarray(at, at + 2);
  if (type === undefined) return undefined;
  if (type !== HANDSHAKE || (major !== undefined && major !== 3)) throw new NoHello('it is not TLS');
  if (bytes.length < at + RECORD_HEAD) return undefined;
  const size = bytes.readUInt16BE(at + 3);
  if (size === 0 || size > MAX_RECORD) throw new NoHello(`a record of ${size} bytes`);
  const end = at + RECORD_HEAD + size;
  return end > bytes.length ? undefined : end;
}

/** The body of the handshake message, once it is whole. */
function whole(message: Buffer): Buffer | undefined {
  if (message[0] !== CLIENT_HELLO) throw new NoHello(`a handshake message of type ${message[0]}`);
  if (message.length < MESSAGE_HEAD) return undefined;
  const end = MESSAGE_HEAD + message.readUIntBE(1, 3);
  if (end > MAX_HELLO) throw new NoHello(`a ClientHello of ${end} bytes`);
  return message.length < end ? undefined : message.subarray(MESSAGE_HEAD, end);
}

/** Bytes to which others are appended, without a copy of all each time. */
class Growing {
  #room: Buffer = Buffer.alloc(0);
  #length = 0;

  get bytes(): Buffer {
    return this.#room.subarray(0, this.#length);
  }

  append(bytes: Uint8Array): void {
    const length = this.#length + bytes.length;
    if (length > this.#room.length) {
      const room = Buffer.alloc(Math.max(length, 2 * this.#room.length));
      room.set(this.bytes);
      this.#room = room;
    }
    this.#room.set(bytes, this.#length);
    this.#length = length;
  }
}

/** RFC 8446 section 4.1.2, as that of RFC 5246. */
function parse(hello: Reader): ClientHello {
  hello.skip(2 + 32);
  hello.vector(1);
  return readExtensions(hello);
}

/** What is behind the number of a session to resume, and a cookie of DTLS, in a ClientHello. */
export function readExtensions(hello: Reader): ClientHello {
  hello.vector(2);
  hello.vector(1);
  let servername: string | undefined;
  let alpn: readonly string[] = [];
  if (hello.left === 0) return { servername, alpn };
  for (const extensions = hello.vector(2); extensions.left > 0; ) {
    const type = extensions.number(2);
    const content = extensions.vector(2);
    if (type === SERVER_NAME) servername = nameIn(content);
    else if (type === ALPN) alpn = protocolsIn(content);
  }
  return { servername, alpn };
}

/** RFC 6066 section 3: one name, of the only type that there is. */
function nameIn(content: Reader): string {
  const names = content.vector(2);
  if (names.number(1) !== 0) throw new NoHello('a server name of an unknown type');
  const name = names.vector(2).text().toLowerCase();
  if (!NAME.test(name)) throw new NoHello('a server name that is none');
  return name.replace(/\.$/, '');
}

/** RFC 7301 section 3.1. */
function protocolsIn(content: Reader): string[] {
  const protocols: string[] = [];
  for (const list = content.vector(2); list.left > 0; ) protocols.push(list.vector(1).text());
  return protocols;
}

/** Reads the vectors of TLS's presentation language (RFC 8446 section 3.4). */
export class Reader {
  readonly #bytes: Buffer;
  #at = 0;

  constructor(bytes: Buffer) {
    this.#bytes = bytes;
  }

  get left(): number {
    return this.#bytes.length - this.#at;
  }

  number(size: number): number {
    return this.#take(size).readUIntBE(0, size);
  }

  /** What a length of `size` bytes stands before. */
  vector(size: number): Reader {
    return new Reader(this.#take(this.number(size)));
  }

  skip(size: number): void {
    this.#take(size);
  }

  /** What is left. */
  rest(): Buffer {
    return this.#bytes.subarray(this.#at);
  }

  text(): string {
    return this.#bytes.toString('latin1', this.#at);
  }

  #take(size: number): Buffer {
    if (size > this.left) throw new NoHello('a ClientHello that is cut short');
    this.#at += size;
    return this.#bytes.subarray(this.#at - size, this.#at);
  }
}
