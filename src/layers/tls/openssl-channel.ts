/** A connection that OpenSSL encrypts without node between: with native I/O, where its calls are to be had. */
import { BINARY, type Channel, type CloseReason } from '../../core/channel.ts';
import type { Engine } from '../../core/engine.ts';
import { L7mpError, WRONG_PEER } from '../../core/errors.ts';
import { LayerChannel } from '../../core/layer.ts';
import type { Metadata } from '../../core/metadata.ts';
import { openssl } from '../../openssl/openssl.ts';
import type { TlsConnection } from '../../openssl/tls-connection.ts';
import { copyOf } from './about.ts';
import { NO_LIMIT, TRUNCATED } from './node-channel.ts';

/** Whether it can be used beside such an engine. */
export function hasOpenssl({ name }: Engine): boolean {
  if (name === 'node') return false;
  try {
    openssl();
    return true;
  } catch {
    return false;
  }
}

export abstract class OpensslTlsChannel extends LayerChannel {
  override readonly kind = 'stream';
  #connection: TlsConnection | undefined;
  #known: Metadata | undefined;
  #established = false;
  #peerEnded = false;
  #ended = false;
  protected readonly put = (bytes: Uint8Array, owned: boolean): boolean => this.lower.write(bytes, BINARY, owned);
  readonly #take = (bytes: Uint8Array): void => this.deliver(bytes, BINARY, false);

  constructor(lower: Channel) {
    super(lower);
    this.largest = NO_LIMIT;
  }

  /** The peer's end is a record of its own. */
  override get halfClose(): boolean {
    return true;
  }

  /** What errors begin with: whom it was that was dialled. */
  protected get where(): string {
    return '';
  }

  /** What the session knows of it, once the handshake is over. */
  protected abstract metadata(connection: TlsConnection): Metadata;

  /** The error of a handshake that has failed so. */
  protected failure({ message }: Error): L7mpError {
    return new L7mpError('E_HANDSHAKE', `${this.where}TLS: ${message}`, { cause: { code: WRONG_PEER } });
  }

  protected override about(): Metadata {
    // When somebody asks, which a session does of its client as it begins, and nobody of an endpoint.
    if (this.#established && this.#connection?.live) this.#known ??= this.metadata(this.#connection);
    return this.#known ? { TLS: copyOf(this.#known) } : {};
  }

  /** Begins with what is the channel's to free from now on. */
  protected attach(connection: TlsConnection): void {
    this.#connection = connection;
  }

  // ------------------------------------------------------------------ handshake

  protected override shake(bytes: Uint8Array): void {
    this.proceed(bytes);
  }

  protected proceed(bytes?: Uint8Array): void {
    const connection = this.#connection;
    if (!connection?.live) return;
    try {
      if (!connection.shake(bytes) || !connection.live) return;
    } catch (error) {
      this.fail(error instanceof L7mpError ? error : this.failure(error as Error));
      return;
    }
    this.#established = true;
    this.#read(connection);
    this.complete();
    if (this.#peerEnded) this.deliverEnd();
  }

  // ------------------------------------------------------------------ data

  protected override received(bytes: Uint8Array): void {
    const connection = this.#connection;
    // Nothing counts behind a close_notify (RFC 8446 section 6.1).
    if (!connection?.live || this.#peerEnded) return;
    this.#read(connection, bytes);
    if (this.#peerEnded) this.deliverEnd();
  }

  #read(connection: TlsConnection, bytes?: Uint8Array): void {
    try {
      this.#peerEnded = !connection.read(bytes, this.#take);
    } catch (error) {
      this.abort({ kind: 'error', message: `TLS: ${(error as Error).message}` });
    }
  }

  protected override send(bytes: Uint8Array): boolean {
    const connection = this.#connection;
    if (!connection?.live) return true;
    try {
      return connection.write(bytes);
    } catch (error) {
      this.abort({ kind: 'error', message: `TLS: ${(error as Error).message}` });
      return true;
    }
  }

  // ------------------------------------------------------------------ ends

  protected override sendEnd(): void {
    this.#sayEnd();
    this.lower.end();
  }

  protected override flush(): void {
    if (this.#established) this.#sayEnd();
    this.flushed();
  }

  #sayEnd(): void {
    if (this.#ended || !this.#connection?.live) return;
    this.#ended = true;
    this.#connection.end();
  }

  protected override ended(): void {
    if (!this.#peerEnded) this.abort(TRUNCATED);
  }

  protected override lost(reason: CloseReason): void {
    this.deliverClose(reason.kind === 'end' && !this.#peerEnded ? TRUNCATED : reason);
  }

  protected override released(): void {
    this.#connection?.free();
  }
}
