/** Clients and servers that write down what they see. */
import { createHash, type Hash } from 'node:crypto';
import * as dgram from 'node:dgram';
import { once } from 'node:events';
import * as net from 'node:net';
import { until } from '../../src/testing/until.ts';
import type { Transport } from './script.ts';

export const HOST = '127.0.0.1';

/** Where a server listens. */
export interface Place {
  readonly transport: Transport;
  readonly port: number;
  readonly path: string;
}

const BLOCK = 65_536;

/** The bytes that one side writes: what comes at which place of the stream is known from the place. */
export class Source {
  #at = 0;
  readonly #salt: number;

  constructor(salt: number) {
    this.#salt = salt;
  }

  /** Bytes given so far. */
  get given(): number {
    return this.#at;
  }

  take(size: number): Buffer {
    const bytes = Buffer.allocUnsafe(size);
    for (let n = 0; n < size; n++) bytes[n] = this.#byte(this.#at + n);
    this.#at += size;
    return bytes;
  }

  #byte(at: number): number {
    return (at ^ (at >>> 8) ^ (Math.floor(at / BLOCK) * 31) ^ this.#salt) & 0xff;
  }
}

/** One end of a connection, or of what passes for one with datagrams. */
export abstract class End {
  /** What it saw, in order; bytes are summed up by `log`. */
  readonly #log: string[] = [];
  #hash: Hash | undefined;
  #since = 0;
  /** Bytes and messages that came. */
  received = 0;
  messages = 0;
  ended = false;
  closed: string | undefined;

  abstract write(bytes: Buffer): void;
  end(): void {}
  reset(): void {}
  vanish(): void {}
  pause(): void {}
  resume(): void {}

  /** All that it saw. */
  get log(): string[] {
    this.#sum();
    return this.#log;
  }

  protected data(bytes: Buffer): void {
    this.#hash ??= createHash('sha256');
    this.#hash.update(bytes);
    this.#since += bytes.length;
    this.received += bytes.length;
    this.messages++;
  }

  protected note(what: string): void {
    this.#sum();
    this.#log.push(what);
  }

  #sum(): void {
    if (!this.#hash) return;
    this.#log.push(`${this.#since} bytes ${this.#hash.digest('hex').slice(0, 16)}`);
    this.#hash = undefined;
    this.#since = 0;
  }
}

export class StreamEnd extends End {
  readonly socket: net.Socket;

  constructor(socket: net.Socket) {
    super();
    this.socket = socket;
    socket.on('data', (bytes: Buffer) => this.data(bytes));
    socket.on('end', () => {
      this.ended = true;
      this.note('end');
    });
    socket.on('error', (error: NodeJS.ErrnoException) => {
      this.closed ??= error.code ?? error.message;
    });
    socket.on('close', () => {
      this.closed ??= 'in order';
      this.note(`closed ${this.closed}`);
    });
  }

  write(bytes: Buffer): void {
    this.socket.write(bytes);
  }

  override end(): void {
    this.socket.end();
  }

  override reset(): void {
    this.socket.resetAndDestroy();
  }

  override vanish(): void {
    this.socket.destroy();
  }

  override pause(): void {
    this.socket.pause();
  }

  override resume(): void {
    this.socket.resume();
  }
}

/** `boundaries`: each message is written down. */
class DatagramEnd extends End {
  readonly #send: (bytes: Buffer) => void;
  readonly #boundaries: boolean;

  constructor(send: (bytes: Buffer) => void, boundaries: boolean) {
    super();
    this.#send = send;
    this.#boundaries = boundaries;
  }

  write(bytes: Buffer): void {
    this.#send(bytes);
  }

  take(bytes: Buffer): void {
    this.data(bytes);
    if (this.#boundaries) this.note('message');
  }
}

export interface Client {
  readonly end: End;
  close(): void;
}

export async function connect(to: Place, boundaries: boolean): Promise<Client> {
  if (to.transport === 'UDP') return datagramClient(to.port, boundaries);
  const where = to.transport === 'TCP' ? { host: HOST, port: to.port } : { path: to.path };
  const socket = net.connect({ ...where, allowHalfOpen: true, noDelay: true } as net.NetConnectOpts);
  await once(socket, 'connect');
  return { end: new StreamEnd(socket), close: () => socket.destroy() };
}

async function datagramClient(port: number, boundaries: boolean): Promise<Client> {
  const socket = dgram.createSocket('udp4');
  const end = new DatagramEnd((bytes) => socket.send(bytes, port, HOST), boundaries);
  socket.on('message', (bytes) => end.take(bytes));
  socket.on('error', () => {});
  socket.bind(0, HOST);
  await once(socket, 'listening');
  return { end, close: () => socket.close() };
}

/** A server that can go and come back. Its ends are those of its clients, in the order in which they came. */
export interface Server {
  readonly ends: End[];
  open(): Promise<void>;
  kill(): Promise<void>;
}

export function makeServer(at: Place, boundaries: boolean): Server {
  return at.transport === 'UDP' ? new DatagramServer(at.port, boundaries) : new StreamServer(at);
}

class StreamServer implements Server {
  readonly ends: StreamEnd[] = [];
  readonly #at: Place;
  #server: net.Server | undefined;

  constructor(at: Place) {
    this.#at = at;
  }

  async open(): Promise<void> {
    const { transport, port, path } = this.#at;
    const server = net.createServer({ allowHalfOpen: true, noDelay: true }, (socket) => {
      this.ends.push(new StreamEnd(socket));
    });
    server.listen(transport === 'TCP' ? { host: HOST, port } : { path });
    await once(server, 'listening');
    this.#server = server;
  }

  async kill(): Promise<void> {
    const server = this.#server;
    this.#server = undefined;
    const closed = server && new Promise((resolve) => server.close(resolve));
    for (const { socket } of this.ends) socket.destroy();
    await closed;
  }
}

class DatagramServer implements Server {
  readonly ends: DatagramEnd[] = [];
  readonly #byPort = new Map<number, DatagramEnd>();
  readonly #port: number;
  readonly #boundaries: boolean;
  #socket: dgram.Socket | undefined;

  constructor(port: number, boundaries: boolean) {
    this.#port = port;
    this.#boundaries = boundaries;
  }

  async open(): Promise<void> {
    const socket = dgram.createSocket('udp4');
    socket.on('message', (bytes, { port }) => this.#endOf(port).take(bytes));
    socket.on('error', () => {});
    socket.bind(this.#port, HOST);
    await once(socket, 'listening');
    this.#socket = socket;
  }

  async kill(): Promise<void> {
    const socket = this.#socket;
    this.#socket = undefined;
    if (socket) await new Promise<void>((resolve) => socket.close(() => resolve()));
  }

  #endOf(port: number): DatagramEnd {
    let end = this.#byPort.get(port);
    if (!end) {
      end = new DatagramEnd((bytes) => this.#socket?.send(bytes, port, HOST), this.#boundaries);
      this.#byPort.set(port, end);
      this.ends.push(end);
    }
    return end;
  }
}

/** The end at the server that has come after `before` others. */
export function nextEnd(server: Server, before: number): Promise<End> {
  return until(() => server.ends[before], `connection ${before + 1} at the server`);
}
