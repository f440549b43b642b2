/**
 * The OpenSSL that is inside Node, called through koffi: the only file that knows it. Pointers are Numbers (`intptr_t`: user
 * space ends below 2^53); bytes are handed over as typed arrays, which OpenSSL reads and writes during the call only.
 */
import { createRequire } from 'node:module';

/** The address of something of OpenSSL's; 0 where there is none. */
export type Pointer = number;

type Bytes = Uint8Array | BigUint64Array | Uint32Array | null;

export interface OpenSsl {
  // Contexts
  DTLS_server_method(): Pointer;
  DTLS_client_method(): Pointer;
  TLS_server_method(): Pointer;
  TLS_client_method(): Pointer;
  SSL_CTX_new(method: Pointer): Pointer;
  SSL_CTX_free(context: Pointer): void;
  SSL_CTX_ctrl(context: Pointer, command: number, number: number, pointer: Pointer): number;
  SSL_CTX_ctrl_bytes(context: Pointer, command: number, number: number, bytes: Bytes): number;
  SSL_CTX_set_session_id_context(context: Pointer, id: Bytes, size: number): number;
  SSL_CTX_set_options(context: Pointer, options: number): number;
  SSL_CTX_set_num_tickets(context: Pointer, tickets: number): number;
  SSL_CTX_sess_set_new_cb(context: Pointer, callback: Pointer | bigint): void;
  SSL_CTX_set_verify(context: Pointer, mode: number, callback: Pointer | bigint): void;
  SSL_CTX_set_cookie_verify_cb(context: Pointer, callback: Pointer | bigint): void;
  SSL_CTX_set_alpn_select_cb(context: Pointer, callback: Pointer | bigint, argument: Pointer): void;
  SSL_CTX_set_alpn_protos(context: Pointer, protocols: Bytes, size: number): number;
  SSL_CTX_use_certificate(context: Pointer, certificate: Pointer): number;
  SSL_CTX_use_PrivateKey(context: Pointer, key: Pointer): number;
  SSL_CTX_add_client_CA(context: Pointer, certificate: Pointer): number;
  SSL_CTX_get_cert_store(context: Pointer): Pointer;
  SSL_CTX_set1_cert_store(context: Pointer, store: Pointer): void;
  // Connections
  SSL_new(context: Pointer): Pointer;
  SSL_free(ssl: Pointer): void;
  SSL_set_bio(ssl: Pointer, reads: Pointer, writes: Pointer): void;
  SSL_set_options(ssl: Pointer, options: number): number;
  SSL_set_accept_state(ssl: Pointer): void;
  SSL_set_connect_state(ssl: Pointer): void;
  SSL_ctrl(ssl: Pointer, command: number, number: number, bytes: Bytes): number;
  SSL_get0_param(ssl: Pointer): Pointer;
  DTLSv1_listen(ssl: Pointer, peer: Pointer): number;
  SSL_do_handshake(ssl: Pointer): number;
  SSL_read(ssl: Pointer, into: Bytes, size: number): number;
  SSL_write(ssl: Pointer, bytes: Bytes, size: number): number;
  SSL_shutdown(ssl: Pointer): number;
  SSL_get_error(ssl: Pointer, result: number): number;
  SSL_get_version(ssl: Pointer): string;
  SSL_get_current_cipher(ssl: Pointer): Pointer;
  SSL_CIPHER_get_name(cipher: Pointer): string;
  SSL_get0_alpn_selected(ssl: Pointer, data: Bytes, size: Bytes): void;
  SSL_get1_peer_certificate(ssl: Pointer): Pointer;
  SSL_set_session(ssl: Pointer, session: Pointer): number;
  SSL_SESSION_get_protocol_version(session: Pointer): number;
  SSL_SESSION_free(session: Pointer): void;
  SSL_get_verify_result(ssl: Pointer): number;
  SSL_select_next_proto(
    out: Pointer,
    outSize: Pointer,
    ours: Bytes,
    oursSize: number,
    theirs: Pointer,
    size: number,
  ): number;
  DTLS_get_data_mtu(ssl: Pointer): number;
  // Certificates and keys
  PEM_read_bio_X509(bio: Pointer, out: Pointer, callback: Pointer, password: Bytes): Pointer;
  PEM_read_bio_PrivateKey(bio: Pointer, out: Pointer, callback: Pointer, password: Bytes): Pointer;
  i2d_X509_bio(bio: Pointer, certificate: Pointer): number;
  X509_free(certificate: Pointer): void;
  EVP_PKEY_free(key: Pointer): void;
  X509_STORE_new(): Pointer;
  X509_STORE_free(store: Pointer): void;
  X509_STORE_add_cert(store: Pointer, certificate: Pointer): number;
  X509_VERIFY_PARAM_set1_host(parameters: Pointer, name: string, size: number): number;
  X509_VERIFY_PARAM_set1_ip_asc(parameters: Pointer, address: string): number;
  X509_VERIFY_PARAM_set_hostflags(parameters: Pointer, flags: number): void;
  X509_verify_cert_error_string(code: number): string;
  // Memory that is read and written as files are
  BIO_new(method: Pointer): Pointer;
  BIO_s_mem(): Pointer;
  BIO_s_dgram_mem(): Pointer;
  BIO_up_ref(bio: Pointer): number;
  BIO_free(bio: Pointer): number;
  BIO_read(bio: Pointer, into: Bytes, size: number): number;
  BIO_write(bio: Pointer, bytes: Bytes, size: number): number;
  BIO_ADDR_new(): Pointer;
  // Errors of this thread's last calls
  ERR_get_error(): number;
  ERR_clear_error(): void;
  ERR_reason_error_string(code: number): string | null;
}

