/**
 * One connection of DTLS 1.2 (RFC 6347) that reads and writes memory. Whoever has one hands in each datagram that has come
 * (`shake`, `read`), sends what `take` gives after each call, and calls `retransmit` when it is time.
 *
 * All connections of a thread share two BIOs, since each has room for many datagrams: nothing is left in them between calls.
 */
import type { SslContext } from './context.ts';
import { takeErrors } from './errors.ts';
import { openssl, type Pointer } from './openssl.ts';
import { type Agreed, type Memory, type ServerName, SSL_ERROR_WANT_READ, SSL_ERROR_ZERO_RETURN, Ssl } from './ssl.ts';

const DTLS_CTRL_GET_TIMEOUT = 73;
const DTLS_CTRL_HANDLE_TIMEOUT = 74;
const DTLS_CTRL_SET_LINK_MTU = 120;
const SSL_OP_NO_QUERY_MTU = 0x1000;
/** The largest payload of a record (RFC 6347 section 4.1), and what encryption may add. */
const LARGEST_PAYLOAD = 16_384;
const LARGEST_RECORD = LARGEST_PAYLOAD + 2048;

/**
 * Bytes that each encrypted record has at least: a nonce and a tag, or a tag. Shorter ones, which anybody can send, are an error
 * of ours to OpenSSL, where others that are not the peer's are dropped.
 */
const LEAST: readonly (readonly [cipher: RegExp, bytes: number])[] = [
  [/GCM|CCM$/, 24],
  [/CCM8|POLY1305/, 16],
];

/** Alerts, application data and the like, by the first byte of a record (RFC 5246 section 6.2.1). */
const APPLICATION_DATA = 23;
const RECORD_HEADER = 13;

/** What the connections of a thread share. */
interface Shared extends Memory {
  /** Room for the address of a peer, which nobody looks at. */
  readonly peer: Pointer;
  readonly record: Uint8Array;
  /** Of which the payload that is being handed on is a part, if any is. */
  plain: Uint8Array;
  reading: boolean;
}

let shared: Shared | undefined;

function sharedOf(): Shared {
  if (shared) return shared;
  const library = openssl();
  const { c } = library;
  shared = {
    library,
    arriving: c.BIO_new(c.BIO_s_dgram_mem()),
    leaving: c.BIO_new(c.BIO_s_dgram_mem()),
    peer: c.BIO_ADDR_new(),
    record: new Uint8Array(LARGEST_RECORD),
    plain: new Uint8Array(LARGEST_PAYLOAD),
    reading: false,
  };
  return shared;
}

export class DtlsConnection {
  readonly #shared = sharedOf();
  readonly #context: SslContext;
  readonly #ssl: Ssl;
  /** It has read all that has come, and its timer does not run: then one record of data is read by one call, and answered by none. */
  #drained = false;
  #armed = false;
  #mayHaveWritten = false;
  /** Of an encrypted record. */
  #least = 0;

