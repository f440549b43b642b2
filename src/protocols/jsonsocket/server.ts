import { type Channel, type MessageAttributes, TEXT } from '../../core/channel.ts';
import type { SocketChannel } from '../../core/engine.ts';
import { L7mpError } from '../../core/errors.ts';
import { LayerChannel } from '../../core/layer.ts';
import type { Metadata } from '../../core/metadata.ts';
import { fromServicePort } from '../../core/source.ts';
import {
  type Answer,
  BadHeader,
  DEFAULT_MAX_HEADER,
  encodeAnswer,
  HeaderReader,
  isAnswer,
  parseHeader,
  parseRequest,
  sameBytes,
} from './header.ts';

/** The server's side of one JSONSocket connection: reads the client's header, and answers when the session stands. */
export class ServerChannel extends LayerChannel {
  #reader: HeaderReader | undefined;
  /** The client's header as it came: parsed when somebody asks, and compared with what may be its repetition. */
  #request: Uint8Array = new Uint8Array(0);
  /** What the header was answered with, once it was. */
  #answer: Uint8Array | undefined;
  #dataSeen = false;

  /** `maxHeader`: bytes of the client's header at most. */
  constructor(lower: Channel, maxHeader = DEFAULT_MAX_HEADER) {
    super(lower);
    this.#reader = new HeaderReader(lower.kind, maxHeader);
  }

  /** Where an answer may be lost, a client that sends data has had it, and so sends no more headers. */
  override get socket(): SocketChannel | undefined {
    const done = this.lossy ? this.#dataSeen : this.#answer !== undefined;
    return done ? this.lower.socket : undefined;
  }

  protected override about(): Metadata {
    return { JSONSocket: parseHeader(this.#request) };
  }

  /** The client speaks first. */
  protected override start(): void {}

  protected override shake(bytes: Uint8Array, attributes: MessageAttributes): void {
    try {
      const found = this.#reader?.push(bytes);
      if (!found) return;
      const header = parseRequest(found.header);
      if (this.lossy && isAnswer(header)) {
        this.fail(new L7mpError('E_HANDSHAKE', 'an answer where a header was expected'), 'refused');
        return;
      }
      this.#reader = undefined;
      this.#request = found.header;
      if (found.rest.length > 0) this.deliver(found.rest, attributes, false);
      this.complete();
    } catch (error) {
      if (!(error instanceof BadHeader)) throw error;
      this.#reject(error);
    }
  }

  protected override shakeEnded(): void {
    if (this.#reader?.begun) this.#reject(new BadHeader(400, 'the header does not end in a line feed'));
    else super.shakeEnded();
  }

  // A datagram may be lost, and so may an answer: a client that has had none repeats its header until it has, and sends
  // no data before. What looks like the header after that is a copy that came late.
  protected override received(bytes: Uint8Array, attributes: MessageAttributes, owned: boolean): void {
    if (!this.lossy || !sameBytes(bytes, this.#request)) {
      const first = !this.#dataSeen;
      this.#dataSeen = true;
      this.deliver(bytes, attributes, owned);
      if (first) this.owner?.socketChanged?.(this);
    } else if (this.#dataSeen) this.drop('invalid');
    else if (this.#answer) this.lower.write(this.#answer, TEXT);
  }

  override accept(): void {
    if (!this.#answer) this.#say({ status: 200, message: 'OK' });
  }

  override refuse(error: L7mpError): void {
    if (!this.#answer) this.#say({ status: error.status, message: error.message });
    super.refuse(error);
  }

  #reject(error: BadHeader): void {
    // What is no header from the port of a service is an answer, and would be answered in turn.
    if (!this.lossy || !fromServicePort(this.lower)) this.#say(error);
    this.fail(new L7mpError('E_HANDSHAKE', error.message), 'refused');
  }

  #say(answer: Answer): void {
    this.#answer = encodeAnswer(answer, this.kind);
    this.lower.write(this.#answer, TEXT);
  }
}
