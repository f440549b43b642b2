/**
 * The PROXY protocol on datagrams, as dnsdist and unbound speak it: a header of version 2 in front of each one that comes from
 * the proxy, none in front of the answers. Behind one socket of the proxy's there may be any number of clients.
 */
import {
  BINARY,
  Channel,
  type ChannelOwner,
  type CloseReason,
  type MessageAttributes,
  type Reader,
  type Writer,
} from '../../core/channel.ts';
import type { First } from '../../core/engine.ts';
import { asL7mpError } from '../../core/errors.ts';
import { LayerChannel } from '../../core/layer.ts';
import type { Metadata } from '../../core/metadata.ts';
import type { ListenerHost } from '../../core/protocol.ts';
import { addressOf } from '../../core/source.ts';
import { broken, FIXED, type Header, readHeader } from './header.ts';
import { announcedMetadata } from './metadata.ts';
import { writeHeader } from './write.ts';

/** The header of a datagram. Throws E_HANDSHAKE. */
export function headerOf(datagram: Uint8Array): Header {
  const header = readHeader(asBuffer(datagram));
  if (!header) throw broken('a header that is cut short');
  if (header.version === 1) throw broken('version 1 in front of a datagram');
  return header;
}

function asBuffer({ buffer, byteOffset, byteLength }: Uint8Array): Buffer {
  return Buffer.from(buffer, byteOffset, byteLength);
}

/** What the clients behind one socket of a proxy's have in common: the channel to that socket, which lives as long as they do. */
export class ProxySocket implements Reader, Writer, ChannelOwner {
  readonly #lower: Channel;
  readonly #host: ListenerHost;
  readonly #listening: { readonly open: boolean };
  /** By the addresses in their headers, as they come over the wire. */
  readonly #clients = new Map<string, ClientChannel>();
  /** The latest header, and whose it is: a datagram with the same one need not be looked at any further. */
  #latest: { readonly header: Buffer; readonly client: ClientChannel } | undefined;

  /** `listening`: whether new clients are taken. */
  constructor(lower: Channel, host: ListenerHost, listening: { readonly open: boolean }) {
    this.#listening = listening;
    this.#lower = lower;
    this.#host = host;
    lower.owner = this;
    lower.writer = this;
  }

  /** What has come already is waiting, or comes right behind. */
  begin(): void {
    this.#lower.read(this);
  }

  // ------------------------------------------------------------------ from below

  message(bytes: Uint8Array, attributes: MessageAttributes, owned: boolean): void {
    const latest = this.#latest;
    if (latest && startsWith(bytes, latest.header)) {
      latest.client.take(bytes.subarray(latest.header.length), attributes, owned);
      return;
    }
    try {
      this.#dispatch(bytes, attributes, owned);
    } catch (error) {
      this.#host.reject('broken-handshake');
      const { log, name } = this.#host;
      if (log.enabled('verbose')) log.write('verbose', name, `a datagram: ${asL7mpError(error).message}`);
    }
    this.#settle();
  }

  end(): void {}

