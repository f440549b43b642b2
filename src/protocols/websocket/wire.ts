import type { Socket } from 'node:net';
import { BINARY } from '../../core/channel.ts';
import { MessageQueue } from '../../core/queue.ts';
import type { FrameMaker, FrameSink } from './frames.ts';

/**
 * What is written to a WebSocket, on its way to the socket: the frames of one turn of the loop leave with one call, and
 * while the socket takes nothing they lie together, in little more than their bytes.
 */
export class Outgoing implements FrameSink {
  readonly #socket: Socket;
  readonly #maker: FrameMaker;
  readonly #moved: () => void;
  readonly #queue = new MessageQueue();
  #scheduled = false;
  #writing = false;
  #ending = false;

  /** `moved`: the socket has taken something. */
  constructor(socket: Socket, maker: FrameMaker, moved: () => void) {
    this.#socket = socket;
    this.#maker = maker;
    this.#moved = moved;
  }

  /** Bytes that the system has not taken. */
  get waiting(): number {
    return this.#queue.bytes + this.#socket.writableLength;
  }

  write(opcode: number, payload: Uint8Array, owned: boolean): void {
    this.#maker.write(this, opcode, payload, owned);
    if (this.#scheduled) return;
    this.#scheduled = true;
    setImmediate(this.#turn);
  }

  /** Ends the connection behind what was written. */
  end(): void {
    this.#ending = true;
    this.flush();
  }

  /** Gives the socket what there is, unless it has not taken what it had before. */
  flush(): void {
    if (this.#writing) return;
    const queue = this.#queue;
    if (queue.length === 0) {
      if (this.#ending) this.#socket.end();
      return;
    }
    this.#writing = true;
    this.#socket.cork();
    while (queue.length > 1) this.#socket.write(queue.shift().bytes);
    this.#socket.write(queue.shift().bytes, this.#written);
    this.#socket.uncork();
  }

  reserve(size: number): Uint8Array {
    return this.#queue.reserve(size, BINARY);
  }

  push(bytes: Uint8Array): void {
    this.#queue.push(bytes, BINARY);
  }

  #turn = (): void => {
    this.#scheduled = false;
    this.flush();
  };

  #written = (error?: Error | null): void => {
    this.#writing = false;
    if (error) return;
    this.flush();
    this.#moved();
  };
}
