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
  /** The opcode of the message that has begun and not ended. */
  #opcode: number | undefined;
  #head = NOTHING;
  #frame: Frame | undefined;
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

  // ------------------------------------------------------------------ own

  #run(): void {
    // Handlers may hold and release.
    if (this.#running) return;
    this.#running = true;
    try {
      while (!this.#held && !this.#over && this.#step());
    } finally {
      this.#running = false;
    }
    if (!this.full) this.#chunk = NOTHING;
  }

  /** Takes a head, or a piece of payload. Returns whether there was enough. */
  #step(): boolean {
    if (!this.#frame) {
      const head = this.#takeHead();
      if (!head) return false;
      this.#frame = this.#begin(head);
      if (!this.#frame || this.#frame.left > 0) return this.full;
    }
    const frame = this.#frame;
    const piece = this.#chunk.subarray(this.#at, this.#at + frame.left);
    this.#at += piece.length;
    frame.left -= piece.length;
    if (!this.#skipping || frame.opcode & CONTROL) frame.unmask(piece);
    if (frame.left === 0) this.#frame = undefined;
    if (frame.opcode & CONTROL) this.#control(frame, piece);
    else this.#data(frame, piece);
    return this.full;
  }

  /** A whole head, of two to fourteen bytes, or undefined until there is one. */
  #takeHead(): Uint8Array | undefined {
    if (this.#head.length === 0) {
      const size = headSize(this.#chunk, this.#at);
      if (this.#at + size <= this.#chunk.length) {
        this.#at += size;
        return this.#chunk.subarray(this.#at - size, this.#at);
      }
    }
    const known = this.#head.length;
    const head = Buffer.concat([this.#head, this.#chunk.subarray(this.#at, this.#at + MAX_HEAD - known)]);
    const size = headSize(head, 0);
    const whole = size <= head.length;
    this.#at += Math.min(size, head.length) - known;
    this.#head = whole ? NOTHING : head;
    return whole ? head.subarray(0, size) : undefined;
  }

  #begin(head: Uint8Array): Frame | undefined {
    const frame = new Frame(head);
    const wrong = this.#wrong(head, frame);
    if (wrong !== undefined) this.#break(PROTOCOL_ERROR, wrong);
    else if (!(frame.opcode & CONTROL) && this.#message.length + frame.left > this.#maxMessage && !this.#skipping) {
      this.#break(MESSAGE_TOO_BIG, `a message is larger than ${this.#maxMessage} bytes`);
    } else {
      if (frame.opcode === Opcode.Text || frame.opcode === Opcode.Binary) this.#opcode = frame.opcode;
      return frame;
    }
    return undefined;
  }

  #wrong([first = 0, second = 0]: Uint8Array, { opcode, fin, left }: Frame): string | undefined {
    if (first & RESERVED) return 'a frame has reserved bits';
    if (((second & MASKED) !== 0) !== this.#masked) return `a frame is ${this.#masked ? 'not ' : ''}masked`;
    if (opcode & CONTROL) {
      if (opcode > Opcode.Pong) return 'a frame has an unknown opcode';
      return !fin || left > MAX_CONTROL ? 'a control frame is fragmented or too large' : undefined;
    }
    if (opcode > Opcode.Binary) return 'a frame has an unknown opcode';
    if ((opcode === Opcode.Continuation) !== (this.#opcode !== undefined)) return 'a fragment is out of place';
    return undefined;
  }

  #data(frame: Frame, piece: Uint8Array): void {
    const whole = frame.left === 0 && frame.fin;
    if (this.#skipping) {
      if (whole) this.#opcode = undefined;
    } else if (whole && this.#message.length === 0) this.#deliver(piece);
    else if (!this.#message.push(piece)) this.#crowded();
    else if (whole) this.#deliver(this.#message.take());
  }

  #deliver(bytes: Uint8Array): void {
    const text = this.#opcode === Opcode.Text;
    this.#opcode = undefined;
    if (text && !isUtf8(bytes)) this.#break(INVALID_PAYLOAD, 'a text is not UTF-8');
    else this.#handler.message(bytes, text);
  }

  #control(frame: Frame, piece: Uint8Array): void {
    const payload = frame.control(piece);
    if (frame.left > 0) return;
    if (frame.opcode === Opcode.Ping) this.#handler.ping(payload);
    else if (frame.opcode === Opcode.Pong) this.#handler.pong();
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

/** A frame that has begun. */
class Frame {
  readonly opcode: number;
  readonly fin: boolean;
  /** Bytes of payload that have not come. */
  left: number;
  readonly #mask: Uint8Array | undefined;
  #turn = 0;
  #control = NOTHING;

  constructor(head: Uint8Array) {
    const [first = 0, second = 0] = head;
    this.opcode = first & 0x0f;
    this.fin = (first & FIN) !== 0;
    const { left, at } = lengthOf(head, second & 0x7f);
    this.left = left;
    // A copy: the head lies in what is overwritten or kept by others.
    if (second & MASKED) this.#mask = Uint8Array.from(head.subarray(at, at + 4));
  }

  unmask(piece: Uint8Array): void {
    if (!this.#mask) return;
    applyMask(piece, this.#mask, this.#turn);
    this.#turn = (this.#turn + piece.length) & 3;
  }

  /** The payload of a control frame, of 125 bytes at most, with this piece. */
  control(piece: Uint8Array): Uint8Array {
    this.#control = this.#control.length === 0 ? Uint8Array.from(piece) : Buffer.concat([this.#control, piece]);
    return this.#control;
  }
}

/** Of a head whose first bytes are there; 2 where the second is not. */
function headSize(bytes: Uint8Array, at: number): number {
  const second = bytes[at + 1];
  if (second === undefined) return 2;
  const length = second & 0x7f;
  return 2 + (length === 126 ? 2 : length === 127 ? 8 : 0) + (second & MASKED ? 4 : 0);
}

/** The length of the payload, and where the mask begins. Beyond 2^53 it is not exact, which is too large in any case. */
function lengthOf(head: Uint8Array, short: number): { left: number; at: number } {
  if (short < 126) return { left: short, at: 2 };
  const view = new DataView(head.buffer, head.byteOffset, head.length);
  if (short === 126) return { left: view.getUint16(2), at: 4 };
  return { left: view.getUint32(2) * 2 ** 32 + view.getUint32(6), at: 10 };
}

/** Bytes from which on it pays to go by four. */
const WORDS = 64;

function applyMask(bytes: Uint8Array, mask: Uint8Array, turn: number): void {
  let at = 0;
  if (bytes.length >= WORDS) {
    while ((bytes.byteOffset + at) & 3) {
      bytes[at] = (bytes[at] as number) ^ (mask[(turn + at) & 3] as number);
      at++;
    }
    const turned = Uint8Array.from({ length: 4 }, (_, n) => mask[(turn + at + n) & 3] as number);
    const [key = 0] = new Uint32Array(turned.buffer);
    const words = new Uint32Array(bytes.buffer, bytes.byteOffset + at, (bytes.length - at) >> 2);
    for (let n = 0; n < words.length; n++) words[n] = (words[n] as number) ^ key;
    at += words.length << 2;
  }
  for (; at < bytes.length; at++) bytes[at] = (bytes[at] as number) ^ (mask[(turn + at) & 3] as number);
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
    if (mask) applyMask(body, mask, 0);
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