const P = 'intptr_t';
const BYTES = 'void *';
const TEXT = 'const char *';

type Signatures = { readonly [name in keyof OpenSsl]: readonly [result: string, parameters: readonly string[]] };

const SIGNATURES: Signatures = {
  DTLS_server_method: [P, []],
  DTLS_client_method: [P, []],
  TLS_server_method: [P, []],
  TLS_client_method: [P, []],
  SSL_CTX_new: [P, [P]],
  SSL_CTX_free: ['void', [P]],
  SSL_CTX_ctrl: ['long', [P, 'int', 'long', P]],
  SSL_CTX_ctrl_bytes: ['long', [P, 'int', 'long', BYTES]],
  SSL_CTX_set_session_id_context: ['int', [P, BYTES, 'uint']],
  SSL_CTX_set_options: ['uint64', [P, 'uint64']],
  SSL_CTX_set_num_tickets: ['int', [P, 'size_t']],
  SSL_CTX_sess_set_new_cb: ['void', [P, P]],
  SSL_CTX_set_verify: ['void', [P, 'int', P]],
  SSL_CTX_set_cookie_verify_cb: ['void', [P, P]],
  SSL_CTX_set_alpn_select_cb: ['void', [P, P, P]],
  SSL_CTX_set_alpn_protos: ['int', [P, BYTES, 'uint']],
  SSL_CTX_use_certificate: ['int', [P, P]],
  SSL_CTX_use_PrivateKey: ['int', [P, P]],
  SSL_CTX_add_client_CA: ['int', [P, P]],
  SSL_CTX_get_cert_store: [P, [P]],
  SSL_CTX_set1_cert_store: ['void', [P, P]],
  SSL_new: [P, [P]],
  SSL_free: ['void', [P]],
  SSL_set_bio: ['void', [P, P, P]],
  SSL_set_options: ['uint64', [P, 'uint64']],
  SSL_set_accept_state: ['void', [P]],
  SSL_set_connect_state: ['void', [P]],
  SSL_ctrl: ['long', [P, 'int', 'long', BYTES]],
  SSL_get0_param: [P, [P]],
  DTLSv1_listen: ['int', [P, P]],
  SSL_do_handshake: ['int', [P]],
  SSL_read: ['int', [P, BYTES, 'int']],
  SSL_write: ['int', [P, BYTES, 'int']],
  SSL_shutdown: ['int', [P]],
  SSL_get_error: ['int', [P, 'int']],
  SSL_get_version: [TEXT, [P]],
  SSL_get_current_cipher: [P, [P]],
  SSL_CIPHER_get_name: [TEXT, [P]],
  SSL_get0_alpn_selected: ['void', [P, BYTES, BYTES]],
  SSL_get1_peer_certificate: [P, [P]],
  SSL_set_session: ['int', [P, P]],
  SSL_SESSION_get_protocol_version: ['int', [P]],
  SSL_SESSION_free: ['void', [P]],
  SSL_get_verify_result: ['long', [P]],
  SSL_select_next_proto: ['int', [P, P, BYTES, 'uint', P, 'uint']],
  DTLS_get_data_mtu: ['size_t', [P]],
  PEM_read_bio_X509: [P, [P, P, P, BYTES]],
  PEM_read_bio_PrivateKey: [P, [P, P, P, BYTES]],
  i2d_X509_bio: ['int', [P, P]],
  X509_free: ['void', [P]],
  EVP_PKEY_free: ['void', [P]],
  X509_STORE_new: [P, []],
  X509_STORE_free: ['void', [P]],
  X509_STORE_add_cert: ['int', [P, P]],
  X509_VERIFY_PARAM_set1_host: ['int', [P, TEXT, 'size_t']],
  X509_VERIFY_PARAM_set1_ip_asc: ['int', [P, TEXT]],
  X509_VERIFY_PARAM_set_hostflags: ['void', [P, 'uint']],
  X509_verify_cert_error_string: [TEXT, ['long']],
  BIO_new: [P, [P]],
  BIO_s_mem: [P, []],
  BIO_s_dgram_mem: [P, []],
  BIO_up_ref: ['int', [P]],
  BIO_free: ['int', [P]],
  BIO_read: ['int', [P, BYTES, 'int']],
  BIO_write: ['int', [P, BYTES, 'int']],
  BIO_ADDR_new: [P, []],
  ERR_get_error: ['ulong', []],
  ERR_clear_error: ['void', []],
  ERR_reason_error_string: [TEXT, ['ulong']],
};

