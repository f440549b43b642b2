/** What a session knows of a TLS connection: the object `TLS` of its metadata. */
import { X509Certificate } from 'node:crypto';
import type { PeerCertificate, TLSSocket } from 'node:tls';
import type { Json, Metadata } from '../../core/metadata.ts';
import type { Agreed } from '../../openssl/ssl.ts';

/** Metadata of a connection of node's. `refusal`: why the peer's certificate is not taken, if one was asked for; else `peer` describes it. */
export function connectionMetadata(
  socket: TLSSocket,
  asked: boolean,
  refusal: string | undefined,
  peer = () => peerMetadata(socket.getPeerCertificate()),
): Metadata {
  const { alpnProtocol, servername } = socket as TLSSocket & { servername?: string | false };
  const metadata: Metadata = { version: socket.getProtocol() ?? '', cipher: socket.getCipher().name };
  if (typeof servername === 'string') metadata.servername = servername;
  if (typeof alpnProtocol === 'string') metadata.alpn = alpnProtocol;
  if (!asked) return metadata;
  if (refusal !== undefined) return { ...metadata, authorized: false, authorization_error: refusal };
  return { ...metadata, authorized: true, peer: peer() };
}

/** The certificate that was described last: peers show the same one again and again, and node takes as long for it as for half a handshake. */
export class LatestCertificate {
  #der: Buffer | undefined;
  #described: Metadata = {};

  /** Not to be changed. `der`: a certificate that was verified. */
  describe(der: Buffer): Metadata {
    if (!this.#der?.equals(der)) this.#described = peerMetadata(new X509Certificate(der).toLegacyObject());
    this.#der = der;
    return this.#described;
  }
}

/** What was agreed on; not to be changed. `asked`: the peer was asked for a certificate, `refusal`: why it is not taken. */
export function agreedMetadata(
  { version, cipher, alpn, certificate }: Agreed,
  servername: string | undefined,
  asked: boolean,
  refusal: string | undefined,
  latest: LatestCertificate,
): Metadata {
  const metadata: Metadata = {
    version,
    cipher,
    ...(servername !== undefined && { servername }),
    ...(alpn !== undefined && { alpn }),
  };
  if (!asked) return metadata;
  if (refusal !== undefined || !certificate)
    return { ...metadata, authorized: false, authorization_error: refusal ?? '' };
  return { ...metadata, authorized: true, peer: latest.describe(certificate) };
}

/** All of it anew: rules may change what a session knows. structuredClone() takes ten times as long. */
export function copyOf(metadata: Metadata): Metadata {
  const copy: Metadata = {};
  for (const [name, value] of Object.entries(metadata)) {
    if (Array.isArray(value)) copy[name] = [...value];
    else copy[name] = typeof value === 'object' && value !== null ? copyOf(value as Metadata) : value;
  }
  return copy;
}

/** Of a certificate that was verified. */
export function peerMetadata({ subject, issuer, subjectaltname, fingerprint256 }: PeerCertificate): Metadata {
  return {
    subject: plain(subject),
    issuer: plain(issuer),
    ...(subjectaltname !== undefined && { subjectaltname }),
    fingerprint256,
  };
}

/** Attributes of a distinguished name: node makes objects without a prototype of them. */
function plain(name: object): { [key: string]: Json } {
  return Object.fromEntries(
    Object.entries(name).map(([type, value]) => [type, Array.isArray(value) ? [...value] : value]),
  );
}