  /** `mtu`: the largest payload of a datagram, in bytes. Throws where there is no memory for it. */
  constructor(context: SslContext, mtu: number, name: ServerName = {}) {
    const { c } = this.#shared.library;
    this.#context = context;
    this.#ssl = new Ssl(context, this.#shared, name);
    c.SSL_set_options(this.#ssl.pointer, SSL_OP_NO_QUERY_MTU);
    c.SSL_ctrl(this.#ssl.pointer, DTLS_CTRL_SET_LINK_MTU, mtu, null);
  }

  /** It was not freed yet. */
  get live(): boolean {
    return this.#ssl.pointer !== 0;
  }

  /** Frees its memory; nothing may be called afterwards but this, and `live`. What was not taken is lost. */
  free(): void {
    if (!this.live) return;
    if (this.#mayHaveWritten) this.take();
    this.#ssl.free();
  }

  /** There may be something to `take`. */
  get outgoing(): boolean {
    return this.#mayHaveWritten;
  }

  // ------------------------------------------------------------------ handshake

  /** A server begins with a ClientHello whose cookie is good. Returns whether OpenSSL finds it well-formed. */
  listen(hello: Uint8Array): boolean {
    const { library, peer } = this.#shared;
    this.#put(hello);
    const taken = library.c.DTLSv1_listen(this.#ssl.pointer, peer) === 1;
    if (!taken) this.#clear();
    return taken;
  }

  /** Goes on with the handshake, with a datagram if one has come. Returns whether it is over. Throws where it has failed. */
  shake(datagram?: Uint8Array): boolean {
    const { library } = this.#shared;
    const { c } = library;
    if (datagram) this.#put(datagram);
    this.#mayHaveWritten = true;
    const result = this.#ssl.handshake();
    if (result === 1) {
      this.#least = leastOf(this.#ssl.cipher());
      return true;
    }
    if (c.SSL_get_error(this.#ssl.pointer, result) === SSL_ERROR_WANT_READ) return false;
    throw this.#failure();
  }

  /** Milliseconds until something is to be sent again; undefined where nothing waits for an answer. */
  timeout(): number | undefined {
    const time = new BigInt64Array(2);
    const { c } = this.#shared.library;
    this.#armed = c.SSL_ctrl(this.#ssl.pointer, DTLS_CTRL_GET_TIMEOUT, 0, new Uint8Array(time.buffer)) === 1;
    const [seconds = 0n, microseconds = 0n] = time;
    return this.#armed ? Number(seconds) * 1000 + Math.ceil(Number(microseconds) / 1000) : undefined;
  }

  /** Has the last flight sent again, where its time has come. Throws where it was sent too often. */
  retransmit(): void {
    this.#mayHaveWritten = true;
    const { c } = this.#shared.library;
    if (c.SSL_ctrl(this.#ssl.pointer, DTLS_CTRL_HANDLE_TIMEOUT, 0, null) < 0) throw this.#failure();
  }

  /** After the handshake: the largest message, in bytes, whose record fits the MTU. */
  maxMessage(): number {
    return Math.min(LARGEST_PAYLOAD, Number(this.#shared.library.c.DTLS_get_data_mtu(this.#ssl.pointer)));
  }

  agreed(): Agreed {
    return this.#ssl.agreed();
  }

  // ------------------------------------------------------------------ data

  /**
   * Hands on what is in a datagram that is `whole`: `take` may keep nothing of it. Returns whether the peer goes on: it has not said
   * close_notify. Throws where it has broken the connection. Whoever hears a message may free this connection.
   */
  read(datagram: Uint8Array, take: (bytes: Uint8Array) => void): boolean {
    this.#put(datagram);
    const single =
      this.#drained &&
      !this.#armed &&
      datagram[0] === APPLICATION_DATA &&
      RECORD_HEADER + (((datagram[11] as number) << 8) | (datagram[12] as number)) === datagram.length;
    return single ? this.#readOne(take) : this.#readAll(take);
  }

  /** Whether a datagram is made of records, each as long as it says and as it must be. */
  isWhole(datagram: Uint8Array): boolean {
    let at = 0;
    while (at + RECORD_HEADER <= datagram.length) {
      const size = ((datagram[at + 11] as number) << 8) | (datagram[at + 12] as number);
      const encrypted = ((datagram[at + 3] as number) | (datagram[at + 4] as number)) !== 0;
      if (encrypted && size < this.#least) return false;
      at += RECORD_HEADER + size;
    }
    return at === datagram.length && at > 0;
  }

  /** Reads what came before this call, with the last datagram of the handshake. Otherwise as `read`. */
  readRest(take: (bytes: Uint8Array) => void): boolean {
    return this.#readAll(take);
  }

  /** Encrypts a message of 1 to `maxMessage` bytes. Returns its datagram, good until the next call; undefined where it failed. */
  write(bytes: Uint8Array): Uint8Array | undefined {
    const { c } = this.#shared.library;
    if (c.SSL_write(this.#ssl.pointer, bytes, bytes.length) === bytes.length) return this.#next();
    c.ERR_clear_error();
    return undefined;
  }

  /** Says close_notify, or answers it. */
  shutdown(): void {
    this.#mayHaveWritten = true;
    const { c } = this.#shared.library;
    c.SSL_shutdown(this.#ssl.pointer);
    c.ERR_clear_error();
  }

  /** The datagrams to send. To be asked before anything is done with another connection. */
  take(): Uint8Array[] {
    const datagrams: Uint8Array[] = [];
    for (let one = this.#next(); one; one = this.#next()) datagrams.push(new Uint8Array(one));
    this.#mayHaveWritten = false;
    return datagrams;
  }

  // ------------------------------------------------------------------ own

  #next(): Uint8Array | undefined {
    const { library, leaving, record } = this.#shared;
    const size = library.c.BIO_read(leaving, record, record.length);
    return size > 0 ? record.subarray(0, size) : undefined;
  }

  #put(datagram: Uint8Array): void {
    const { library, arriving } = this.#shared;
    library.c.BIO_write(arriving, datagram, datagram.length);
  }

  /** After a failure: the next call may be another connection's. */
  #clear(): void {
    const { library, arriving, record } = this.#shared;
    while (library.c.BIO_read(arriving, record, record.length) > 0);
    library.c.ERR_clear_error();
  }

  #failure(): Error {
    const { library } = this.#shared;
    const { c } = library;
    const flaw = this.#context.role === 'client' || this.#context.verify === 'require' ? this.#ssl.flaw() : undefined;
    const text = takeErrors(library, 'the handshake failed');
    this.#clear();
    c.ERR_clear_error();
    return new Error(flaw === undefined ? text : `${text}: ${flaw}`);
  }

  #readOne(take: (bytes: Uint8Array) => void): boolean {
    const room = this.#room();
    const size = this.#shared.library.c.SSL_read(this.#ssl.pointer, room, room.length);
    if (size <= 0) return this.#readAll(take);
    this.#hand(room, size, take);
    return true;
  }

  #readAll(take: (bytes: Uint8Array) => void): boolean {
    const { c } = this.#shared.library;
    this.#mayHaveWritten = true;
    while (this.live) {
      const room = this.#room();
      const size = c.SSL_read(this.#ssl.pointer, room, room.length);
      if (size > 0) {
        this.#hand(room, size, take);
        continue;
      }
      const error = c.SSL_get_error(this.#ssl.pointer, size);
      this.#drained = error === SSL_ERROR_WANT_READ;
      if (error === SSL_ERROR_WANT_READ) return true;
      if (error === SSL_ERROR_ZERO_RETURN) return false;
      throw this.#failure();
    }
    return true;
  }

  /** The shared room for a payload; one of its own while that is handed on further up the stack. */
  #room(): Uint8Array {
    return this.#shared.reading ? new Uint8Array(LARGEST_PAYLOAD) : this.#shared.plain;
  }

  #hand(room: Uint8Array, size: number, take: (bytes: Uint8Array) => void): void {
    const { reading } = this.#shared;
    this.#shared.reading = true;
    try {
      take(room.subarray(0, size));
    } finally {
      this.#shared.reading = reading;
    }
  }
}

function leastOf(cipher: string): number {
  return LEAST.find(([names]) => names.test(cipher))?.[1] ?? 0;
}