/** What OpenSSL calls back, during a call of ours only. */
interface Callbacks {
  /** A cookie that is as it should be. */
  readonly cookie: bigint;
  /** A certificate that is taken, whatever was found of it. */
  readonly anyCertificate: bigint;
  /** The choice of a protocol for the application: see `onAlpn`. */
  readonly alpn: bigint;
  /** A session that can be resumed: see `KeepSession`. */
  readonly session: bigint;
}

/** Chooses from what a client offers: writes to `out` and `outSize`. Returns one of SSL_TLSEXT_ERR_*. */
export type AlpnChoice = (out: Pointer, outSize: Pointer, offered: Pointer, size: number) => number;

/** Takes over a session, to be freed. */
export type KeepSession = (session: Pointer) => void;

export interface Library {
  readonly c: OpenSsl;
  readonly callbacks: Callbacks;
  /** A copy of memory. */
  copy(at: Pointer, size: number): Buffer;
  /** Who chooses during the call that is being made. */
  alpn: AlpnChoice | undefined;
  /** Who takes over sessions that come during the call that is being made. */
  keep: KeepSession | undefined;
}

type Koffi = typeof import('koffi');

/** SSL_TLSEXT_ERR_NOACK: nothing is chosen, and nothing said of it. */
const NO_ACK = 3;

let loaded: Library | undefined;

/** OpenSSL, for this thread. Throws one line that says why it cannot be called here. */
export function openssl(): Library {
  loaded ??= load();
  return loaded;
}

function load(): Library {
  const koffi = loadKoffi();
  // The symbols of the process: Node exports those of the OpenSSL that it has.
  const program = koffi.load(null);
  const func = (name: string, result: string, parameters: readonly string[]): unknown => {
    try {
      // One function may be called with a pointer or with bytes.
      return program.func(name.replace(/_bytes$/, ''), result, [...parameters]);
    } catch {
      throw new Error(`the OpenSSL of this Node (${process.versions.openssl}) has no ${name}`);
    }
  };
  const calls = Object.entries(SIGNATURES).map(([name, [result, parameters]]) => [
    name,
    func(name, result, parameters),
  ]);
  const library: Library = {
    c: Object.fromEntries(calls),
    callbacks: callbacks(
      koffi,
      (...choice) => library.alpn?.(...choice) ?? NO_ACK,
      (session) => takeOver(library, session),
    ),
    copy: (at, size) => Buffer.from(new Uint8Array(koffi.view(BigInt(at), size))),
    alpn: undefined,
    keep: undefined,
  };
  return library;
}

/** Returns 1 where somebody has taken it over. */
function takeOver({ keep }: Library, session: Pointer): number {
  keep?.(session);
  return keep ? 1 : 0;
}

function callbacks(koffi: Koffi, alpn: AlpnChoice, session: (session: Pointer) => number): Callbacks {
  const register = (callback: (...args: number[]) => number, parameters: string[]): bigint =>
    koffi.register(callback, koffi.pointer(koffi.proto('int', parameters)));
  return {
    cookie: register(() => 1, [P, P, 'uint']),
    anyCertificate: register(() => 1, ['int', P]),
    alpn: register(
      (_ssl, out, outSize, offered, size) =>
        alpn(out as Pointer, outSize as Pointer, offered as Pointer, size as number),
      [P, P, P, P, 'uint', P],
    ),
    session: register((_ssl, one) => session(one as Pointer), [P, P]),
  };
}

function loadKoffi(): Koffi {
  try {
    return createRequire(import.meta.url)('koffi');
  } catch (error) {
    const [why] = String((error as Error).message).split('\n');
    throw new Error(`the package koffi does not load on ${process.platform}-${process.arch}: ${why}`);
  }
}
