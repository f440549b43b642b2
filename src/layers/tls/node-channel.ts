/** A connection that node's TLS encrypts: for whatever is below, and wherever node runs. */
import type { TLSSocket } from 'node:tls';
import type { Channel, CloseReason, MessageAttributes } from '../../core/channel.ts';
import { L7mpError, WRONG_PEER } from '../../core/errors.ts';
import { LayerChannel } from '../../core/layer.ts';
import type { Metadata } from '../../core/metadata.ts';
import { copyOf } from './about.ts';
import { Wire } from './wire.ts';

/** Any number of bytes may be written: they are cut into records. */
export const NO_LIMIT = 0x7fffffff;

/** A connection that was cut, by whomever: RFC 8446 section 6.1 wants a close_notify before an end. */
export const TRUNCATED: CloseReason = { kind: 'reset', message: 'the connection was cut off without close_notify' };

/** What both sides have in common: the records, and how they end. */
export abstract class NodeTlsChannel extends LayerChannel {
  override readonly kind = 'stream';
  protected readonly wire: Wire;
  #socket: TLSSocket | undefined;
  #secure = false;
  #known: Metadata | undefined;

  constructor(lower: Channel) {
    super(lower);
    this.largest = NO_LIMIT;
    this.wire = new Wire(lower);
    // Said by node's own socket, too.
    this.wire.on('error', () => {});
  }

  /** The peer's end is a record of its own. */
  override get halfClose(): boolean {
    return true;
  }

  protected override get retains(): boolean {
    return true;
  }

  /** The socket once there is one. */
  protected get tls(): TLSSocket | undefined {
    return this.#socket;
  }

  /** What errors begin with: whom it was that was dialled. */
  protected get where(): string {
    return '';
  }

  /** What the session knows of it. */
  protected abstract metadata(socket: TLSSocket): Metadata;

  protected override about(): Metadata {
    return this.#known ? { TLS: copyOf(this.#known) } : {};
  }

  /** The handshake is over, and was right. */
  protected secured(): void {
    this.#secure = true;
    // Now, since a socket that is closed knows nothing more, and sessions are shown after their end.
    if (this.#socket) this.#known = this.metadata(this.#socket);
    this.complete();
  }

  /** Records go through it from now on. */
  protected attach(socket: TLSSocket): void {
    this.#socket = socket;
    socket.on('data', (bytes: Buffer) => this.deliver(bytes));
    socket.on('drain', () => this.drained());
    socket.on('end', () => this.deliverEnd());
    socket.on('error', (error) => this.#failed(error));
    // Of a socket that has no server of node's, an error behind the handshake is told of by this alone.
    socket.on('_tlsError', (error: Error) => process.nextTick(() => this.#failed(error)));
  }

  // ------------------------------------------------------------------ the channel

  protected override send(bytes: Uint8Array): boolean {
    const { tls } = this;
    if (!tls?.writable) return true;
    return tls.write(bytes);
  }

  protected override sendEnd(): void {
    this.tls?.end();
  }

  // What node had to say of a broken handshake, an alert, it has written by now.
  protected override flush(): void {
    const { tls } = this;
    if (!tls || !this.#secure || tls.destroyed || tls.writableFinished) this.flushed();
    else tls.end(() => this.flushed());
  }

  protected override released(): void {
    this.#socket?.destroy();
    this.wire.destroy();
  }

  // ------------------------------------------------------------------ the channel below

  protected override shake(bytes: Uint8Array, _attributes: MessageAttributes, owned: boolean): void {
    this.wire.feed(bytes, owned);
  }

  protected override received(bytes: Uint8Array, _attributes: MessageAttributes, owned: boolean): void {
    this.wire.feed(bytes, owned);
  }

  // What the peer has said before, an alert perhaps, is told of in the next tick.
  protected override shakeEnded(): void {
    setImmediate(() => super.shakeEnded());
  }

  // Node is never told of this end: it would take it for the peer's word.
  protected override ended(): void {
    if (!this.#peerEnded) this.abort(TRUNCATED);
  }

  protected override lost(reason: CloseReason): void {
    const cut = reason.kind === 'end' && !this.#peerEnded;
    if (!cut && reason.kind === 'end') this.deliverEnd();
    this.deliverClose(cut ? TRUNCATED : reason);
  }

  protected override lowerDrained(): void {
    this.wire.drained();
  }

  // ------------------------------------------------------------------ own

  /** close_notify has come. What is received is decrypted at once, and the end is known before it is told. */
  get #peerEnded(): boolean {
    return (
      (this.#socket as unknown as { _readableState: { ended: boolean } } | undefined)?._readableState.ended === true
    );
  }

  #failed(error: NodeJS.ErrnoException): void {
    this.fail(new L7mpError('E_HANDSHAKE', `${this.where}TLS: ${describe(error)}`, { cause: { code: WRONG_PEER } }));
    if (this.open) this.abort({ kind: 'error', message: describe(error) });
  }
}

/** OpenSSL's own word, where there is one: its texts begin with places in its sources; node's go on with advice. */
function describe({ reason, message }: Error & { readonly reason?: string }): string {
  const [what = ''] = (reason ?? message).split(/[;\n]/, 1);
  return what;
}
