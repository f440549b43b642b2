/**
 * For tests of I/O engines: forwarders over an engine, and peers. Where an engine relays, channels are joined by it,
 * else in JavaScript; the peers must not see a difference.
 */
import { spawn } from 'node:child_process';
import { createHash } from 'node:crypto';
import * as dgram from 'node:dgram';
import { once } from 'node:events';
import * as net from 'node:net';
import { type Channel, type CloseReason, DEFAULT_LIMITS, type QueueLimits } from '../core/channel.ts';
import type {
  Acceptor,
  DatagramListening,
  Engine,
  SocketAddress,
  SocketChannel,
  SocketListening,
} from '../core/engine.ts';
import { type FakeAttempt, attempt as fakeAttempt } from '../testing/fake-cluster-host.ts';
import { freePort } from '../testing/ports.ts';
import { createNativeEngine } from './native/index.ts';
import { scratchArena } from './native/system/arena.ts';
import { libc } from './native/system/libc.ts';
import { createNodeEngine } from './node/index.ts';

export interface TestedEngine {
  readonly name: string;
  readonly create: () => Engine;
  /** The settings that give a proxy such an engine. */
  readonly admin: { readonly io: string; readonly threads?: number };
  readonly skip: string | false;
}

/** The engines that every test of engines runs on, or why one cannot. */
export function engines(): TestedEngine[] {
  const skip = whyNotNative();
  return [
    { name: 'node', create: () => createNodeEngine(), admin: { io: 'node' }, skip: false },
    { name: 'native', create: () => createNativeEngine(), admin: { io: 'native' }, skip },
  ];
}

function whyNotNative(): string | false {
  try {
    void createNativeEngine().close();
    return false;
  } catch (error) {
    return (error as Error).message;
  }
}

export const attempt = (): FakeAttempt => ({ ...fakeAttempt({}, 'test', ''), timeout: 2000 });

/** Takes what an engine accepts. */
export function acceptor(accept: (channel: SocketChannel) => void, more: Partial<Acceptor> = {}): Acceptor {
  return { limits: DEFAULT_LIMITS, admit: () => true, accept, describe: () => ({}), ...more };
}

/** Tries ports until one is free. */
export async function onPort<T>(listen: (port: number) => Promise<T>): Promise<{ port: number; listening: T }> {
  for (let n = 0; ; n++) {
    const port = await freePort();
    try {
      return { port, listening: await listen(port) };
    } catch (error) {
      if (n > 50) throw error;
    }
  }
}

export interface JoinOptions {
  /** The end of the second is a disconnect that the session mends. */
  readonly mends?: boolean;
}

/** What a session does with two channels, reduced to what engines see of it. */
export class TestSession {
  readonly engine: Engine;
  readonly source: SocketChannel;
  destination: SocketChannel | undefined;
  /** How each closed, if it did. */
  readonly closed: { who: 'source' | 'destination'; reason: CloseReason }[] = [];
  readonly faults: string[] = [];
  relay: ReturnType<NonNullable<Engine['relay']>>;
  /** Called in place of closing the source too. */
  onLost: (() => void) | undefined;
  #ends = 0;
  readonly #options: JoinOptions;

  constructor(engine: Engine, source: SocketChannel, options: JoinOptions = {}) {
    this.engine = engine;
    this.source = source;
    this.#options = options;
    source.owner = {
      closed: (_channel, reason) => this.#lost('source', reason),
      fault: (_channel, message) => this.faults.push(message),
    };
  }

  join(destination: SocketChannel): void {
    const { engine, source } = this;
    this.destination = destination;
    destination.owner = {
      closed: (channel, reason) => channel === this.destination && this.#lost('destination', reason),
      fault: (_channel, message) => this.faults.push(message),
    };
    if (!source.open) {
      destination.close({ kind: 'end', message: '' });
      return;
    }
    const relay = engine.relay as
      | ((a: SocketChannel, b: SocketChannel, mends?: boolean) => typeof this.relay)
      | undefined;
    this.relay = relay?.call(engine, source, destination, this.#options.mends);
    this.#pipe(source, destination);
    this.#pipe(destination, source);
  }

  end(reason: CloseReason = { kind: 'end', message: 'over' }): void {
    this.destination?.close(reason);
    this.source.close(reason);
  }

  #pipe(from: Channel, to: Channel): void {
    to.writer = { drained: () => from.resume() };
    from.read({
      message: (bytes, attributes, owned) => {
        if (!to.write(bytes, attributes, owned)) from.pause();
      },
      end: () => this.#ended(from, to),
    });
    from.resume();
  }

