/** What connections of TLS and of DTLS do alike: an SSL of OpenSSL's that reads and writes memory. */
import { isIP } from 'node:net';
import type { SslContext } from './context.ts';
import { takeErrors } from './errors.ts';
import type { KeepSession, Library, Pointer } from './openssl.ts';
import { derOf } from './pem.ts';

/** A peer with another name, or who has no good certificate, is not talked to. */
export interface ServerName {
  /** What it is asked for (RFC 6066 section 3); not an address. */
  readonly servername?: string | undefined;
  /** The name or address that its certificate is to have; left out: none. */
  readonly verifyName?: string | undefined;
}

/** What a client keeps of its connections with one server, to shorten the handshakes of later ones (RFC 8446 section 2.2). */
export interface Resumption {
  /** Hands a session over to `use` that may be resumed, if there is one; it is good during that call. */
  offer(use: (session: Pointer) => void): void;
  /** One that may be resumed has come, which is to be freed. `once`: it may be used once (RFC 8446 appendix C.4). */
  keep(session: Pointer, once: boolean): void;
}

/** What was agreed on in a handshake. */
export interface Agreed {
  /** `TLSv1.3`, `DTLSv1.2` */
  readonly version: string;
  /** As OpenSSL names it. */
  readonly cipher: string;
  readonly alpn: string | undefined;
  /** The peer's certificate, in DER. */
  readonly certificate: Buffer | undefined;
  /** What is wrong with it; undefined where it is good, or nobody has looked. */
  readonly flaw: string | undefined;
}

const TLS_1_3 = 0x0304;

/** What it reads from and writes to, which may be shared. */
export interface Memory {
  readonly library: Library;
  readonly arriving: Pointer;
  readonly leaving: Pointer;
}

/** Results of calls (SSL_get_error(3)). */
export const SSL_ERROR_WANT_READ = 2;
export const SSL_ERROR_ZERO_RETURN = 6;

const SSL_CTRL_MODE = 33;
const SSL_CTRL_SET_TLSEXT_HOSTNAME = 55;
const SSL_MODE_RELEASE_BUFFERS = 0x10;
const X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS = 4;
const X509_V_OK = 0;
const OPENSSL_NPN_NEGOTIATED = 1;
const SSL_TLSEXT_ERR_OK = 0;
const SSL_TLSEXT_ERR_ALERT_FATAL = 2;

export class Ssl {
  /** 0 once it was freed. */
  pointer: Pointer;
  readonly #library: Library;
  readonly #context: SslContext;
  readonly #keep: KeepSession | undefined;

  /** Throws where there is no memory for it. */
  constructor(
    context: SslContext,
    { library, arriving, leaving }: Memory,
    { servername, verifyName }: ServerName,
    resumption?: Resumption,
  ) {
    const { c } = library;
    this.#library = library;
    this.#context = context;
    this.#keep =
      resumption && ((session) => resumption.keep(session, c.SSL_SESSION_get_protocol_version(session) === TLS_1_3));
    this.pointer = c.SSL_new(context.pointer);
    if (!this.pointer) throw new Error(takeErrors(library, 'no connection can be made'));
    c.BIO_up_ref(arriving);
    c.BIO_up_ref(leaving);
    c.SSL_set_bio(this.pointer, arriving, leaving);
    c.SSL_ctrl(this.pointer, SSL_CTRL_MODE, SSL_MODE_RELEASE_BUFFERS, null);
    if (context.role === 'server') c.SSL_set_accept_state(this.pointer);
    else c.SSL_set_connect_state(this.pointer);
    if (servername !== undefined) this.#askFor(servername);
    if (verifyName !== undefined) this.#expect(verifyName);
    resumption?.offer((session) => c.SSL_set_session(this.pointer, session));
  }

  free(): void {
    if (this.pointer) this.#library.c.SSL_free(this.pointer);
    this.pointer = 0;
  }

  /** Goes on with the handshake. Returns 1 when it is over. */
  handshake(): number {
    const library = this.#library;
    library.alpn = this.#context.role === 'server' && this.#context.alpn ? this.#chooseAlpn : undefined;
    library.keep = this.#keep;
    const result = library.c.SSL_do_handshake(this.pointer);
    library.alpn = undefined;
    return result;
  }

  /** Reads what was decrypted, as SSL_read(3). */
  read(into: Uint8Array): number {
    // Tickets of TLS 1.3 come between the data.
    this.#library.keep = this.#keep;
    return this.#library.c.SSL_read(this.pointer, into, into.length);
  }

  /** `certified`: with the peer's certificate. */
  agreed(certified = true): Agreed {
    const library = this.#library;
    const { c } = library;
    const certificate = certified ? c.SSL_get1_peer_certificate(this.pointer) : 0;
    const der = certificate ? derOf(library, certificate) : undefined;
    if (certificate) c.X509_free(certificate);
    return {
      version: c.SSL_get_version(this.pointer),
      cipher: this.cipher(),
      alpn: this.#alpn(),
      certificate: der,
      flaw: der && this.flaw(),
    };
  }

  cipher(): string {
    const { c } = this.#library;
    return c.SSL_CIPHER_get_name(c.SSL_get_current_cipher(this.pointer));
  }

  /** What was found wrong with the peer's certificate. */
  flaw(): string | undefined {
    const { c } = this.#library;
    const code = c.SSL_get_verify_result(this.pointer);
    return code === X509_V_OK ? undefined : c.X509_verify_cert_error_string(code);
  }

  #askFor(servername: string): void {
    // TLSEXT_NAMETYPE_host_name is 0.
    this.#library.c.SSL_ctrl(this.pointer, SSL_CTRL_SET_TLSEXT_HOSTNAME, 0, Buffer.from(`${servername}\0`));
  }

  #expect(name: string): void {
    const { c } = this.#library;
    const parameters = c.SSL_get0_param(this.pointer);
    if (isIP(name) !== 0) {
      c.X509_VERIFY_PARAM_set1_ip_asc(parameters, name);
      return;
    }
    c.X509_VERIFY_PARAM_set_hostflags(parameters, X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS);
    c.X509_VERIFY_PARAM_set1_host(parameters, name, Buffer.byteLength(name));
  }

  #chooseAlpn = (out: Pointer, outSize: Pointer, offered: Pointer, size: number): number => {
    const { c } = this.#library;
    const { alpn } = this.#context;
    const chosen = c.SSL_select_next_proto(out, outSize, alpn as Buffer, alpn?.length ?? 0, offered, size);
    return chosen === OPENSSL_NPN_NEGOTIATED ? SSL_TLSEXT_ERR_OK : SSL_TLSEXT_ERR_ALERT_FATAL;
  };

  #alpn(): string | undefined {
    const at = new BigUint64Array(1);
    const size = new Uint32Array(1);
    this.#library.c.SSL_get0_alpn_selected(this.pointer, at, size);
    const [length = 0] = size;
    return length === 0 ? undefined : this.#library.copy(Number(at[0]), length).toString();
  }
}
