/**
 * One connection of TLS that reads and writes memory. What has come is handed in (`shake`, `read`); what is to leave is given to
 * `send` before a call returns, and before what was read is handed on.
 *
 * All connections of a thread share two BIOs and the room for what is read: nothing is left in them between calls. OpenSSL keeps
 * a part of a record by itself.
 */
import { isIP } from 'node:net';
import type { Agreed, ServerName } from './dtls-connection.ts';
import type { DtlsContext } from './dtls-context.ts';
import { takeErrors } from './errors.ts';
import { type Library, openssl, type Pointer } from './openssl.ts';
import { derOf } from './pem.ts';

const SSL_ERROR_WANT_READ = 2;
const SSL_ERROR_ZERO_RETURN = 6;
const SSL_CTRL_MODE = 33;
const SSL_CTRL_SET_TLSEXT_HOSTNAME = 55;
const SSL_MODE_RELEASE_BUFFERS = 0x10;
const X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS = 4;
const X509_V_OK = 0;
const OPENSSL_NPN_NEGOTIATED = 1;
const SSL_TLSEXT_ERR_OK = 0;
const SSL_TLSEXT_ERR_ALERT_FATAL = 2;

/** Bytes that are taken in at a time. */
const SLICE = 65_536;
/** More than comes of a slice: a record that had come in part is in it, too. */
const ROOM = SLICE + 32_768;
/** What such a piece is encrypted, and more. */
const SENT = 131_072;

interface Shared {
  readonly library: Library;
  readonly arriving: Pointer;
  readonly leaving: Pointer;
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
  readonly #context: DtlsContext;
  /** Sends what is lent to it, but for what is `owned`, and returns whether more fits. */
  readonly #send: Send;
  #ssl: Pointer;

  /** Throws where there is no memory for it. */
  constructor(context: DtlsContext, send: Send, { servername, verifyName }: ServerName = {}) {
    const { library, arriving, leaving } = this.#shared;
    const { c } = library;
    this.#context = context;
    this.#send = send;
    this.#ssl = c.SSL_new(context.pointer);
    if (!this.#ssl) throw new Error(takeErrors(library, 'no connection of TLS can be made'));
    c.BIO_up_ref(arriving);
    c.BIO_up_ref(leaving);
    c.SSL_set_bio(this.#ssl, arriving, leaving);
    c.SSL_ctrl(this.#ssl, SSL_CTRL_MODE, SSL_MODE_RELEASE_BUFFERS, null);
    if (context.role === 'server') c.SSL_set_accept_state(this.#ssl);
    else c.SSL_set_connect_state(this.#ssl);
    if (servername !== undefined) this.#askFor(servername);
    if (verifyName !== undefined) this.#expect(verifyName);
  }

  /** It was not freed yet. */
  get live(): boolean {
    return this.#ssl !== 0;
  }

  /** Frees its memory; nothing may be called afterwards but this, and `live`. */
  free(): void {
    if (!this.#ssl) return;
    this.#shared.library.c.SSL_free(this.#ssl);
    this.#ssl = 0;
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
    library.alpn = this.#context.role === 'server' && this.#context.alpn ? this.#chooseAlpn : undefined;
    const result = c.SSL_do_handshake(this.#ssl);
    library.alpn = undefined;
    const error = result === 1 ? 0 : c.SSL_get_error(this.#ssl, result);
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
    for (let at = 0; at < length && this.#ssl; at += SLICE) {
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
    if (bytes.length > 0 && library.c.SSL_write(this.#ssl, bytes, bytes.length) <= 0) throw this.#failure();
    return this.#drain();
  }

  /** Says that nothing follows. */
  end(): void {
    const { library } = this.#shared;
    library.c.SSL_shutdown(this.#ssl);
    library.c.ERR_clear_error();
    this.#drain();
  }

  agreed(): Agreed {
    const { library } = this.#shared;
    const { c } = library;
    const certificate = c.SSL_get1_peer_certificate(this.#ssl);
    const der = certificate ? derOf(library, certificate) : undefined;
    if (certificate) c.X509_free(certificate);
    return {
      version: c.SSL_get_version(this.#ssl),
      cipher: c.SSL_CIPHER_get_name(c.SSL_get_current_cipher(this.#ssl)),
      alpn: this.#alpn(),
      certificate: der,
      flaw: der && this.#flaw(),
    };
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
      const read = c.SSL_read(this.#ssl, part, part.length);
      if (read > 0) {
        size += read;
        continue;
      }
      const error = c.SSL_get_error(this.#ssl, read);
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
    const flaw = this.#context.verify === 'require' ? this.#flaw() : undefined;
    const text = takeErrors(library, 'the connection is broken');
    this.#empty();
    return new Error(flaw === undefined ? text : flaw);
  }

  /** What was found wrong with the peer's certificate. */
  #flaw(): string | undefined {
    const { c } = this.#shared.library;
    const code = c.SSL_get_verify_result(this.#ssl);
    return code === X509_V_OK ? undefined : c.X509_verify_cert_error_string(code);
  }

  #askFor(servername: string): void {
    // TLSEXT_NAMETYPE_host_name is 0.
    this.#shared.library.c.SSL_ctrl(this.#ssl, SSL_CTRL_SET_TLSEXT_HOSTNAME, 0, Buffer.from(`${servername}\0`));
  }

  #expect(name: string): void {
    const { c } = this.#shared.library;
    const parameters = c.SSL_get0_param(this.#ssl);
    if (isIP(name) !== 0) {
      c.X509_VERIFY_PARAM_set1_ip_asc(parameters, name);
      return;
    }
    c.X509_VERIFY_PARAM_set_hostflags(parameters, X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS);
    c.X509_VERIFY_PARAM_set1_host(parameters, name, Buffer.byteLength(name));
  }

  #chooseAlpn = (out: Pointer, outSize: Pointer, offered: Pointer, size: number): number => {
    const { c } = this.#shared.library;
    const { alpn } = this.#context;
    const chosen = c.SSL_select_next_proto(out, outSize, alpn as Buffer, alpn?.length ?? 0, offered, size);
    return chosen === OPENSSL_NPN_NEGOTIATED ? SSL_TLSEXT_ERR_OK : SSL_TLSEXT_ERR_ALERT_FATAL;
  };

  #alpn(): string | undefined {
    const { library } = this.#shared;
    const at = new BigUint64Array(1);
    const size = new Uint32Array(1);
    library.c.SSL_get0_alpn_selected(this.#ssl, at, size);
    const [length = 0] = size;
    return length === 0 ? undefined : library.copy(Number(at[0]), length).toString();
  }
}

/** What was read: the bytes are good until somebody else reads. */
interface Decrypted {
  readonly bytes: Uint8Array;
  readonly goesOn: boolean;
  readonly failure?: Error;
}
