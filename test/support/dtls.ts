/** Peers that speak DTLS, on sockets of node's, with the OpenSSL inside Node; the ends of others are tried with openssl(1) and GnuTLS. */
import * as dgram from 'node:dgram';
import { once } from 'node:events';
import type { TestContext } from 'node:test';
import { helloIn, helloVerifyRequest, isHello } from '../../src/layers/dtls/record.ts';
import { SslContext, type SslSettings } from '../../src/openssl/context.ts';
import { DtlsConnection } from '../../src/openssl/dtls-connection.ts';
import { freePort } from '../../src/testing/ports.ts';
import { until } from '../../src/testing/until.ts';
import type { Peer, Server, ServerOptions } from './peers.ts';

const HOST = '127.0.0.1';

/** Milliseconds between two looks whether something is to be sent again. */
const LOOKS = 50;

export interface DtlsOptions extends Partial<Omit<SslSettings, 'role'>> {
  readonly servername?: string | undefined;
  /** Its own port. */
  readonly port?: number;
  readonly mtu?: number;
}

/** One end of a connection, on what sends datagrams. */
class End implements Peer {
  readonly messages: Buffer[] = [];
  closed: Peer['closed'];
  ended = false;
  shaken = false;
  readonly port: number;
  readonly connection: DtlsConnection;
  readonly #transmit: (datagram: Uint8Array) => void;
  readonly #timer: NodeJS.Timeout;

  constructor(connection: DtlsConnection, port: number, transmit: (datagram: Uint8Array) => void) {
    this.connection = connection;
    this.port = port;
    this.#transmit = transmit;
    this.#timer = setInterval(() => this.#do(() => connection.retransmit()), LOOKS);
  }

  /** Goes on with the handshake, or reads. */
  take(datagram?: Uint8Array): void {
    this.#do(() => {
      if (!this.shaken) this.shaken = this.connection.shake(datagram);
      else if (datagram) this.#read(datagram);
    });
  }

  send(data: string | Uint8Array): void {
    const datagram = this.connection.live ? this.connection.write(Buffer.from(data)) : undefined;
    if (datagram) this.#transmit(new Uint8Array(datagram));
  }

  /** Says close_notify. */
  end(): void {
    this.#do(() => this.connection.shutdown());
  }

  close(): void {
    if (this.shaken) this.end();
    this.reset();
  }

  /** Goes without a word. */
  reset(): void {
    clearInterval(this.#timer);
    this.connection.free();
  }

  pause(): void {}

  #read(datagram: Uint8Array): void {
    const goesOn = this.connection.read(datagram, (bytes) => this.messages.push(Buffer.from(bytes)));
    if (goesOn) return;
    this.ended = true;
    this.closed ??= 'end';
  }

  #do(act: () => void): void {
    if (!this.connection.live) return;
    try {
      act();
    } catch (error) {
      this.closed ??= (error as Error).message;
    }
    if (!this.connection.live) return;
    for (const datagram of this.connection.take()) this.#transmit(datagram);
    if (typeof this.closed === 'string' && this.closed !== 'end') this.reset();
  }
}

/** A client, whose handshake may go on by itself. */
export async function beginDtls(
  t: TestContext,
  to: number,
  { servername, port = 0, mtu = 1200, verify = 'none', ...settings }: DtlsOptions = {},
): Promise<Peer & { readonly shaken: boolean; readonly connection: DtlsConnection; readonly socket: dgram.Socket }> {
  const context = new SslContext({ verify, ...settings, role: 'client' });
  const socket = dgram.createSocket('udp4');
  socket.bind({ address: HOST, port });
  await once(socket, 'listening');
  const connection = new DtlsConnection(context, mtu, {
    servername,
    verifyName: verify === 'none' ? undefined : servername,
  });
  context.free();
  let open = true;
  const end = new End(connection, socket.address().port, (datagram) => {
    if (open) socket.send(datagram, to, HOST);
  });
  socket.on('message', (datagram) => end.take(datagram));
  socket.on('error', () => {});
  socket.once('close', () => {
    open = false;
  });
  t.after(() => {
    end.reset();
    if (open) socket.close();
  });
  end.take();
  return Object.assign(end, { socket });
}

/** A client, connected. Rejects where it is refused. */
export async function connectDtls(t: TestContext, to: number, options: DtlsOptions = {}): ReturnType<typeof beginDtls> {
  const peer = await beginDtls(t, to, options);
  await until(() => peer.shaken || peer.closed !== undefined, 'the handshake');
  if (!peer.shaken) throw new Error(`${peer.closed}`);
  return peer;
}

/** A server, which asks for a cookie that is always the same. */
export async function serveDtls(t: TestContext, options: ServerOptions & DtlsOptions): Promise<Server> {
  const { reply = (data: Buffer) => data, onPeer, mtu = 1200, verify = 'none', ...settings } = options;
  const context = new SslContext({ verify, ...settings, role: 'server' });
  const socket = dgram.createSocket('udp4');
  const ends = new Map<string, End>();
  const peers: Peer[] = [];
  const accept = (hello: Buffer, address: string, port: number): void => {
    const transmit = (datagram: Uint8Array): void => socket.send(datagram, port, address, () => {});
    const greeting = helloIn(hello);
    if (!greeting?.cookie.length) {
      if (greeting) transmit(helloVerifyRequest(greeting, Buffer.alloc(20)));
      return;
    }
    const end = new End(new DtlsConnection(context, mtu), port, transmit);
    if (!end.connection.listen(hello)) return;
    answering(end, reply);
    ends.set(`${address} ${port}`, end);
    peers.push(end);
    onPeer?.(end);
    end.take();
  };
  socket.on('message', (datagram, { address, port }) => {
    const end = ends.get(`${address} ${port}`);
    if (end?.connection.live) end.take(datagram);
    else if (isHello(datagram)) accept(datagram, address, port);
  });
  socket.on('error', () => {});
  const port = options.port ?? (await freePort());
  socket.bind({ address: HOST, port });
  await once(socket, 'listening');
  let stopped = false;
  const stop = async (): Promise<void> => {
    for (const end of ends.values()) end.reset();
    context.free();
    if (!stopped) socket.close();
    stopped = true;
  };
  t.after(stop);
  return { port, peers, stop };
}

function answering(end: End, reply: NonNullable<ServerOptions['reply']>): void {
  const push = end.messages.push.bind(end.messages);
  end.messages.push = (...all: Buffer[]) => {
    const length = push(...all);
    for (const data of all) {
      const answer = reply(data, end);
      // OpenSSL is in the middle of the record that it has read.
      if (answer !== undefined) setImmediate(() => end.send(answer));
    }
    return length;
  };
}
