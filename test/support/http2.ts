/** Clients of HTTP/2: node's, and one that says what it likes, frame by frame (RFC 9113). */
import * as http2 from 'node:http2';
import * as net from 'node:net';
import type { TestContext } from 'node:test';
import { until } from '../../src/testing/until.ts';

/** A client's connection that ends with the test. */
export function connectTo(
  t: TestContext,
  port: number,
  options?: http2.ClientSessionOptions,
): http2.ClientHttp2Session {
  const session = http2.connect(`http://127.0.0.1:${port}`, options);
  session.on('error', () => {});
  t.after(() => session.destroy());
  return session;
}

export interface Http2Answer {
  readonly status: number | undefined;
  readonly headers: http2.IncomingHttpHeaders;
  readonly trailers: http2.IncomingHttpHeaders | undefined;
  readonly text: string;
  /** With which the stream has ended. */
  readonly code: number;
  /** The head has ended it. */
  readonly whole: boolean;
}

/** A request, and its answer when the stream is over; `body` undefined: what is to come is written by the caller. */
export function ask(session: http2.ClientHttp2Session, headers: http2.OutgoingHttpHeaders = {}, body?: string) {
  const stream = session.request({ ':path': '/', ...headers }, { endStream: body === '' });
  if (body) stream.end(body);
  const answer = new Promise<Http2Answer>((resolve) => {
    let head: http2.IncomingHttpHeaders = {};
    let trailers: http2.IncomingHttpHeaders | undefined;
    let whole = false;
    const parts: Buffer[] = [];
    stream.on('error', () => {});
    stream.on('response', (given, flags) => {
      head = given;
      whole = (flags & http2.constants.NGHTTP2_FLAG_END_STREAM) !== 0;
    });
    stream.on('trailers', (given) => {
      trailers = given;
    });
    stream.on('data', (part: Buffer) => parts.push(part));
    stream.on('close', () => {
      const text = Buffer.concat(parts).toString();
      const status = head[':status'] as number | undefined;
      resolve({ status, headers: head, trailers, text, code: stream.rstCode ?? 0, whole });
    });
  });
  return { stream, answer };
}

// -------------------------------------------------------------------- frames

export const TYPES = {
  data: 0,
  headers: 1,
  priority: 2,
  reset: 3,
  settings: 4,
  ping: 6,
  goaway: 7,
  windowUpdate: 8,
  continuation: 9,
} as const;

export const END_STREAM = 1;
export const END_HEADERS = 4;
export const ACK = 1;

export interface Frame {
  readonly type: number;
  readonly flags: number;
  readonly id: number;
  readonly payload: Buffer;
}

export const PREFACE = 'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n';

export function frame(type: number, flags: number, id: number, payload: Buffer | string = ''): Buffer {
  const bytes = typeof payload === 'string' ? Buffer.from(payload, 'latin1') : payload;
  const head = Buffer.alloc(9);
  head.writeUIntBE(bytes.length, 0, 3);
  head[3] = type;
  head[4] = flags;
  head.writeUInt32BE(id, 5);
  return Buffer.concat([head, bytes]);
}

/** Fields as literals that are not indexed (RFC 7541 section 6.2.2). */
export function block(fields: readonly (readonly [string, string])[]): Buffer {
  return Buffer.concat(fields.map(([name, value]) => Buffer.concat([Buffer.of(0), literal(name), literal(value)])));
}

/** A request for `/`, with more fields. */
export function request(more: readonly (readonly [string, string])[] = []): Buffer {
  const pseudo = [
    [':method', 'GET'],
    [':scheme', 'http'],
    [':path', '/'],
    [':authority', 'h'],
  ] as const;
  return block([...pseudo, ...more]);
}

function literal(text: string): Buffer {
  const bytes = Buffer.from(text, 'latin1');
  const length: number[] = [];
  // An integer with a prefix of seven bits (section 5.1).
  let rest = bytes.length;
  if (rest < 127) length.push(rest);
  else {
    length.push(127);
    for (rest -= 127; rest >= 128; rest >>= 7) length.push((rest & 127) | 128);
    length.push(rest);
  }
  return Buffer.concat([Buffer.from(length), bytes]);
}

/** A peer that speaks frame by frame: a client after `hello`, or a server on the socket that it is given. */
export class FramePeer {
  readonly socket: net.Socket;
  readonly frames: Frame[] = [];
  #rest: Buffer = Buffer.alloc(0);
  /** Bytes of the client's preface that are still to come. */
  #preface = 0;

  constructor(t: TestContext, at: number | net.Socket) {
    if (typeof at !== 'number') this.#preface = PREFACE.length;
    this.socket = typeof at === 'number' ? net.connect({ host: '127.0.0.1', port: at }) : at;
    t.after(() => this.socket.destroy());
    this.socket.on('error', () => {});
    this.socket.on('data', (bytes: Buffer) => this.#received(bytes));
  }

  hello(): this {
    return this.send(Buffer.from(PREFACE), frame(TYPES.settings, 0, 0));
  }

  send(...parts: readonly Buffer[]): this {
    this.socket.write(Buffer.concat(parts));
    return this;
  }

  /** Waits for such a frame. */
  async frame(type: number, id?: number): Promise<Frame> {
    const wanted = () => this.frames.find((one) => one.type === type && (id === undefined || one.id === id));
    return until(wanted, `a frame of type ${type}`);
  }

  async untilClosed(): Promise<void> {
    await until(() => this.socket.closed || this.socket.readableEnded, 'the end of the connection');
  }

  #received(bytes: Buffer): void {
    const skipped = Math.min(this.#preface, bytes.length);
    this.#preface -= skipped;
    let rest = Buffer.concat([this.#rest, bytes.subarray(skipped)]);
    while (rest.length >= 9) {
      const end = 9 + rest.readUIntBE(0, 3);
      if (rest.length < end) break;
      const [type = 0, flags = 0] = rest.subarray(3, 5);
      this.frames.push({ type, flags, id: rest.readUInt32BE(5) & 0x7fffffff, payload: rest.subarray(9, end) });
      rest = rest.subarray(end);
    }
    this.#rest = rest;
  }
}

/** The error code of a RST_STREAM or GOAWAY frame. */
export function codeOf({ type, payload }: Frame): number {
  return payload.readUInt32BE(type === TYPES.goaway ? 4 : 0);
}
