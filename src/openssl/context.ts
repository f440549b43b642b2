/** What connections of DTLS, or of TLS, have in common: certificate and key, whom they trust, what they offer. */

import * as tls from 'node:tls';
import { rootCertificates } from 'node:tls';
import { takeErrors } from './errors.ts';
import { type Library, openssl, type Pointer } from './openssl.ts';
import { readCertificates, readKey } from './pem.ts';

/** What a context is made of. Texts are PEM. */
export interface SslSettings {
  readonly role: 'server' | 'client';
  /** The certificate, and those between it and a root behind it. */
  readonly cert?: string | undefined;
  readonly key?: string | undefined;
  /** The authorities that are trusted. Left out: of a server none, of a client those that Node trusts. */
  readonly ca?: string | undefined;
  /** What is asked of the peer's certificate: none, to be looked at and taken in any case, or that it be good. */
  readonly verify: 'none' | 'request' | 'require';
  /** TLS on a byte stream; left out: DTLS 1.2. */
  readonly stream?: StreamSettings | undefined;
  /** Protocols of the application, the preferred one first. */
  readonly alpn?: readonly string[] | undefined;
  /** Groups for the exchange of keys, by OpenSSL's names, the preferred one first; left out: OpenSSL's own choice. */
  readonly groups?: readonly string[] | undefined;
}

/** What is said of TLS only. */
export interface StreamSettings {
  readonly minVersion: '1.2' | '1.3';
  /** Of a client: its connections tell of sessions that can be resumed. */
  readonly resumes?: boolean | undefined;
  /** Of a server: 80 bytes by which it knows its tickets again, and up to 32 that say whose they are; left out: it gives none. */
  readonly tickets?: { readonly keys: Buffer; readonly owner: Buffer } | undefined;
}

const SSL_CTRL_SET_TLSEXT_TICKET_KEYS = 59;
const TLS_VERSIONS = { '1.2': 0x0303, '1.3': 0x0304 } as const;
const SSL_OP_CIPHER_SERVER_PREFERENCE = 2 ** 22;
const SSL_CTRL_CHAIN_CERT = 89;
const SSL_CTRL_SET_MIN_PROTO_VERSION = 123;
const SSL_CTRL_SET_MAX_PROTO_VERSION = 124;
const SSL_CTRL_SET_SESS_CACHE_MODE = 44;
const DTLS1_2_VERSION = 0xfefd;
const SSL_CTRL_SET_GROUPS_LIST = 92;
/** A client's sessions, of which OpenSSL keeps none by itself (SSL_SESS_CACHE_NO_INTERNAL). */
const SESSIONS_OF_CLIENT = 0x301;
const SSL_OP_NO_TICKET = 2 ** 14;
const SSL_OP_NO_RENEGOTIATION = 2 ** 30;
/** SSL_VERIFY_PEER, and SSL_VERIFY_FAIL_IF_NO_PEER_CERT beside it. */
const VERIFY = { none: 0, request: 1, require: 3 } as const;

/** The authorities of Node as a store of OpenSSL's, which is read once: it takes some milliseconds. */
let nodesAuthorities: Pointer | undefined;

export class SslContext {
  readonly role: SslSettings['role'];
  readonly verify: SslSettings['verify'];
  /** As it goes over the wire (RFC 7301): each name behind its length. */
  readonly alpn: Buffer | undefined;
  readonly #library: Library;
  #pointer: Pointer;

