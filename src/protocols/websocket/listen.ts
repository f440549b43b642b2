import type { IncomingMessage } from 'node:http';
import type { ServerOptions, WebSocket, WebSocketServer } from 'ws';
import type { Channel, CloseReason, Head, QueueLimits } from '../../core/channel.ts';
import type { ByteStream } from '../../core/channel-duplex.ts';
import type { L7mpError } from '../../core/errors.ts';
import type { Metadata } from '../../core/metadata.ts';
import type { ListenerHost, Listening } from '../../core/protocol.ts';
import { tokens } from '../http/headers.ts';
import { pathName, requestMetadata } from '../http/metadata.ts';
import { answerSocket, refusal, statusOf } from '../http/server/answer.ts';
import { type Call, refuseCall, serve, type UpgradeCall } from '../http/server/serve.ts';
import { WebSocketChannel, type WebSocketOptions, wsOptions } from './channel.ts';
import { UnexpectedResponse } from './dial.ts';
import { splitProtocols } from './subprotocols.ts';

/** What a client may send behind its handshake before that is answered, in bytes: it should send nothing. */
const MAX_EARLY = 64 << 10;

/** RFC 6455 section 4.1: 16 bytes in base64. */
const KEY = /^[+/0-9A-Za-z]{22}==$/;

const UPGRADE = { upgrade: 'websocket', connection: 'upgrade, close' };

export interface Served extends WebSocketOptions {
  readonly path: string | undefined;
  /** The upgrade waits for the endpoint, and passes its answer on. */
  readonly waits: () => boolean;
}

/** `servedBy`: what is served by a specification. */
export async function listen(spec: object, servedBy: (spec: object) => Served, host: ListenerHost): Promise<Listening> {
  // Loaded by who needs it: a proxy without WebSockets starts sooner.
  const { WebSocketServer } = await import('ws');
  const upgraderOf = (served: Served): WebSocketServer =>
    new WebSocketServer({ ...wsOptions(served), noServer: true, clientTracking: false } as ServerOptions);
  let served = servedBy(spec);
  let upgrader = upgraderOf(served);
  const listening = await serve(spec, host, {
    request: (call) => refuseRequest(call, served, host),
    upgrade: (call) => take(call, served, host, upgrader),
  });
  return {
    ...listening,
    reconfigure: async (now, options) => {
      if (!(await listening.reconfigure(now, options))) return false;
      served = servedBy(now);
      upgrader = upgraderOf(served);
      return true;
    },
  };
}

function refuseRequest(call: Call, { path }: Served, host: ListenerHost): void {
  if (path !== undefined && pathName(call.req.url) !== path) refuseOther(path, host, refuseCall.bind(undefined, call));
  else refuseCall(call, 426, 'only WebSocket is served here', UPGRADE);
}

function take(call: UpgradeCall, served: Served, host: ListenerHost, upgrader: WebSocketServer): void {
  const { req, socket } = call;
  const { path } = served;
  const wrong = malformed(req);
  if (path !== undefined && pathName(req.url) !== path) refuseOther(path, host, answerSocket.bind(undefined, socket));
  else if (!tokens(req.headers.upgrade).includes('websocket')) {
    answerSocket(socket, 426, 'only WebSocket is served here', UPGRADE);
  } else if (wrong !== undefined) {
    host.reject('bad-handshake');
    answerSocket(socket, 400, `the WebSocket handshake has ${wrong}`);
  } else if (req.headers['sec-websocket-version'] !== '13') {
    host.reject('bad-handshake');
    // RFC 6455 section 4.2.2: the versions that are spoken are named.
    answerSocket(socket, 426, 'the version of WebSocket is not 13', { ...UPGRADE, 'sec-websocket-version': '13' });
  } else if (!host.admit({ address: call.connection.address })) {
    answerSocket(socket, ...refusal(host, call.connection.address));
  } else host.accept(new AcceptedChannel(new Handshake(call, upgrader), served, host.limits));
}

function refuseOther(path: string, host: ListenerHost, answer: (status: number, content: string) => void): void {
  host.reject('wrong-path');
  answer(404, `nothing is served here but ${path}`);
}

/** What is wrong with a handshake, by RFC 6455 section 4.2.1. */
function malformed({ method, headers, httpVersion }: IncomingMessage): string | undefined {
  if (method !== 'GET') return 'a method other than GET';
  if (httpVersion !== '1.1') return 'a version of HTTP other than 1.1';
  if (tokens(headers.upgrade).filter((one) => one === 'websocket').length > 1) return 'websocket twice in its Upgrade';
  if (headers['transfer-encoding'] !== undefined || Number(headers['content-length'] ?? 0) > 0) return 'a body';
  if (!KEY.test(headers['sec-websocket-key'] ?? '')) return 'no valid Sec-WebSocket-Key';
  const { 'sec-websocket-protocol': offered } = headers;
  if (offered !== undefined && !splitProtocols(offered)) return 'an invalid Sec-WebSocket-Protocol';
  return undefined;
}

