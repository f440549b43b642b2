/** What is read and written of DTLS before there is a connection: records, ClientHello, HelloVerifyRequest (RFC 6347). */
import { type ClientHello, NoHello, Reader, readExtensions } from '../tls/client-hello.ts';

/** Types of records (RFC 5246 section 6.2.1, RFC 6520), and the first byte of all versions of DTLS. */
const FIRST_TYPE = 20;
const LAST_TYPE = 24;
const HANDSHAKE = 22;
const ALERT = 21;
const MAJOR = 0xfe;

/** Type, version, epoch, sequence number and length of a record (section 4.1). */
const RECORD_HEAD = 13;
/** Type, length, number, offset and length of its part of a handshake message (section 4.2.2). */
const MESSAGE_HEAD = 12;
const CLIENT_HELLO = 1;
const HELLO_VERIFY_REQUEST = 3;

/** Version and random number, with which a ClientHello begins. */
const RANDOM_END = 2 + 32;
/** DTLS 1.0, which a HelloVerifyRequest says whatever is spoken (section 4.2.1). */
const VERSION_1_0 = [MAJOR, 0xff];
const VERSION_1_2 = [MAJOR, 0xfd];
const FATAL = 2;

/** A ClientHello, or the first part of one. */
export interface Hello {
  /** The same in all that a client sends to begin one connection. */
  readonly random: Buffer;
  /** Empty where it has none yet. */
  readonly cookie: Buffer;
  /** What the cookie stands for: all that is before it. */
  readonly vouched: Buffer;
  /** As the record that it came in says, for the answer (section 4.2.1). */
  readonly sequence: Buffer;
  readonly offered: ClientHello;
}

/** Whether a datagram begins with a record of DTLS. */
export function isRecord(bytes: Uint8Array): boolean {
  const [type = 0, major] = bytes;
  return bytes.length >= RECORD_HEAD && type >= FIRST_TYPE && type <= LAST_TYPE && major === MAJOR;
}

/** Whether it begins with a ClientHello, or part of one, that is not encrypted. */
export function isHello(bytes: Uint8Array): boolean {
  return bytes[0] === HANDSHAKE && bytes[RECORD_HEAD] === CLIENT_HELLO && bytes[3] === 0 && bytes[4] === 0;
}

/** The ClientHello with which a datagram begins; undefined where it has none, or a later part of one. */
export function helloIn(datagram: Uint8Array): Hello | undefined {
  const bytes = Buffer.from(datagram.buffer, datagram.byteOffset, datagram.length);
  if (!isHello(bytes) || bytes.length < RECORD_HEAD + MESSAGE_HEAD + RANDOM_END) return undefined;
  if (bytes.readUIntBE(RECORD_HEAD + 6, 3) !== 0) return undefined;
  const body = bytes.subarray(RECORD_HEAD + MESSAGE_HEAD, RECORD_HEAD + bytes.readUInt16BE(RECORD_HEAD - 2));
  try {
    const reader = new Reader(body);
    reader.skip(RANDOM_END);
    reader.vector(1);
    const vouched = body.subarray(0, body.length - reader.left);
    const cookie = reader.vector(1).rest();
    const random = body.subarray(2, RANDOM_END);
    return { random, cookie, vouched, sequence: bytes.subarray(5, 11), offered: offeredBy(reader) };
  } catch (error) {
    if (error instanceof NoHello) return undefined;
    throw error;
  }
}

/** What a client wants may be in a part that has not come: then it gets what others get that want nothing. */
function offeredBy(reader: Reader): ClientHello {
  try {
    return readExtensions(reader);
  } catch (error) {
    if (error instanceof NoHello) return { servername: undefined, alpn: [] };
    throw error;
  }
}

/** The answer to a ClientHello without a good cookie. It is smaller than that, so nobody is flooded with it. */
export function helloVerifyRequest({ sequence }: Hello, cookie: Uint8Array): Buffer {
  const body = [...VERSION_1_0, cookie.length, ...cookie];
  const length = [0, 0, body.length];
  const message = [HELLO_VERIFY_REQUEST, ...length, 0, 0, 0, 0, 0, ...length, ...body];
  return record(HANDSHAKE, VERSION_1_0, sequence, message);
}

/** A fatal alert (RFC 5246 section 7.2) that answers a ClientHello. */
export function fatalAlert({ sequence }: Hello, description: number): Buffer {
  return record(ALERT, VERSION_1_2, sequence, [FATAL, description]);
}

function record(type: number, version: readonly number[], sequence: Uint8Array, body: readonly number[]): Buffer {
  return Buffer.from([type, ...version, 0, 0, ...sequence, 0, body.length, ...body]);
}
