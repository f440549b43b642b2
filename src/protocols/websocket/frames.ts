/** The frames of RFC 6455, section 5: how they are taken off a stream, and how they are made. Extensions are not spoken. */
import { isUtf8 } from 'node:buffer';
import { randomFillSync } from 'node:crypto';
import { Gathering, type GatheringLimit } from '../../core/gathering.ts';
import { isSendable, MESSAGE_TOO_BIG, NO_STATUS, TRY_AGAIN_LATER } from './codes.ts';

export const Opcode = { Continuation: 0, Text: 1, Binary: 2, Close: 8, Ping: 9, Pong: 10 } as const;

const PROTOCOL_ERROR = 1002;
const INVALID_PAYLOAD = 1007;

const FIN = 0x80;
const RESERVED = 0x70;
const MASKED = 0x80;
const CONTROL = 0x08;

/** Bytes of payload that a control frame may have. */
const MAX_CONTROL = 125;

/** Bytes of a head at most: two, a length of eight, a mask of four. */
const MAX_HEAD = 14;

const NOTHING = new Uint8Array(0);

/** Who takes what the frames carry. */
export interface FrameHandler {
  /** A whole message. Its bytes are the handler's. */
  message(bytes: Uint8Array, text: boolean): void;
  /** Its bytes are valid during the call. */
  ping(bytes: Uint8Array): void;
  pong(): void;
  /** Nothing is to come after it. `code` is 1005 where the peer gave none. */
  closed(code: number, text: string): void;
  /** The peer must be closed with the code; nothing more is taken from it. */
  broken(code: number, why: string): void;
}

export interface FrameBounds {
  /** Bytes of a message at most; a larger one is a 1009. */
  readonly maxMessage: number;
  readonly gathering: GatheringLimit;
}

/** Takes frames off a stream, however that is cut. Fragments are gathered in one buffer, within the bound of all. */
export class FrameReader {
  readonly #handler: FrameHandler;
  /** Frames must be masked: those of clients are (section 5.1). */
  readonly #masked: boolean;
  readonly #maxMessage: number;
  readonly #message: Gathering;
  /** The opcode of the message that has begun and not ended; 0 where there is none. */
  #type = 0;
  // The frame that has begun, if one has.
  #inFrame = false;
  #opcode = 0;
  #fin = false;
  /** Bytes of its payload that have not come. */
  #left = 0;
  /** Its mask as a number, in the order of memory, turned on by what has come. */
  #mask = 0;
  /** A head that is not whole, and the payload of a control frame that is not. */
  #head = NOTHING;
  #payload = NOTHING;
  #chunk: Uint8Array = NOTHING;
  #at = 0;
  #running = false;
  #held = false;
  #skipping = false;
  #over = false;

  constructor(handler: FrameHandler, masked: boolean, { maxMessage, gathering }: FrameBounds) {
    this.#handler = handler;
    this.#masked = masked;
    this.#maxMessage = maxMessage;
    this.#message = new Gathering(gathering, () => this.#crowded());
  }

  /** What came is kept, because nobody takes it now. */
  get full(): boolean {
    return this.#at < this.#chunk.length;
  }

