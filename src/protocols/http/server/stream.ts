import { Duplex } from 'node:stream';
import type { ByteStream } from '../../../core/channel-duplex.ts';
import { cut, reset } from '../../../io/node/stream.ts';
import { cutLater } from '../linger.ts';

/**
 * Bytes that node's parser is given at a time, where they may hold heads. It takes apart what it gets at once, each of the smallest requests into
 * kilobytes of objects: so that is what may be in memory of requests whose turn has not come.
 */
export const SLICE = 4096;

/** RFC 9112 section 2.1; the parser takes no other line ends. */
const HEAD_END = Buffer.from('\r\n\r\n');

type Done = (error?: Error | null) => void;

/** What lets the bytes of a connection through. */
export interface Gate {
  /**
   * Looks at what has come first, and again when there is more, until it returns true: then it is known what they are. `all`: no
   * more will come.
   */
  known(first: Buffer, all: boolean): boolean;
  /** How many may be handed over now; 0 while it is closed. Asked before each slice. */
  room(): number;
  /** So many were. */
  fed(bytes: number): void;
}

/**
 * A connection as node's HTTP server sees it: what comes is handed to its parser slice by slice, and only while the gate
 * is open; what the server writes goes to the socket as it is. Owns the socket, until that is detached.
 */
export class GatedStream extends Duplex {
  readonly socket: ByteStream;
  readonly #gate: Gate;
  #known = false;
  /** The server reads. What is pushed before that would wait in node's queue. */
  #started = false;
  #chunk: Buffer | undefined;
  #ended = false;
  #feeding = false;
  #endsHead = false;
  #detached = false;
  #leaving = false;

  constructor(socket: ByteStream, gate: Gate) {
    super({ allowHalfOpen: true });
    this.socket = socket;
    this.#gate = gate;
    socket.on('data', this.#received).on('end', this.#peerEnded).on('timeout', this.#timedOut);
    socket.on('error', this.#failed).on('close', this.#closed);
    this.on('resume', () => {
      this.#started = true;
      this.feed();
    });
  }

  /** Hands over what has come, as long as the gate is open. To be called when it opens. */
  feed(): void {
    // The parser calls handlers, which may open the gate.
    if (!this.#started || this.#feeding || this.#leaving) return;
    this.#feeding = true;
    try {
      while (this.#chunk && this.readableFlowing && !this.#detached) {
        const room = this.#gate.room();
        if (room === 0) break;
        this.#hand(this.#chunk, room);
      }
    } finally {
      this.#feeding = false;
    }
    if (this.#detached) return;
    if (this.#chunk) this.socket.pause();
    else if (this.#ended) this.push(null);
    else this.socket.resume();
  }

  /** Nothing came in one piece behind the head of the request that is told of at the moment, which has no body. */
  get endsHead(): boolean {
    return this.#endsHead;
  }

  /** Gives the socket away, with what was not handed over put back in front of what comes. `rest` is a part of it. */
  detach(rest: Buffer): ByteStream {
    const { socket } = this;
    this.#detached = true;
    socket.off('data', this.#received).off('end', this.#peerEnded).off('timeout', this.#timedOut);
    socket.off('error', this.#failed).off('close', this.#closed);
    socket.setTimeout(0);
    socket.pause();
    const left = this.#chunk ? Buffer.concat([rest, this.#chunk]) : rest;
    this.#chunk = undefined;
    if (left.length > 0 && !this.#ended) socket.unshift(left);
    return socket;
  }

  setTimeout(milliseconds: number, listener?: () => void): this {
    this.socket.setTimeout(milliseconds);
    if (listener) this.once('timeout', listener);
    return this;
  }

  /** Ends the connection when what was written has left. */
  destroySoon(): void {
    if (this.writable) this.end();
    if (this.writableFinished) this.#leave();
    else this.once('finish', () => this.#leave());
  }

  /** Breaks the connection off so that the peer sees it: what was written and has not left is lost. */
  resetAndDestroy(): void {
    reset(this.socket);
  }

  /** Closes the connection for good, as `cut` does. */
  cut(): void {
    cut(this.socket);
  }

  // What is pushed from within would wait in node's queue, and the parser would not have seen it when the gate is asked.
  override _read(): void {}

  override _write(bytes: Buffer, _encoding: BufferEncoding, done: Done): void {
    const told = once(done);
    this.socket.write(bytes, told);
    this.#tellEarly(told);
  }

  override _writev(parts: { chunk: Buffer }[], done: Done): void {
    const told = once(done);
    this.socket.cork();
    for (const [n, { chunk }] of parts.entries()) {
      if (n < parts.length - 1) this.socket.write(chunk);
      else this.socket.write(chunk, told);
    }
    this.socket.uncork();
    this.#tellEarly(told);
  }

  override _final(done: Done): void {
    this.socket.end(() => done());
  }

  override _destroy(error: Error | null, done: Done): void {
    this.#chunk = undefined;
    if (!this.#detached) cut(this.socket);
    done(error);
  }

  // Linux answers data that nobody has read with a reset, which destroys what the peer has not read yet: where something
  // has come behind the last request, it is thrown away, with what follows it, until the peer ends too.
  #leave(): void {
    if (!this.#chunk || this.destroyed) {
      this.destroy();
      return;
    }
    this.#leaving = true;
    this.#chunk = undefined;
    cutLater(this.socket);
    this.socket.once('end', () => this.destroy()).resume();
  }

  // Node tells a turn later of what the system has taken at once: until then its server would take it for waiting, and
  // hold its source for each piece.
  #tellEarly(told: Done): void {
    if (this.socket.writableLength === 0) told();
  }

  #hand(chunk: Buffer, room: number): void {
    const slice = chunk.subarray(0, room);
    this.#chunk = chunk.length > room ? chunk.subarray(room) : undefined;
    this.#endsHead = slice.length > HEAD_END.length && slice.subarray(-HEAD_END.length).equals(HEAD_END);
    this.push(slice);
    this.#gate.fed(slice.length);
  }

  #received = (bytes: Buffer): void => {
    if (this.#leaving) return;
    this.#chunk = this.#chunk ? Buffer.concat([this.#chunk, bytes]) : bytes;
    this.#look();
  };

  #peerEnded = (): void => {
    this.#ended = true;
    this.#look();
  };

  #look(): void {
    if (this.#known) this.feed();
    else this.#known = this.#gate.known(this.#chunk ?? Buffer.alloc(0), this.#ended);
  }

  #timedOut = (): void => {
    this.emit('timeout');
  };

  #failed = (error: Error): void => {
    this.destroy(error);
  };

  #closed = (): void => {
    this.destroy();
  };
}

function once(done: Done): Done {
  let called = false;
  return (error) => {
    if (called) return;
    called = true;
    done(error);
  };
}
