/** The webhook's HTTPS server: one question at `POST /inject`, one answer. */
import { once } from 'node:events';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { createServer, type Server } from 'node:https';
import type { AddressInfo } from 'node:net';
import { InvalidReview } from './review.ts';

/** Where the API server asks. */
export const PATH = '/inject';

/** Bytes of a body: etcd keeps no object that is larger than 1.5 MiB, and JSON in JSON needs no more than twice as many. */
const LARGEST = 4 << 20;

/** Connections at once; the API server has few, each for many questions. */
const CONNECTIONS = 256;

/** Milliseconds. The API server gives up after `timeoutSeconds` of the webhook's configuration. */
const TIMEOUTS = { headersTimeout: 5000, requestTimeout: 10_000, keepAliveTimeout: 60_000 };

export interface KeyPair {
  /** PEM. */
  readonly cert: string;
  readonly key: string;
}

export interface ServerOptions {
  /** Throws InvalidReview for a body that is no question. */
  review(body: string): Promise<object>;
  failed(message: string): void;
}

export class WebhookServer {
  readonly #server: Server;

  constructor({ cert, key }: KeyPair, options: ServerOptions) {
    const settings = { cert, key, minVersion: 'TLSv1.2' as const, ...TIMEOUTS };
    this.#server = createServer(settings, (request, response) => {
      serve(request, response, options).catch((error: unknown) => {
        options.failed(error instanceof Error ? error.message : String(error));
        if (!response.headersSent) end(response, 500, 'something went wrong; the log of the operator says more');
        else response.destroy();
      });
    });
    this.#server.maxConnections = CONNECTIONS;
  }

  /** Rejects where the address cannot be had. Port 0 takes any. Gives the port. */
  async listen(host: string, port: number): Promise<number> {
    this.#server.listen(port, host);
    await once(this.#server, 'listening');
    return (this.#server.address() as AddressInfo).port;
  }

  /** For connections from now on. */
  setKeyPair({ cert, key }: KeyPair): void {
    this.#server.setSecureContext({ cert, key, minVersion: 'TLSv1.2' });
  }

  /** Questions that are under way are answered. */
  async close(): Promise<void> {
    if (!this.#server.listening) return;
    const closed = once(this.#server, 'close');
    this.#server.close();
    this.#server.closeIdleConnections();
    const late = setTimeout(() => this.#server.closeAllConnections(), 1000);
    await closed;
    clearTimeout(late);
  }
}

async function serve(request: IncomingMessage, response: ServerResponse, { review }: ServerOptions): Promise<void> {
  if (request.url?.split('?')[0] !== PATH) return end(response, 404, `there is nothing but ${PATH}`);
  if (request.method !== 'POST') return end(response, 405, 'POST an AdmissionReview', { allow: 'POST' });
  const type = request.headers['content-type']?.split(';')[0];
  if (type !== 'application/json') return end(response, 415, 'the body must be application/json');
  const body = await bodyOf(request);
  if (body === undefined) return end(response, 413, `a body has ${LARGEST} bytes at most`, { connection: 'close' });
  try {
    const answer = await review(body);
    response.writeHead(200, { 'content-type': 'application/json' });
    response.end(JSON.stringify(answer));
  } catch (error) {
    if (!(error instanceof InvalidReview)) throw error;
    end(response, 400, error.message);
  }
}

/** Undefined where it is too large: the rest is not read. */
async function bodyOf(request: IncomingMessage): Promise<string | undefined> {
  if (Number(request.headers['content-length'] ?? 0) > LARGEST) return undefined;
  const parts: Buffer[] = [];
  let size = 0;
  for await (const part of request as AsyncIterable<Buffer>) {
    size += part.length;
    if (size > LARGEST) return undefined;
    parts.push(part);
  }
  return Buffer.concat(parts).toString();
}

function end(response: ServerResponse, status: number, message: string, headers: Record<string, string> = {}): void {
  response.writeHead(status, { 'content-type': 'text/plain; charset=utf-8', ...headers });
  response.end(`${message}\n`);
}
