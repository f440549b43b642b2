/** For the tests of JSONSocket: the proxy's side of both contracts over an engine, and bare peers that remember. */
import * as dgram from 'node:dgram';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import * as net from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { TestContext } from 'node:test';
import { type Channel, DEFAULT_LIMITS } from '../../core/channel.ts';
import type { L7mpError } from '../../core/errors.ts';
import { SILENT } from '../../core/log.ts';
import type { Metadata } from '../../core/metadata.ts';
import type { Attempt, ClusterHost, ClusterSide, Dialer, ListenerHost, ListenerSide, Listening, Protocol, Spec } from '../../core/protocol.ts';
import { createNodeEngine } from '../../io/node/index.ts';
import type { Engine } from '../../io/engine.ts';
import { tcp } from '../tcp/index.ts';
import { udp } from '../udp/index.ts';
import { unix } from '../unix/index.ts';
import { jsonsocket } from './index.ts';

const TRANSPORTS = new Map<string, Protocol>([udp, tcp, unix].map((protocol) => [protocol.name, protocol]));

export const LISTENER = jsonsocket.listener as ListenerSide;
export const CLUSTER = jsonsocket.cluster as ClusterSide;

/** What arrives, to be taken in order by who waits for it. */
export class Inbox<T> {
  readonly #items: T[] = [];
  readonly #waiting: ((item: T) => void)[] = [];

  push(item: T): void {
    const taker = this.#waiting.shift();
    if (taker) taker(item);
    else this.#items.push(item);
  }

  next(): Promise<T> {
    const [item] = this.#items.splice(0, 1);
    return item === undefined ? new Promise((resolve) => this.#waiting.push(resolve)) : Promise.resolve(item);
  }

  get size(): number {
    return this.#items.length;
  }
}

export function engine(t: TestContext): Engine {
  const io = createNodeEngine();
  t.after(() => io.close());
  return io;
}

// -------------------------------------------------------------------- the proxy's side

export interface TestListener {
  readonly accepted: Inbox<Channel>;
  readonly rejected: Inbox<string>;
  readonly listening: Listening;
}

/** A JSONSocket listener that runs. At most `most` sessions are admitted. */
export async function listenOn(io: Engine, transport: Spec, options: { connect_timeout?: number; most?: number } = {}): Promise<TestListener> {
  const accepted = new Inbox<Channel>();
  const rejected = new Inbox<string>();
  let sessions = 0;
  const host: ListenerHost = {
    name: 'l',
    options,
    limits: DEFAULT_LIMITS,
    io,
    log: SILENT,
    admit: () => {
      if (sessions < (options.most ?? Number.POSITIVE_INFINITY)) return true;
      rejected.push('max-sessions');
      return false;
    },
    accept: (channel) => {
      sessions++;
      accepted.push(channel);
    },
    reject: (why) => rejected.push(why),
    listenOn: (spec, accept) => (TRANSPORTS.get(spec.protocol)?.listener as ListenerSide).listen(spec, { ...host, accept }),
  };
  return { accepted, rejected, listening: await LISTENER.listen({ protocol: 'JSONSocket', transport }, host) };
}

/** The dialler of a JSONSocket cluster. */
export async function dialerOf(io: Engine, spec: { transport: Spec; header?: unknown }): Promise<Dialer> {
  const host = {
    name: 'c',
    options: {},
    limits: DEFAULT_LIMITS,
    io,
    log: SILENT,
    dialerOn: async (under: Spec) => (TRANSPORTS.get(under.protocol)?.cluster as ClusterSide).open(under, host),
  } as unknown as ClusterHost;
  return CLUSTER.open(spec, host);
}

export function attemptTo(address: string, metadata: Metadata = {}): Attempt & { cancelled: boolean } {
  return { address, timeout: 2000, session: { name: 's', metadata }, cancelled: false, onCancel: undefined };
}

/** What a channel brings from now on, as text. Writes every message back where `echo`. */
export function reading(channel: Channel, { echo = false } = {}): Inbox<string> {
  const inbox = new Inbox<string>();
  channel.owner = { closed: (_channel, { kind }) => inbox.push(`(${kind})`) };
  channel.read({
    message: (bytes) => {
      inbox.push(Buffer.from(bytes).toString());
      if (echo) channel.write(bytes);
    },
    end: () => inbox.push('(end of data)'),
  });
  return inbox;
}

/** Expects an L7mpError of this code. */
export function failure(code: string, message: RegExp): (error: L7mpError) => boolean {
  return (error) => error.code === code && message.test(error.message);
}

// -------------------------------------------------------------------- bare peers

export interface UdpPeer {
  readonly port: number;
  readonly inbox: Inbox<{ readonly text: string; readonly from: number }>;
  send(text: string, port: number): void;
}

export async function udpPeer(t: TestContext): Promise<UdpPeer> {
  const socket = dgram.createSocket('udp4');
  const inbox: UdpPeer['inbox'] = new Inbox();
  t.after(() => socket.close());
  socket.on('message', (bytes, { port }) => inbox.push({ text: bytes.toString(), from: port }));
  socket.bind(0, '127.0.0.1');
  await once(socket, 'listening');
  return { port: socket.address().port, inbox, send: (text, port) => socket.send(text, port, '127.0.0.1') };
}

/** One end of a byte stream; remembers all that came. */
export class StreamPeer {
  readonly socket: net.Socket;
  /** The peer's FIN was read. */
  readonly ended: Promise<unknown>;
  text = '';
  #waiting: (() => void) | undefined;

