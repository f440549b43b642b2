/**
 * One connection of TLS that reads and writes memory. What has come is handed in (`shake`, `read`); what is to leave is given to
 * `send` before a call returns, and before what was read is handed on.
 *
 * All connections of a thread share two BIOs and the room for what is read: nothing is left in them between calls. OpenSSL keeps
 * a part of a record by itself.
 */
import type { SslContext } from './context.ts';
import { takeErrors } from './errors.ts';
import { openssl } from './openssl.ts';
import {
  type Agreed,
  type Memory,
  type Resumption,
  type ServerName,
  SSL_ERROR_WANT_READ,
  SSL_ERROR_ZERO_RETURN,
  Ssl,
} from './ssl.ts';

/** Bytes that are taken in at a time. */
const SLICE = 65_536;
/** More than comes of a slice: a record that had come in part is in it, too. */
const ROOM = SLICE + 32_768;
/** What such a piece is encrypted, and more. */
const SENT = 131_072;

interface Shared extends Memory {
  readonly record: Uint8Array;
  /** Of which what is being handed on is a part, if `busy`. */
  readonly plain: Uint8Array;
  busy: boolean;
}

let shared: Shared | undefined;

function sharedOf(): Shared {
  if (shared) return shared;
  const library = openssl();
  const { c } = library;
  shared = {
    library,
    arriving: c.BIO_new(c.BIO_s_mem()),
    leaving: c.BIO_new(c.BIO_s_mem()),
    record: new Uint8Array(SENT),
    plain: new Uint8Array(ROOM),
    busy: false,
  };
  return shared;
}

type Send = (bytes: Uint8Array, owned: boolean) => boolean;

export class TlsConnection {
  readonly #shared = sharedOf();
  readonly #context: SslContext;
  /** Sends what is lent to it, but for what is `owned`, and returns whether more fits. */
  readonly #send: Send;
  readonly #ssl: Ssl;

  /** Throws where there is no memory for it. */
  constructor(context: SslContext, send: Send, name: ServerName = {}, resumption?: Resumption) {
    this.#context = context;
    this.#send = send;
    this.#ssl = new Ssl(context, this.#shared, name, resumption);
  }

  /** It was not freed yet. */
  get live(): boolean {
    return this.#ssl.pointer !== 0;
  }

  /** Frees its memory; nothing may be called afterwards but this, and `live`. */
  free(): void {
    this.#ssl.free();
  }

  /**
   * Goes on with the handshake. Returns whether it is over: then `read` is to be called, without bytes, for what has come
   * behind it. Throws where it has failed; what is to be said of that has left.
   */
  shake(bytes?: Uint8Array): boolean {
    const { library, arriving } = this.#shared;
    const { c } = library;
    c.ERR_clear_error();
    if (bytes) c.BIO_write(arriving, bytes, bytes.length);
    const result = this.#ssl.handshake();
    const error = result === 1 ? 0 : c.SSL_get_error(this.#ssl.pointer, result);
    const failure = error === 0 || error === SSL_ERROR_WANT_READ ? undefined : this.#failure();
    // Before anybody else may use what is shared.
    const rest = result === 1 ? this.#decrypt() : undefined;
    if (rest) this.#rest = { ...rest, bytes: rest.bytes.slice() };
    this.#drain();
    if (failure) throw failure;
    return result === 1;
  }

  /** What has come behind the handshake. */
  #rest: Decrypted | undefined;

  /** Takes what has come. Returns whether the peer goes on, and has not said its end. Throws where the peer has failed. */
  read(bytes: Uint8Array | undefined, take: (bytes: Uint8Array) => void): boolean {
    const { library, arriving } = this.#shared;
    const rest = this.#rest;
    this.#rest = undefined;
    if (rest && !this.#hand(rest, take)) return false;
    const length = bytes?.length ?? 0;
    for (let at = 0; at < length && this.live; at += SLICE) {
      const slice = length <= SLICE ? (bytes as Uint8Array) : (bytes as Uint8Array).subarray(at, at + SLICE);
      library.c.BIO_write(arriving, slice, slice.length);
      const decrypted = this.#decrypt();
      this.#drain();
      if (!this.#hand(decrypted, take)) return false;
    }
    return true;
  }

  /** Returns whether more fits below. Throws where the connection is of no use any more. */
  write(bytes: Uint8Array): boolean {
    const { library } = this.#shared;
    library.c.ERR_clear_error();
    if (bytes.length > 0 && library.c.SSL_write(this.#ssl.pointer, bytes, bytes.length) <= 0) throw this.#failure();
    return this.#drain();
  }

  /** Says that nothing follows. */
  end(): void {
    const { library } = this.#shared;
    library.c.SSL_shutdown(this.#ssl.pointer);
    library.c.ERR_clear_error();
    this.#drain();
  }

  /** `certified`: with the peer's certificate. */
  agreed(certified = true): Agreed {
    return this.#ssl.agreed(certified);
  }

  // ------------------------------------------------------------------ own

  /** All that has come, put together. */
  #decrypt(): Decrypted {
    const { library } = this.#shared;
    const { c } = library;
    c.ERR_clear_error();
    const room = this.#shared.busy ? new Uint8Array(ROOM) : this.#shared.plain;
    let size = 0;
    for (;;) {
      const part = size === 0 ? room : room.subarray(size);
      const read = this.#ssl.read(part);
      if (read > 0) {
        size += read;
        continue;
      }
      const error = c.SSL_get_error(this.#ssl.pointer, read);
      const bytes = room.subarray(0, size);
      if (error === SSL_ERROR_WANT_READ) return { bytes, goesOn: true };
      this.#empty();
      if (error === SSL_ERROR_ZERO_RETURN) return { bytes, goesOn: false };
      return { bytes, goesOn: false, failure: this.#failure() };
    }
  }

  #hand({ bytes, goesOn, failure }: Decrypted, take: (bytes: Uint8Array) => void): boolean {
    const { busy } = this.#shared;
    this.#shared.busy = true;
    try {
      if (bytes.length > 0) take(bytes);
    } finally {
      this.#shared.busy = busy;
    }
    if (failure) throw failure;
    return goesOn;
  }

  /** Sends what is to leave. Returns whether more fits. */
  #drain(): boolean {
    const { library, leaving, record } = this.#shared;
    const { c } = library;
    const size = c.BIO_read(leaving, record, SENT);
    if (size <= 0) return true;
    if (size < SENT) return this.#send(record.subarray(0, size), false);
    // What is sent may come to another connection of this thread at once, which uses what is shared.
    const parts = [record.slice()];
    for (let n = c.BIO_read(leaving, record, SENT); n > 0; n = c.BIO_read(leaving, record, SENT)) {
      parts.push(record.slice(0, n));
    }
    return parts.map((part) => this.#send(part, true)).at(-1) as boolean;
  }

  /** What has come and is nobody's any more must not be the next connection's. */
  #empty(): void {
    const { library, arriving, record } = this.#shared;
    while (library.c.BIO_read(arriving, record, record.length) > 0);
  }

  #failure(): Error {
    const { library } = this.#shared;
    const flaw = this.#context.verify === 'require' ? this.#ssl.flaw() : undefined;
    const text = takeErrors(library, 'the connection is broken');
    this.#empty();
    return new Error(flaw === undefined ? text : flaw);
  }
}

/** What was read: the bytes are good until somebody else reads. */
interface Decrypted {
  readonly bytes: Uint8Array;
  readonly goesOn: boolean;
  readonly failure?: Error;
}