/** A handshake that has not been answered. Owns the socket until it is. */
class Handshake {
  readonly req: IncomingMessage;
  readonly lower: Channel;
  /** Called when the client goes away meanwhile. */
  onGone: (() => void) | undefined;
  readonly #socket: ByteStream;
  readonly #upgrader: WebSocketServer;
  readonly #early: Buffer[] = [];
  #earlyBytes = 0;

  constructor({ req, socket, connection }: UpgradeCall, upgrader: WebSocketServer) {
    this.#upgrader = upgrader;
    this.req = req;
    this.lower = connection.lower;
    this.#socket = socket;
    // The socket is read, because only that shows that the client has gone.
    socket.on('data', this.#keep).on('end', this.#gone).on('close', this.#gone).resume();
  }

  get offered(): string[] {
    return splitProtocols(this.req.headers['sec-websocket-protocol'] ?? '') ?? [];
  }

  /** Leaves only one subprotocol, or none, of those that the client has offered: ws chooses the first. */
  narrow(protocol: string | undefined): void {
    const { headers } = this.req;
    if (protocol === undefined) delete headers['sec-websocket-protocol'];
    else headers['sec-websocket-protocol'] = protocol;
  }

  /** The socket goes to ws, with what came behind the handshake; where it is dead already, `onGone` follows. */
  upgrade(done: (ws: WebSocket, socket: ByteStream) => void): void {
    const socket = this.#release();
    socket.once('close', this.#gone);
    this.#upgrader.handleUpgrade(this.req, socket, Buffer.concat(this.#early), (ws) => {
      socket.off('close', this.#gone);
      done(ws, socket);
    });
  }

  refuse(status: number, content: string, headers?: Readonly<Record<string, string>>): void {
    answerSocket(this.#release(), status, content, headers);
  }

  #release(): ByteStream {
    return this.#socket.off('data', this.#keep).off('end', this.#gone).off('close', this.#gone);
  }

  #keep = (bytes: Buffer): void => {
    this.#early.push(bytes);
    this.#earlyBytes += bytes.length;
    if (this.#earlyBytes > MAX_EARLY) this.#socket.destroy();
  };

  #gone = (): void => {
    this.#release().destroy();
    this.onGone?.();
  };
}

/** A client's WebSocket. Its upgrade is answered when a route was found, or, with `waits`, when the endpoint has. */
class AcceptedChannel extends WebSocketChannel {
  readonly #waits: boolean;
  readonly #describe: () => Metadata;
  #handshake: Handshake | undefined;
  #refusal: L7mpError | undefined;

  constructor(handshake: Handshake, served: Served, limits: QueueLimits) {
    super(served, limits);
    this.#waits = served.waits();
    this.#handshake = handshake;
    const { req, lower } = handshake;
    this.#describe = () => requestMetadata(req, lower);
    // At once, and not at the upgrade: the rules may make the metadata that the endpoint is offered a copy before.
    if (!this.#waits) handshake.narrow(handshake.offered[0]);
    handshake.onGone = () => {
      this.#handshake = undefined;
      this.deliverClose({ kind: 'reset', message: 'the client has closed the connection' });
    };
  }

  override describe(): Metadata {
    return this.#describe();
  }

  override routed(): void {
    if (!this.#waits) this.#upgrade(this.#handshake?.offered[0]);
  }

  // An endpoint that is no WebSocket has no say in it.
  override accept(head?: Head): void {
    this.#upgrade(head ? head.protocol : this.#handshake?.offered[0]);
  }

  override head({ protocol }: Head): void {
    this.#upgrade(protocol);
  }

  override refuse(error: L7mpError): void {
    this.#refusal = error;
    super.refuse(error);
  }

  protected override shut(reason: CloseReason): void {
    const handshake = this.#handshake;
    this.#handshake = undefined;
    if (!handshake) {
      super.shut(reason);
      return;
    }
    const cause = this.#refusal?.cause;
    if (cause instanceof UnexpectedResponse && cause.status >= 300) {
      handshake.refuse(cause.status, reason.message, cause.headers);
    } else handshake.refuse(this.#refusal?.status ?? statusOf(reason), reason.message);
  }

  #upgrade(protocol: string | undefined): void {
    const handshake = this.#handshake;
    if (!handshake) return;
    handshake.narrow(protocol);
    handshake.upgrade((ws, socket) => {
      this.#handshake = undefined;
      this.attach(ws, socket);
    });
  }
}