  #ended(from: Channel, to: Channel): void {
    if (this.#options.mends && from === this.destination && !from.endSent) {
      from.close({ kind: 'end', message: 'mended' });
      this.#lost('destination', { kind: 'end', message: 'ended' });
      return;
    }
    to.end();
    if (++this.#ends === 2) this.end();
  }

  #lost(who: 'source' | 'destination', reason: CloseReason): void {
    this.closed.push({ who, reason });
    if (who === 'destination' && this.onLost) {
      this.destination = undefined;
      this.source.pause();
      this.onLost();
    } else if (who === 'source') this.destination?.close(reason);
    else this.source.close(reason);
  }
}

export interface Forwarder {
  readonly port: number;
  readonly sessions: TestSession[];
  readonly listening: SocketListening;
}

/** Listens, and joins each connection with a new one to the target. */
export async function forwardStreams(
  engine: Engine,
  target: SocketAddress,
  options: JoinOptions = {},
): Promise<Forwarder> {
  const sessions: TestSession[] = [];
  const accept = (source: SocketChannel): void => {
    const session = new TestSession(engine, source, options);
    sessions.push(session);
    Promise.resolve(engine.connectStream(target, attempt(), DEFAULT_LIMITS)).then(
      (channel) => session.join(channel),
      () => source.close({ kind: 'error', message: 'not connected' }),
    );
  };
  const { port, listening } = await onPort((port) =>
    engine.listenStream({ host: '127.0.0.1', port }, acceptor(accept)),
  );
  return { port, sessions, listening };
}

export async function forwardDatagrams(
  engine: Engine,
  target: number,
  {
    host = '127.0.0.1',
    port: asked,
    limits = DEFAULT_LIMITS,
  }: { host?: string; port?: number; limits?: QueueLimits } = {},
): Promise<Forwarder & { listening: DatagramListening }> {
  const sessions: TestSession[] = [];
  const accept = (source: SocketChannel): void => {
    const session = new TestSession(engine, source);
    sessions.push(session);
    const to = { host: '127.0.0.1', port: target };
    void Promise.resolve(engine.connectDatagram(to, attempt(), limits)).then((channel) => session.join(channel));
  };
  const listen = (port: number) => engine.listenDatagram({ host, port }, acceptor(accept, { limits }));
  if (asked !== undefined) return { port: asked, sessions, listening: await listen(asked) };
  return { ...(await onPort(listen)), sessions };
}

/** Listens, and keeps the channel of each peer. */
export async function takeDatagrams(
  engine: Engine,
  more: Partial<Acceptor> = {},
): Promise<{ port: number; listening: DatagramListening; channels: SocketChannel[] }> {
  const channels: SocketChannel[] = [];
  const accept = acceptor((channel) => channels.push(channel), more);
  return { ...(await onPort((port) => engine.listenDatagram({ host: '127.0.0.1', port }, accept))), channels };
}

// -------------------------------------------------------------------- peers

const opened: (() => void)[] = [];

/** Closes what peers have opened: call it after each test, whatever became of it. */
export function closePeers(): void {
  for (const close of opened.splice(0)) close();
}

/** A server whose connections are handled by the test. */
export async function server(
  connection: (socket: net.Socket) => void,
): Promise<{ port: number; server: net.Server; sockets: net.Socket[] }> {
  const sockets: net.Socket[] = [];
  const server = net.createServer({ allowHalfOpen: true, noDelay: true }, (socket) => {
    sockets.push(socket);
    opened.push(() => socket.destroy());
    socket.on('error', () => {});
    connection(socket);
  });
  opened.push(() => server.close());
  const { port } = await onPort(
    (port) =>
      new Promise<void>((resolve, reject) => {
        server.once('error', reject);
        server.listen(port, '127.0.0.1', () => {
          server.off('error', reject);
          resolve();
        });
      }),
  );
  return { port, server, sockets };
}