  constructor(socket: net.Socket) {
    this.socket = socket;
    this.ended = new Promise((resolve) => socket.once('end', resolve));
    socket.on('error', () => {});
    socket.on('data', (bytes) => {
      this.text += bytes.toString();
      this.#waiting?.();
    });
  }

  /** Waits until all that came is this text. */
  async comes(text: string): Promise<void> {
    while (!this.text.includes(text)) await new Promise<void>((resolve) => (this.#waiting = resolve));
  }
}

export async function connectStream(t: TestContext, to: { port: number } | { path: string }): Promise<StreamPeer> {
  const socket = net.connect({ host: '127.0.0.1', allowHalfOpen: true, ...to });
  t.after(() => socket.destroy());
  const peer = new StreamPeer(socket);
  await once(socket, 'connect');
  return peer;
}

/** A server of byte streams; gives its connections. */
export async function streamServer(t: TestContext, at: { port: number } | { path: string }): Promise<{ port: number; peers: Inbox<StreamPeer> }> {
  const peers = new Inbox<StreamPeer>();
  const server = net.createServer({ allowHalfOpen: true }, (socket) => {
    t.after(() => socket.destroy());
    peers.push(new StreamPeer(socket));
  });
  t.after(() => server.close());
  server.listen({ host: '127.0.0.1', ...at });
  await once(server, 'listening');
  const address = server.address();
  return { port: typeof address === 'object' && address ? address.port : 0, peers };
}

/** A port below 32,768, where the kernel takes none for its own connections, that is free for UDP and TCP. */
export async function freePort(): Promise<number> {
  for (;;) {
    const port = 10_000 + Math.floor(Math.random() * 10_000);
    const socket = dgram.createSocket('udp4');
    const server = net.createServer();
    try {
      socket.bind({ port, exclusive: true });
      await once(socket, 'listening');
      server.listen(port);
      await once(server, 'listening');
      return port;
    } catch {
      // taken: the next
    } finally {
      socket.close();
      server.close();
    }
  }
}

export function socketPath(t: TestContext): string {
  const folder = mkdtempSync(join(tmpdir(), 'jsonsocket-'));
  t.after(() => rmSync(folder, { recursive: true }));
  return join(folder, 's');
}