  /** Takes a piece of the stream, which is the reader's from now on. */
  push(chunk: Uint8Array): void {
    if (this.#over) return;
    this.#chunk = this.full ? Buffer.concat([this.#chunk.subarray(this.#at), chunk]) : chunk;
    this.#at = 0;
    this.#run();
  }

  /** Hands on no more messages until `release`. */
  hold(): void {
    this.#held = true;
  }

  release(): void {
    this.#held = false;
    this.#run();
  }

  /** Throws messages away from now on: only the peer's close is waited for. */
  skip(): void {
    this.#skipping = true;
    this.#message.clear();
    this.release();
  }

  /** Nothing is taken any more. */
  end(): void {
    this.#over = true;
    this.#message.clear();
    this.#chunk = NOTHING;
    this.#at = 0;
  }

  // ------------------------------------------------------------------ heads

  #run(): void {
    // Handlers may hold and release.
    if (this.#running) return;
    this.#running = true;
    try {
      while (!this.#held && !this.#over && this.full) {
        if (!this.#inFrame) this.#takeHead();
        // A frame may have no payload.
        if (this.#inFrame && (this.full || this.#left === 0)) this.#takePayload();
      }
    } finally {
      this.#running = false;
    }
    if (!this.full) this.#chunk = NOTHING;
  }

  /** A head has two to fourteen bytes, and seldom lies in two chunks. */
  #takeHead(): void {
    const chunk = this.#chunk;
    const size = headSize(chunk, this.#at);
    if (this.#head.length === 0 && this.#at + size <= chunk.length) {
      this.#begin(chunk, this.#at);
      this.#at += size;
      return;
    }
    const known = this.#head.length;
    const head = Buffer.concat([this.#head, chunk.subarray(this.#at, this.#at + MAX_HEAD - known)]);
    const whole = headSize(head, 0);
    this.#at += Math.min(whole, head.length) - known;
    this.#head = whole <= head.length ? NOTHING : head;
    if (whole <= head.length) this.#begin(head, 0);
  }

  #begin(bytes: Uint8Array, at: number): void {
    const first = bytes[at] as number;
    const second = bytes[at + 1] as number;
    const short = second & 0x7f;
    this.#opcode = first & 0x0f;
    this.#fin = (first & FIN) !== 0;
    this.#left = short < 126 ? short : longLength(bytes, at + 2, short);
    if (second & MASKED) this.#mask = wordAt(bytes, at + 2 + (short < 126 ? 0 : short === 126 ? 2 : 8));
    const wrong = this.#wrong(first, second);
    if (wrong !== undefined) this.#break(PROTOCOL_ERROR, wrong);
    else if (!this.#fits()) this.#break(MESSAGE_TOO_BIG, `a message is larger than ${this.#maxMessage} bytes`);
    else {
      this.#inFrame = true;
      if (this.#opcode === Opcode.Text || this.#opcode === Opcode.Binary) this.#type = this.#opcode;
    }
  }

  #wrong(first: number, second: number): string | undefined {
    const opcode = this.#opcode;
    if (first & RESERVED) return 'a frame has reserved bits';
    if (((second & MASKED) !== 0) !== this.#masked) return `a frame is ${this.#masked ? 'not ' : ''}masked`;
    if (opcode & CONTROL) {
      if (opcode > Opcode.Pong) return 'a frame has an unknown opcode';
      return !this.#fin || this.#left > MAX_CONTROL ? 'a control frame is fragmented or too large' : undefined;
    }
    if (opcode > Opcode.Binary) return 'a frame has an unknown opcode';
    if ((opcode === Opcode.Continuation) !== (this.#type !== 0)) return 'a fragment is out of place';
    return undefined;
  }

  #fits(): boolean {
    const counts = !(this.#opcode & CONTROL) && !this.#skipping;
    return !counts || this.#message.length + this.#left <= this.#maxMessage;
  }

  // ------------------------------------------------------------------ payload

  #takePayload(): void {
    const piece = this.#chunk.subarray(this.#at, this.#at + this.#left);
    this.#at += piece.length;
    this.#left -= piece.length;
    this.#inFrame = this.#left > 0;
    const control = (this.#opcode & CONTROL) !== 0;
    if (this.#masked && (control || !this.#skipping)) this.#mask = applyMask(piece, this.#mask);
    if (control) this.#control(piece);
    else this.#data(piece);
  }

  #data(piece: Uint8Array): void {
    const whole = !this.#inFrame && this.#fin;
    if (this.#skipping) {
      if (whole) this.#type = 0;
    } else if (whole && this.#message.length === 0) this.#deliver(piece);
    else if (!this.#message.push(piece)) this.#crowded();
    else if (whole) this.#deliver(this.#message.take());
  }

  #deliver(bytes: Uint8Array): void {
    const text = this.#type === Opcode.Text;
    this.#type = 0;
    if (text && !isUtf8(bytes)) this.#break(INVALID_PAYLOAD, 'a text is not UTF-8');
    else this.#handler.message(bytes, text);
  }

  #control(piece: Uint8Array): void {
    const payload = this.#payload.length === 0 ? piece : Buffer.concat([this.#payload, piece]);
    // A copy: what came may be kept by others, as a part of the same chunk.
    this.#payload = this.#inFrame ? Uint8Array.from(payload) : NOTHING;
    if (this.#inFrame) return;
    if (this.#opcode === Opcode.Ping) this.#handler.ping(payload);
    else if (this.#opcode === Opcode.Pong) this.#handler.pong();
    else this.#close(payload);
  }

  #close(payload: Uint8Array): void {
    const code = payload.length === 0 ? NO_STATUS : ((payload[0] as number) << 8) | (payload[1] ?? 0);
    const text = payload.subarray(2);
    if (payload.length === 1 || (payload.length > 1 && !isSendable(code))) {
      this.#break(PROTOCOL_ERROR, 'a close frame has no valid code');
    } else if (!isUtf8(text)) this.#break(INVALID_PAYLOAD, 'the text of a close frame is not UTF-8');
    else {
      this.end();
      this.#handler.closed(code, Buffer.from(text).toString());
    }
  }

  #crowded(): void {
    this.#break(TRY_AGAIN_LATER, 'too much is being received at once');
  }

  #break(code: number, why: string): void {
    if (this.#over) return;
    this.end();
    this.#handler.broken(code, why);
  }
}

/** Of a head whose first bytes are there; 2 where the second is not. */
function headSize(bytes: Uint8Array, at: number): number {
  const second = bytes[at + 1];
  if (second === undefined) return 2;
  const length = second & 0x7f;
  return 2 + (length === 126 ? 2 : length === 127 ? 8 : 0) + (second & MASKED ? 4 : 0);
}

/** A length of two or eight bytes. Beyond 2^53 it is not exact, which is too large in any case. */
function longLength(bytes: Uint8Array, at: number, short: number): number {
  const view = new DataView(bytes.buffer, bytes.byteOffset + at);
  return short === 126 ? view.getUint16(0) : view.getUint32(0) * 2 ** 32 + view.getUint32(4);
}

// -------------------------------------------------------------------- masks

const LITTLE_ENDIAN = new Uint8Array(Uint16Array.of(1).buffer)[0] === 1;

/** Bytes from which on it pays to go by four. */
const WORDS = 48;

/** Four bytes as a number, in the order of memory. */
function wordAt(bytes: Uint8Array, at: number): number {
  const a = bytes[at] as number;
  const b = bytes[at + 1] as number;
  const c = bytes[at + 2] as number;
  const d = bytes[at + 3] as number;
  return LITTLE_ENDIAN ? a | (b << 8) | (c << 16) | (d << 24) : d | (c << 8) | (b << 16) | (a << 24);
}

/** The mask from its n-th byte on. */
function turned(mask: number, n: number): number {
  const bits = (n & 3) << 3;
  if (bits === 0) return mask;
  return LITTLE_ENDIAN ? (mask >>> bits) | (mask << (32 - bits)) : (mask << bits) | (mask >>> (32 - bits));
}

function byteOf(mask: number, n: number): number {
  const place = n & 3;
  return (mask >>> ((LITTLE_ENDIAN ? place : 3 - place) << 3)) & 0xff;
}

/** Masks or unmasks the bytes in place. Returns the mask for what follows them. */
function applyMask(bytes: Uint8Array, mask: number): number {
  const { length } = bytes;
  let at = 0;
  if (length >= WORDS) {
    for (; (bytes.byteOffset + at) & 3; at++) bytes[at] = (bytes[at] as number) ^ byteOf(mask, at);
    const key = turned(mask, at);
    const words = new Int32Array(bytes.buffer, bytes.byteOffset + at, (length - at) >> 2);
    for (let n = 0; n < words.length; n++) words[n] = (words[n] as number) ^ key;
    at += words.length << 2;
  }
  for (; at < length; at++) bytes[at] = (bytes[at] as number) ^ byteOf(mask, at);
  return turned(mask, length);
}

// -------------------------------------------------------------------- making frames

/** Bytes of payload up to which a frame is made in one piece. */
const SMALL = 1024;

/** Masks that nobody can foresee (section 10.3), drawn many at a time. */
class Masks {
  readonly #pool = new Uint8Array(4096);
  #at = this.#pool.length;

  next(): Uint8Array {
    if (this.#at === this.#pool.length) {
      randomFillSync(this.#pool);
      this.#at = 0;
    }
    this.#at += 4;
    return this.#pool.subarray(this.#at - 4, this.#at);
  }
}

/** Where the pieces of frames go, in order. */
export interface FrameSink {
  /** Room for a small piece. */
  reserve(size: number): Uint8Array;
  push(bytes: Uint8Array): void;
}

/** Makes frames, each a whole message, masked where they are a client's. */
export class FrameMaker {
  readonly #masks: Masks | undefined;

  constructor(masked: boolean) {
    this.#masks = masked ? new Masks() : undefined;
  }

  write(sink: FrameSink, opcode: number, payload: Uint8Array, owned: boolean): void {
    const { length } = payload;
    const mask = this.#masks?.next();
    const size = 2 + (length < 126 ? 0 : length < 0x10000 ? 2 : 8) + (mask ? 4 : 0);
    const small = length <= SMALL;
    const place = sink.reserve(small ? size + length : size);
    writeHead(place, opcode, length, mask !== undefined);
    if (mask) place.set(mask, size - 4);
    if (small) place.set(payload, size);
    // What is owned may be held by others too: nobody changes it.
    const body = small ? place.subarray(size) : owned && !mask ? payload : new Uint8Array(payload);
    if (mask) applyMask(body, wordAt(mask, 0));
    if (!small) sink.push(body);
  }
}

function writeHead(place: Uint8Array, opcode: number, length: number, masked: boolean): void {
  const bit = masked ? MASKED : 0;
  place[0] = FIN | opcode;
  if (length < 126) {
    place[1] = bit | length;
    return;
  }
  const view = new DataView(place.buffer, place.byteOffset, place.length);
  place[1] = bit | (length < 0x10000 ? 126 : 127);
  if (length < 0x10000) view.setUint16(2, length);
  else {
    view.setUint32(2, Math.floor(length / 2 ** 32));
    view.setUint32(6, length >>> 0);
  }
}