  /** Throws one line that says what is wrong with a text, or what OpenSSL lacks; nothing is left behind then. */
  constructor(settings: SslSettings) {
    const library = openssl();
    const { c } = library;
    this.#library = library;
    this.role = settings.role;
    this.verify = settings.verify;
    this.alpn = settings.alpn && alpnList(settings.alpn);
    this.#pointer = c.SSL_CTX_new(methodOf(settings, library));
    if (!this.#pointer) throw new Error(takeErrors(library, 'no context can be made'));
    try {
      this.#prepare(settings);
      if (settings.groups) this.#offer(settings.groups);
      if (settings.cert !== undefined) this.#useCertificate(settings.cert);
      if (settings.key !== undefined) this.#useKey(settings.key);
      this.#trust(settings);
    } catch (error) {
      this.free();
      throw error;
    }
  }

  get pointer(): Pointer {
    return this.#pointer;
  }

  /** Gives it up; connections that were made with it go on. */
  free(): void {
    if (this.#pointer) this.#library.c.SSL_CTX_free(this.#pointer);
    this.#pointer = 0;
  }

  #prepare({ stream }: SslSettings): void {
    const { c, callbacks } = this.#library;
    const at = this.#pointer;
    if (stream) this.#prepareStream(stream);
    else this.#prepareDatagrams();
    c.SSL_CTX_set_verify(at, VERIFY[this.verify], this.verify === 'request' ? callbacks.anyCertificate : 0);
    if (!this.alpn) return;
    if (this.role === 'server') c.SSL_CTX_set_alpn_select_cb(at, callbacks.alpn, 0);
    else c.SSL_CTX_set_alpn_protos(at, this.alpn, this.alpn.length);
  }

  #offer(groups: readonly string[]): void {
    const list = Buffer.from(`${groups.join(':')}\0`);
    if (this.#library.c.SSL_CTX_ctrl_bytes(this.#pointer, SSL_CTRL_SET_GROUPS_LIST, 0, list) === 1) return;
    takeErrors(this.#library, '');
    throw new Error(`OpenSSL does not know all of the groups ${groups.join(', ')}`);
  }

  #prepareStream({ minVersion, tickets, resumes = false }: StreamSettings): void {
    const { c, callbacks } = this.#library;
    const at = this.#pointer;
    c.SSL_CTX_ctrl(at, SSL_CTRL_SET_MIN_PROTO_VERSION, TLS_VERSIONS[minVersion], 0);
    // A server knows a session by its ticket alone: nothing of it is kept here.
    c.SSL_CTX_ctrl(at, SSL_CTRL_SET_SESS_CACHE_MODE, resumes ? SESSIONS_OF_CLIENT : 0, 0);
    if (resumes) c.SSL_CTX_sess_set_new_cb(at, callbacks.session);
    const noTickets = tickets || resumes ? 0 : SSL_OP_NO_TICKET;
    c.SSL_CTX_set_options(at, SSL_OP_NO_RENEGOTIATION + SSL_OP_CIPHER_SERVER_PREFERENCE + noTickets);
    if (!tickets) {
      // Those of TLS 1.3 would be sent all the same, and be of no use.
      c.SSL_CTX_set_num_tickets(at, 0);
      return;
    }
    c.SSL_CTX_ctrl_bytes(at, SSL_CTRL_SET_TLSEXT_TICKET_KEYS, tickets.keys.length, tickets.keys);
    c.SSL_CTX_set_session_id_context(at, tickets.owner, tickets.owner.length);
  }

  #prepareDatagrams(): void {
    const { c, callbacks } = this.#library;
    const at = this.#pointer;
    c.SSL_CTX_ctrl(at, SSL_CTRL_SET_MIN_PROTO_VERSION, DTLS1_2_VERSION, 0);
    c.SSL_CTX_ctrl(at, SSL_CTRL_SET_MAX_PROTO_VERSION, DTLS1_2_VERSION, 0);
    // Sessions are not resumed: a cache holds what has ended, and each worker would have keys of tickets of its own.
    c.SSL_CTX_ctrl(at, SSL_CTRL_SET_SESS_CACHE_MODE, 0, 0);
    c.SSL_CTX_set_options(at, SSL_OP_NO_TICKET + SSL_OP_NO_RENEGOTIATION);
    // Who calls DTLSv1_listen has looked at the cookie.
    if (this.role === 'server') c.SSL_CTX_set_cookie_verify_cb(at, callbacks.cookie);
  }

  #useCertificate(pem: string): void {
    const { c } = this.#library;
    this.#each(pem, (certificate, n) =>
      n === 0
        ? c.SSL_CTX_use_certificate(this.#pointer, certificate)
        : c.SSL_CTX_ctrl(this.#pointer, SSL_CTRL_CHAIN_CERT, 1, certificate),
    );
  }

  #useKey(pem: string): void {
    const { c } = this.#library;
    const key = readKey(this.#library, pem);
    const taken = c.SSL_CTX_use_PrivateKey(this.#pointer, key);
    c.EVP_PKEY_free(key);
    if (taken !== 1) throw new Error(takeErrors(this.#library, 'the private key cannot be used'));
  }

  #trust({ ca, role, verify }: SslSettings): void {
    const { c } = this.#library;
    if (ca === undefined) {
      if (role === 'client' && verify !== 'none') c.SSL_CTX_set1_cert_store(this.#pointer, authorities(this.#library));
      return;
    }
    const store = c.SSL_CTX_get_cert_store(this.#pointer);
    this.#each(ca, (certificate) => {
      // A server says whose certificates it takes.
      if (role === 'server') c.SSL_CTX_add_client_CA(this.#pointer, certificate);
      return c.X509_STORE_add_cert(store, certificate);
    });
  }

  #each(pem: string, use: (certificate: Pointer, n: number) => number): void {
    const { c } = this.#library;
    const certificates = readCertificates(this.#library, pem);
    try {
      for (const [n, certificate] of certificates.entries()) {
        if (use(certificate, n) !== 1) throw new Error(takeErrors(this.#library, 'the certificate cannot be used'));
      }
    } finally {
      for (const certificate of certificates) c.X509_free(certificate);
    }
  }
}

function methodOf({ role, stream }: SslSettings, { c }: Library): Pointer {
  if (stream) return role === 'server' ? c.TLS_server_method() : c.TLS_client_method();
  return role === 'server' ? c.DTLS_server_method() : c.DTLS_client_method();
}

function alpnList(protocols: readonly string[]): Buffer {
  return Buffer.concat(protocols.flatMap((name) => [Buffer.of(Buffer.byteLength(name)), Buffer.from(name)]));
}

function authorities(library: Library): Pointer {
  nodesAuthorities ??= readAuthorities(library);
  return nodesAuthorities;
}

function readAuthorities(library: Library): Pointer {
  const { c } = library;
  const store = c.X509_STORE_new();
  // With those of NODE_EXTRA_CA_CERTS and --use-system-ca, where this Node can tell.
  const pems = 'getCACertificates' in tls ? tls.getCACertificates('default') : rootCertificates;
  for (const pem of pems) {
    for (const certificate of readCertificates(library, pem)) {
      c.X509_STORE_add_cert(store, certificate);
      c.X509_free(certificate);
    }
  }
  return store;
}