  drained(): void {
    for (const client of this.#clients.values()) client.goOn();
  }

  closed(_lower: Channel, reason: CloseReason): void {
    this.#latest = undefined;
    for (const client of [...this.#clients.values()]) client.lost(reason);
  }

  fault(_lower: Channel, message: string): void {
    for (const client of this.#clients.values()) client.owner?.fault?.(client, message);
  }

  wanders(): void {
    for (const client of this.#clients.values()) client.owner?.wanders?.();
  }

  // ------------------------------------------------------------------ for its clients

  forget(key: string, client: ClientChannel): void {
    if (this.#clients.get(key) === client) this.#clients.delete(key);
    if (this.#latest?.client === client) this.#latest = undefined;
    this.#settle();
  }

  // ------------------------------------------------------------------ own

  #dispatch(bytes: Uint8Array, attributes: MessageAttributes, owned: boolean): void {
    const header = headerOf(bytes);
    const key = keyOf(bytes, header);
    const payload = bytes.subarray(header.length);
    const client = this.#clients.get(key) ?? this.#admit(key, header, payload);
    if (!client) return;
    // What is received into is used again.
    this.#latest = { header: Buffer.from(bytes.subarray(0, header.length)), client };
    client.take(payload, attributes, owned);
  }

  /** A client that is new, where it is taken. */
  #admit(key: string, header: Header, payload: Uint8Array): ClientChannel | undefined {
    if (!this.#listening.open) return undefined;
    const host = this.#host;
    const client = new ClientChannel(this.#lower, header, () => this.forget(key, client));
    const { first } = host;
    const { announced } = header;
    const peer = announced?.ports && { address: announced.source, port: announced.ports.source };
    if (first && peer && !first(peer, payload, (reply) => void this.#lower.write(reply))) return undefined;
    if (!host.admit({ address: client.address, lossy: true })) return undefined;
    this.#clients.set(key, client);
    host.accept(client);
    return client.open ? client : undefined;
  }

  /** A socket without clients is nobody's. */
  #settle(): void {
    if (this.#clients.size === 0) this.#lower.close({ kind: 'end', message: 'no client is left behind the proxy' });
  }
}

function startsWith(bytes: Uint8Array, header: Buffer): boolean {
  return bytes.length >= header.length && header.compare(bytes, 0, header.length) === 0;
}

/** What tells clients apart: family, addresses and ports, and not what else the header says. */
function keyOf(bytes: Uint8Array, { announced }: Header): string {
  if (!announced) return '';
  const size = announced.transport === 'UNIX' ? 216 : announced.source.includes(':') ? 36 : 12;
  const family = bytes[13] as number;
  return `${family} ${asBuffer(bytes).toString('latin1', FIXED, FIXED + size)}`;
}

/** A client behind a proxy. */
class ClientChannel extends Channel {
  readonly #lower: Channel;
  readonly #header: Header;
  readonly #left: () => void;

  constructor(lower: Channel, header: Header, left: () => void) {
    super(lower.limits);
    this.#lower = lower;
    this.#header = header;
    this.#left = left;
  }

  get kind(): 'datagram' {
    return 'datagram';
  }

  override get lossy(): boolean {
    return true;
  }

  override get maxMessage(): number {
    return this.#lower.maxMessage;
  }

  /** The lower channel copies what it retains. */
  protected override get retains(): boolean {
    return false;
  }

  override get via(): Channel {
    return this.#lower;
  }

  /** The announced one, else the proxy's own. */
  get address(): string | undefined {
    const { announced } = this.#header;
    return announced?.ports ? announced.source : addressOf(this.#lower);
  }

  override describe(): Metadata {
    return announcedMetadata(this.#lower.describe(), this.#header);
  }

  // ------------------------------------------------------------------ for the socket

  take(payload: Uint8Array, attributes: MessageAttributes, owned: boolean): void {
    this.deliver(payload, attributes, owned);
  }

  goOn(): void {
    this.drained();
  }

  lost(reason: CloseReason): void {
    this.deliverClose(reason);
  }

  // ------------------------------------------------------------------ for the session

  protected override send(bytes: Uint8Array, attributes: MessageAttributes, owned: boolean): boolean {
    return this.#lower.write(bytes, attributes, owned);
  }

  protected override sendEnd(): void {}

  protected override shut(): void {
    this.#left();
  }
}

/** The side that says for whom it stands, with each datagram. */
export class AnnouncingDatagrams extends LayerChannel {
  readonly #header: Buffer;

  constructor(lower: Channel, metadata: Metadata | undefined) {
    const header = writeHeader('v2', metadata);
    super(lower, header.length);
    this.#header = header;
  }

  protected override send(bytes: Uint8Array, _attributes: MessageAttributes): boolean {
    const header = this.#header;
    const datagram = Buffer.allocUnsafe(header.length + bytes.length);
    datagram.set(header);
    datagram.set(bytes, header.length);
    return this.lower.write(datagram, BINARY, true);
  }
}

/** Looks at the first datagrams of sockets: those of trusted proxies must have a header, others are none of our business. */
export function lookingAtHeaders(isTrusted: (address: string) => boolean, { first }: ListenerHost): First {
  return (peer, bytes, reply) => {
    if (!isTrusted(peer.address)) return first?.(peer, bytes, reply) ?? true;
    headerOf(bytes);
    return true;
  };
}