/** A listener that never accepts, with a full backlog: the kernel drops the SYN of each further connection (listen(2)). */
export async function silentPort(): Promise<number> {
  const port = await freePort();
  const listen = `net.createServer().listen({ port: ${port}, host: '127.0.0.1', backlog: 1 }, () => console.log())`;
  const child = spawn(process.execPath, ['-e', listen], { stdio: ['ignore', 'pipe', 'inherit'] });
  opened.push(() => child.kill('SIGKILL'));
  await once(child.stdout, 'data');
  child.kill('SIGSTOP');
  await Promise.all([client(port), client(port)].map((socket) => once(socket, 'connect')));
  return port;
}

export function client(port: number): net.Socket {
  const socket = net.connect({ port, host: '127.0.0.1', allowHalfOpen: true, noDelay: true });
  socket.on('error', () => {});
  opened.push(() => socket.destroy());
  return socket;
}

const MSG_OOB = 1;
/** A message with one descriptor (SCM_RIGHTS): struct msghdr, iovec and cmsghdr on 64-bit systems. */
const MESSAGE = { header: 0, vector: 64, control: 96, controlLength: 20, bytes: 256 };
const SOL_SOCKET_RIGHTS = [1, 1] as const;

function descriptorOf(socket: net.Socket | number): number {
  return typeof socket === 'number' ? socket : (socket as unknown as { _handle: { fd: number } })._handle.fd;
}

function putBytes(bytes: Uint8Array): number {
  const arena = scratchArena();
  arena.u8.set(bytes, MESSAGE.bytes);
  return arena.base + MESSAGE.bytes;
}

/** Sends bytes of which the last one is urgent (tcp(7)), behind what the socket has written. */
export function sendUrgent(socket: net.Socket, bytes: Uint8Array): void {
  const sent = libc().send(descriptorOf(socket), putBytes(bytes), bytes.length, MSG_OOB);
  if (sent !== bytes.length) throw new Error(`send: ${libc().errno()}`);
}

/** Sends bytes over a UNIX socket, or the descriptor of one, together with its own descriptor (unix(7)). */
export function sendWithDescriptor(socket: net.Socket | number, bytes: Uint8Array): void {
  const arena = scratchArena();
  const { u32 } = arena;
  putBytes(bytes);
  u32.fill(0, 0, MESSAGE.bytes >> 2);
  arena.point(MESSAGE.header + 16, MESSAGE.vector);
  u32[(MESSAGE.header + 24) >> 2] = 1;
  arena.point(MESSAGE.header + 32, MESSAGE.control);
  u32[(MESSAGE.header + 40) >> 2] = MESSAGE.controlLength;
  arena.point(MESSAGE.vector, MESSAGE.bytes);
  u32[(MESSAGE.vector + 8) >> 2] = bytes.length;
  u32.set([MESSAGE.controlLength, 0, ...SOL_SOCKET_RIGHTS, descriptorOf(socket)], MESSAGE.control >> 2);
  const sent = libc().sendmsg(descriptorOf(socket), arena.base + MESSAGE.header, 0);
  if (sent !== bytes.length) throw new Error(`sendmsg: ${libc().errno()}`);
}

/** All that a socket receives until the other side ends. */
export function receiveAll(socket: net.Socket): Promise<Buffer> {
  const parts: Buffer[] = [];
  socket.on('data', (part: Buffer) => parts.push(part));
  socket.resume();
  return new Promise((resolve, reject) => {
    socket.once('end', () => resolve(Buffer.concat(parts)));
    socket.once('error', reject);
    socket.once('close', () => reject(new Error('closed without an end')));
  });
}

/** A datagram socket that keeps what it receives. */
export async function datagramPeer(
  answer?: (bytes: Buffer, from: dgram.RemoteInfo, socket: dgram.Socket) => void,
  port = 0,
): Promise<{ socket: dgram.Socket; port: number; received: Buffer[]; from: dgram.RemoteInfo[] }> {
  const received: Buffer[] = [];
  const from: dgram.RemoteInfo[] = [];
  let open = true;
  const socket = dgram.createSocket('udp4');
  opened.push(() => {
    if (open) socket.close();
    open = false;
  });
  socket.once('close', () => {
    open = false;
  });
  socket.on('error', () => {});
  socket.on('message', (bytes, peer) => {
    received.push(bytes);
    from.push(peer);
    answer?.(bytes, peer, socket);
  });
  await new Promise<void>((resolve) => socket.bind(port, '127.0.0.1', resolve));
  socket.setRecvBufferSize(4 << 20);
  return { socket, port: socket.address().port, received, from };
}

export function hash(bytes: Uint8Array): string {
  return createHash('sha256').update(bytes).digest('hex');
}
