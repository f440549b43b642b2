/** What a listener says by itself: errors as JSON, and how a connection is given back when more may be coming on it. */
import { type IncomingMessage, type OutgoingHttpHeaders, type ServerResponse, STATUS_CODES } from 'node:http';
import type { Duplex } from 'node:stream';
import type { CloseReason } from '../../../core/channel.ts';
import { errorBody } from '../../../core/errors.ts';
import type { ListenerHost } from '../../../core/protocol.ts';
import { cutLater, LINGER } from '../linger.ts';

/** How much of a request that is answered already is read and thrown away before the connection is cut, in bytes. */
const DRAIN_BYTES = 16 << 20;

/** Seconds after which a client that was one too many may come again. */
const RETRY_AFTER = { 'retry-after': '1' };

/**
 * What a client is told that was not admitted: that it is the listener which has too many (RFC 6585 section 4), or the whole
 * proxy; or that nobody from there is served, as it may be on a connection that is older than the option.
 */
export function refusal(
  host: ListenerHost,
  address: string | undefined,
): [status: number, content: string, headers: Readonly<Record<string, string>>] {
  if (host.denies(address)) return [403, 'nobody is served from there', {}];
  return [host.overloaded() ? 503 : 429, 'too many sessions', RETRY_AFTER];
}

/** What a client is told where a session ends before the answer has begun. */
export function statusOf({ kind }: CloseReason): number {
  if (kind === 'reset' || kind === 'error') return 502;
  return kind === 'timeout' || kind === 'idle' ? 504 : 503;
}

/** Answers a request with an error. */
export function answerError(
  res: ServerResponse,
  status: number,
  content: string,
  headers: OutgoingHttpHeaders = {},
): void {
  const body = JSON.stringify(errorBody(status, content));
  const length = Buffer.byteLength(body);
  // The reason is given, because node keeps that of an earlier head which it would not take.
  res.writeHead(status, STATUS_CODES[status] ?? 'Error', {
    ...headers,
    'content-type': 'application/json',
    'content-length': length,
  });
  res.end(body);
}

/** Answers on the bare socket, where node has no response for it, and closes the connection. */
export function answerSocket(
  socket: Duplex,
  status: number,
  content: string,
  headers: Readonly<Record<string, string>> = {},
): void {
  const body = JSON.stringify(errorBody(status, content));
  const all = { connection: 'close', 'content-type': 'application/json', ...headers };
  const lines = Object.entries(all).map(([name, value]) => `${name}: ${value}\r\n`);
  const length = Buffer.byteLength(body);
  const head = `HTTP/1.1 ${status} ${STATUS_CODES[status] ?? 'Error'}\r\n${lines.join('')}content-length: ${length}\r\n\r\n`;
  socket.end(head + body);
  cutLater(socket);
  socket.resume();
}

/**
 * Reads what is left of a request and throws it away, so that the connection can be used again, and so that the answer
 * is not lost: Linux answers data that nobody has read with a reset. What takes too long or is too much is cut.
 */
export function drain(req: IncomingMessage): void {
  if (req.readableEnded) return;
  let left = DRAIN_BYTES;
  req.on('data', (bytes: Buffer) => {
    left -= bytes.length;
    if (left < 0) req.socket.destroy();
  });
  const timer = setTimeout(() => req.socket.destroy(), LINGER);
  timer.unref();
  req.once('close', () => clearTimeout(timer));
  req.resume();
}
