/** A connection of DTLS as a channel: each message is a record, each record a datagram. */
import { BINARY, type Channel, type CloseReason } from '../../core/channel.ts';
import { L7mpError, WRONG_PEER } from '../../core/errors.ts';
import { LayerChannel } from '../../core/layer.ts';
import type { DtlsConnection } from '../../openssl/dtls-connection.ts';
import { isRecord } from './record.ts';
import type { Retransmissions, Waiting } from './retransmissions.ts';

/** RFC 5246 section 7.2.1: the peer will send no more, and takes no more. */
const CLOSE_NOTIFY: CloseReason = { kind: 'end', message: 'the peer has closed the connection' };

export abstract class DtlsChannel extends LayerChannel implements Waiting {
  due = Number.POSITIVE_INFINITY;
  readonly #retransmissions: Retransmissions;
  /** Freed with the channel. */
  #connection: DtlsConnection | undefined;
  #established = false;
  readonly #take = (bytes: Uint8Array): void => this.deliver(bytes, BINARY, false);

  constructor(lower: Channel, retransmissions: Retransmissions) {
    super(lower);
    this.#retransmissions = retransmissions;
  }

  /** Begins with what is the channel's to free from now on. */
  protected attach(connection: DtlsConnection): void {
    this.#connection = connection;
  }

  /** What has been agreed on, before the session begins. */
  protected established(_connection: DtlsConnection): void {}

  // ------------------------------------------------------------------ handshake

  protected override shake(bytes: Uint8Array): void {
    if (!isRecord(bytes)) this.drop('invalid');
    else this.proceed(bytes);
  }

  /** Goes on with the handshake, with a datagram if one has come. */
  protected proceed(bytes?: Uint8Array): void {
    const connection = this.#connection;
    if (!connection?.live) return;
    let over: boolean;
    try {
      over = connection.shake(bytes);
    } catch (error) {
      this.#broken(connection, error);
      return;
    }
    this.#transmit(connection);
    if (over) this.#shaken(connection);
    else this.#wait(connection);
  }

  #shaken(connection: DtlsConnection): void {
    this.largest = connection.maxMessage();
    this.#established = true;
    this.established(connection);
    // What has come behind the handshake is delivered before it completes.
    const goesOn = this.#readFrom(connection);
    this.complete();
    if (!goesOn) this.#closedByPeer();
  }

  // ------------------------------------------------------------------ data

  protected override received(bytes: Uint8Array): void {
    const connection = this.#connection;
    if (!connection?.live) return;
    if (!isRecord(bytes) || !connection.isWhole(bytes)) this.drop('invalid');
    else if (!this.#readFrom(connection, bytes)) this.#closedByPeer();
  }

  /** Reads a datagram, or what is left of the last one. Returns whether the peer goes on. */
  #readFrom(connection: DtlsConnection, datagram?: Uint8Array): boolean {
    let goesOn: boolean;
    try {
      goesOn = datagram ? connection.read(datagram, this.#take) : connection.readRest(this.#take);
    } catch (error) {
      this.#broken(connection, error);
      return true;
    }
    if (connection.live && connection.outgoing) {
      this.#transmit(connection);
      this.#wait(connection);
    }
    return goesOn || !connection.live;
  }

  protected override send(bytes: Uint8Array): boolean {
    // OpenSSL writes no empty record.
    const record = bytes.length === 0 ? undefined : this.#connection?.write(bytes);
    if (record) return this.lower.write(record, BINARY, false);
    this.drop(bytes.length === 0 ? 'invalid' : 'send-error');
    return true;
  }

  // ------------------------------------------------------------------ ends

  #closedByPeer(): void {
    const connection = this.#connection;
    if (!connection?.live || !this.open) return;
    this.#sayGoodbye(connection);
    this.abort(CLOSE_NOTIFY);
  }

  // Datagrams have no whole that could be taken for complete: who is left is told in any case, and may begin anew at once.
  protected override shut(reason: CloseReason): void {
    if (reason.kind === 'reset' && this.#established && this.#connection?.live) this.#sayGoodbye(this.#connection);
    super.shut(reason);
  }

  protected override flush(): void {
    if (this.#established && this.#connection?.live) this.#sayGoodbye(this.#connection);
    this.flushed();
  }

  #sayGoodbye(connection: DtlsConnection): void {
    connection.shutdown();
    this.#transmit(connection);
  }

  /** The peer has broken the protocol, or says that we have. */
  #broken(connection: DtlsConnection, error: unknown): void {
    const { message } = error as Error;
    // What is left to say is an alert.
    if (connection.live) this.#transmit(connection);
    if (this.#established) this.abort({ kind: 'error', message: `DTLS: ${message}` });
    else this.fail(new L7mpError('E_HANDSHAKE', `DTLS: ${message}`, { cause: { code: WRONG_PEER } }));
  }

  protected override released(): void {
    this.#retransmissions.delete(this);
    this.#connection?.free();
  }

  // ------------------------------------------------------------------ what is sent by itself

  retransmit(): void {
    const connection = this.#connection;
    if (!connection?.live) return;
    try {
      connection.retransmit();
    } catch (error) {
      this.#broken(connection, error);
      return;
    }
    this.#transmit(connection);
    this.#wait(connection);
  }

  #transmit(connection: DtlsConnection): void {
    for (const datagram of connection.take()) this.lower.write(datagram, BINARY, true);
  }

  /** As long as an answer is due. */
  #wait(connection: DtlsConnection): void {
    if (!connection.live) return;
    const timeout = connection.timeout();
    if (timeout === undefined) {
      this.#retransmissions.delete(this);
      return;
    }
    this.due = performance.now() + timeout;
    this.#retransmissions.add(this);
  }
}
