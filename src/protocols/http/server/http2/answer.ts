/** What a listener says by itself on HTTP/2, and how a stream is given back. */
import type { OutgoingHttpHeaders, ServerHttp2Stream } from 'node:http2';
import { errorBody } from '../../../../core/errors.ts';
import { CANCEL, NO_ERROR } from '../../codes.ts';
import { LINGER } from '../../linger.ts';

/** Answers a request with an error, as `answerError` does on HTTP/1.1. Of what is left of the request nothing is wanted. */
export function answerStream(
  stream: ServerHttp2Stream,
  status: number,
  content: string,
  headers: OutgoingHttpHeaders = {},
): void {
  if (stream.destroyed || stream.closed) return;
  const body = JSON.stringify(errorBody(status, content));
  stream.respond({
    ...headers,
    ':status': status,
    'content-type': 'application/json',
    'content-length': Buffer.byteLength(body),
  });
  // Node has ended the answer to HEAD itself.
  if (!stream.writableEnded) stream.end(body);
  stream.once('finish', () => giveUp(stream));
  leave(stream);
}

/** The answer is on its way: a client that is still sending its request is told to stop (RFC 9113 section 8.1). */
export function giveUp(stream: ServerHttp2Stream): void {
  if (!requestOver(stream)) stream.close(NO_ERROR);
}

/** Lets a stream go that has an end: what comes of the request is thrown away, and a client that takes nothing is cut off. */
export function leave(stream: ServerHttp2Stream): void {
  stream.resume();
  if (stream.destroyed) return;
  let left = stream.bufferSize;
  const timer = setInterval(() => {
    if (stream.bufferSize >= left) stream.close(CANCEL);
    left = stream.bufferSize;
  }, LINGER).unref();
  stream.once('close', () => clearInterval(timer));
}

function requestOver(stream: ServerHttp2Stream): boolean {
  return stream.endAfterHeaders || stream.readableEnded;
}
