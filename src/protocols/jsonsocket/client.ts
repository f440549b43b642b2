import { type Channel, type MessageAttributes, TEXT } from '../../core/channel.ts';
import type { SocketChannel } from '../../core/engine.ts';
import { L7mpError } from '../../core/errors.ts';
import { LayerChannel } from '../../core/layer.ts';
import {
  type Answer,
  BadHeader,
  HeaderReader,
  isYes,
  MAX_HEADER,
  parseAnswer,
  refusalIn,
  sameBytes,
} from './header.ts';

/** Milliseconds until a header that was not answered is sent again, where datagrams are lost; doubled each time. */
export const FIRST_REPEAT = 250;

/** As servers of ours begin their headers. Others may, by another order of keys or blanks, pass as data in the kernel. */
const HEADER_BEGINS = Buffer.from('{"JSONSocket');

/** The client's side of one JSONSocket connection: sends the header, and is connected when the answer says so. */
export class ClientChannel extends LayerChannel {
  #reader: HeaderReader | undefined;
  #request: Uint8Array | undefined;
  readonly #timeout: number;
  #timer: NodeJS.Timeout | undefined;
  /** How often the header was sent again: as many answers may still come after the first. */
  #repeats = 0;
  #answer: Uint8Array | undefined;

  /** `request`: the header as it goes over the wire. `timeout`: milliseconds that the answer has, kept by others. */
  constructor(lower: Channel, request: Uint8Array, timeout: number) {
    super(lower);
    this.#timeout = timeout;
    this.#reader = new HeaderReader(lower.kind);
    this.#request = request;
  }

  /** What may say that the server has forgotten the connection. */
  override get kept(): Uint8Array | undefined {
    return this.lossy ? HEADER_BEGINS : undefined;
  }

  /** Further answers to a header that was repeated may still come. */
  override get socket(): SocketChannel | undefined {
    return this.#reader || this.#answer ? undefined : this.lower.socket;
  }

  protected override start(): void {
    const request = this.#request as Uint8Array;
    const most = Math.min(MAX_HEADER, this.lower.maxMessage);
    if (request.length > most) {
      throw new L7mpError('E_HANDSHAKE', `the header has ${request.length} bytes, and the transport takes ${most}`);
    }
    this.#send(request, FIRST_REPEAT, this.#timeout);
  }

  protected override shake(bytes: Uint8Array, attributes: MessageAttributes): void {
    try {
      const found = this.#reader?.push(bytes);
      if (!found) return;
      const answer = parseAnswer(found.header);
      if (!isYes(answer)) {
        this.#refused(textOf(answer), { status: answer.status });
        return;
      }
      this.#connected(found.header);
      if (found.rest.length > 0) this.deliver(found.rest, attributes, false);
      this.complete();
    } catch (error) {
      if (!(error instanceof BadHeader)) throw error;
      this.#refused(`what is no answer: ${error.message}`);
    }
  }

  // Without connections below, nothing else tells that the server is not the one that took the header any more: to it the
  // data was a header, and a bad one.
  protected override received(bytes: Uint8Array, attributes: MessageAttributes, owned: boolean): void {
    const refusal = this.lossy ? refusalIn(bytes) : undefined;
    if (refusal) throw new Error(`the JSONSocket server has forgotten the connection: ${textOf(refusal)}`);
    if (this.#answer && sameBytes(bytes, this.#answer)) {
      if (--this.#repeats > 0) return;
      this.#answer = undefined;
      this.owner?.socketChanged?.(this);
    } else this.deliver(bytes, attributes, owned);
  }

  protected override released(): void {
    clearTimeout(this.#timer);
  }

  // A repetition whose answer would have no more time than the last one had helps nobody: it is not sent.
  #send(request: Uint8Array, wait: number, left: number): void {
    this.lower.write(request, TEXT);
    const rest = left - wait;
    if (!this.lossy || rest <= wait) return;
    this.#timer = setTimeout(() => {
      this.#repeats++;
      this.#send(request, 2 * wait, rest);
    }, wait);
  }

  #refused(how: string, cause?: { readonly status: number }): void {
    this.fail(new L7mpError('E_HANDSHAKE', `the JSONSocket server answered ${how}`, { cause }));
  }

  #connected(answer: Uint8Array): void {
    clearTimeout(this.#timer);
    this.#reader = undefined;
    this.#request = undefined;
    if (this.#repeats > 0) this.#answer = answer;
  }
}

function textOf({ status, message }: Answer): string {
  return `${status}${message && `: ${message}`}`;
}
