/** The headers of JSONSocket version 1: how they are told from data, what makes one valid, and what answers them. */

import type { ChannelKind } from '../../core/channel.ts';
import { isDeeperThan, MAX_DEPTH } from '../../core/depth.ts';
import type { Metadata } from '../../core/metadata.ts';
import { ownValue } from '../../core/own-value.ts';

export const VERSION = 1;

/** Bytes of JSON in a header at most, on any transport: what a server may take, and a client send. */
export const MAX_HEADER = 65_536;

/** What a server takes where it is not told otherwise: a header is kept, and shown, as long as its session lives. */
export const DEFAULT_MAX_HEADER = 16_384;

/** Characters of a JSONSocketMessage at most: an answer to an unproven address is to be small, and fit any datagram. */
const MAX_MESSAGE = 512;

const LF = 0x0a;
const OPENING_BRACE = 0x7b;

const UTF8 = new TextDecoder('utf-8', { fatal: true });

/** A header that is none; `status` answers it, where the reader is a server. */
export class BadHeader extends Error {
  readonly status: number;

  constructor(status: number, message: string) {
    super(message);
    this.name = 'BadHeader';
    this.status = status;
  }
}

/** What a server says to a header. */
export interface Answer {
  readonly status: number;
  readonly message: string;
}

/** Any JSON object as a header. Throws a BadHeader. Keys are the peer's: own properties, maybe `__proto__`. */
export function parseHeader(bytes: Uint8Array): Metadata {
  if (bytes.length > MAX_HEADER) throw tooLarge(MAX_HEADER);
  let header: unknown;
  try {
    header = JSON.parse(UTF8.decode(bytes));
  } catch {
    throw new BadHeader(400, 'the header is not JSON');
  }
  if (typeof header !== 'object' || header === null || Array.isArray(header)) {
    throw new BadHeader(400, 'the header is not a JSON object');
  }
  // The header becomes metadata, which is walked by what recurses.
  if (isDeeperThan(header as Metadata, MAX_DEPTH)) {
    throw new BadHeader(400, `the header is nested deeper than ${MAX_DEPTH}`);
  }
  return header as Metadata;
}

/** A client's header. Throws a BadHeader. */
export function parseRequest(bytes: Uint8Array): Metadata {
  const header = parseHeader(bytes);
  const version = ownValue(header, 'JSONSocketVersion');
  if (typeof version !== 'number' || !Number.isInteger(version) || version < 1) {
    throw new BadHeader(400, 'JSONSocketVersion is not a whole number from 1');
  }
  if (version > VERSION) throw new BadHeader(505, `JSONSocketVersion ${version} is not supported, only ${VERSION} is`);
  return header;
}

/** A server's header. Throws a BadHeader. */
export function parseAnswer(bytes: Uint8Array): Answer {
  const header = parseHeader(bytes);
  const status = ownValue(header, 'JSONSocketStatus');
  const message = ownValue(header, 'JSONSocketMessage');
  if (typeof status !== 'number') throw new BadHeader(400, 'the header has no numeric JSONSocketStatus');
  return { status, message: typeof message === 'string' ? oneLine(message) : '' };
}

/** A quick look: few messages that begin as JSON go on to be parsed. */
const STATUS_KEY = Buffer.from('"JSONSocketStatus"');

/**
 * What a message says in place of data where it is a server's header that is no yes: undefined where it is data. Looked
 * at with each message, so it costs nothing where that is no JSON.
 */
export function refusalIn(bytes: Uint8Array): Answer | undefined {
  if (bytes[0] !== OPENING_BRACE || bytes.length > MAX_HEADER) return undefined;
  const view = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  if (!view.includes(STATUS_KEY)) return undefined;
  try {
    const answer = parseAnswer(bytes);
    return isYes(answer) ? undefined : answer;
  } catch {
    return undefined;
  }
}

export function isYes({ status }: Answer): boolean {
  return status >= 200 && status <= 299;
}

/** Whether a client's header is a server's: answering it could make two servers talk to each other for ever. */
export function isAnswer(header: Metadata): boolean {
  return Object.hasOwn(header, 'JSONSocketStatus');
}

/** A header as it goes over a transport of this kind. */
export function encodeHeader(header: Metadata, kind: ChannelKind): Uint8Array {
  return new TextEncoder().encode(`${JSON.stringify(header)}${kind === 'stream' ? '\n' : ''}`);
}

export function encodeAnswer({ status, message }: Answer, kind: ChannelKind): Uint8Array {
  const header = {
    JSONSocketVersion: VERSION,
    JSONSocketStatus: status,
    JSONSocketMessage: message.slice(0, MAX_MESSAGE),
  };
  return encodeHeader(header, kind);
}

/** Takes the header off what a transport brings: the first message, or the first line where there are no messages. */
export class HeaderReader {
  readonly #kind: ChannelKind;
  readonly #most: number;
  /** The line so far; grows as it comes, since peers who have proved nothing must not cost 64 KiB each. */
  #line = new Uint8Array(0);
  #length = 0;

  /** `most`: bytes of a header. */
  constructor(kind: ChannelKind, most = MAX_HEADER) {
    this.#kind = kind;
    this.#most = most;
  }

  /** Part of a line has come. */
  get begun(): boolean {
    return this.#length > 0;
  }

  /**
   * The header, which may be kept, and what follows it, which is a view of `bytes`; undefined while it is incomplete.
   * Throws a BadHeader once it is too large.
   */
  push(bytes: Uint8Array): { header: Uint8Array; rest: Uint8Array } | undefined {
    const at = this.#kind === 'datagram' ? bytes.length : bytes.indexOf(LF);
    const part = at < 0 ? bytes : bytes.subarray(0, at);
    if (this.#length + part.length > this.#most) throw tooLarge(this.#most);
    if (at < 0 || this.begun) this.#append(part);
    if (at < 0) return undefined;
    // Not slice(): a Buffer's is a view.
    const header = new Uint8Array(this.begun ? this.#line.subarray(0, this.#length) : part);
    return { header, rest: bytes.subarray(at + 1) };
  }

  #append(part: Uint8Array): void {
    const length = this.#length + part.length;
    if (length > this.#line.length) {
      const larger = new Uint8Array(Math.min(this.#most, Math.max(length, 2 * this.#line.length)));
      larger.set(this.#line.subarray(0, this.#length));
      this.#line = larger;
    }
    this.#line.set(part, this.#length);
    this.#length = length;
  }
}

/** Whether two messages are equal, byte by byte. */
export function sameBytes(a: Uint8Array, b: Uint8Array): boolean {
  return a.length === b.length && Buffer.compare(a, b) === 0;
}

function tooLarge(most: number): BadHeader {
  return new BadHeader(400, `the header is larger than ${most} bytes`);
}

/** A peer's text for a log or an event: short, and without what would break the line. */
function oneLine(text: string): string {
  return text.slice(0, MAX_MESSAGE).replace(/\p{Cc}+/gu, ' ');
}
