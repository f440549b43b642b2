/** Answers `/metrics`, and the probes `/healthz` and `/readyz`. It tells numbers and kinds, nothing of objects. */
import { once } from 'node:events';
import { createServer, type Server, type ServerResponse } from 'node:http';
import { type AddressInfo, isIPv6 } from 'node:net';
import type { Metrics } from './metrics.ts';

export interface Address {
  /** All interfaces where there is none. */
  readonly host: string | undefined;
  readonly port: number;
}

/** `host:port`, `[::1]:port` or `:port`; undefined for what is none. */
export function parseAddress(text: string): Address | undefined {
  const [, ipv6, name, digits = ''] = /^(?:\[([^\]]+)\]|([^:[\]]*)):(\d{1,5})$/.exec(text) ?? [];
  const port = Number(digits);
  if (digits === '' || port > 65_535 || (ipv6 !== undefined && !isIPv6(ipv6))) return undefined;
  return { host: ipv6 ?? (name || undefined), port };
}

/** Milliseconds for a request: nobody may hold a connection by being slow. */
const REQUEST_TIME = 10_000;

const MAX_CONNECTIONS = 64;

export class TelemetryServer {
  readonly #server: Server;

  /** `unready`: why it is not ready, or undefined if it is. */
  constructor(metrics: Metrics, unready: () => string | undefined) {
    this.#server = createServer({ requestTimeout: REQUEST_TIME, headersTimeout: REQUEST_TIME }, (request, response) => {
      if (request.method !== 'GET' && request.method !== 'HEAD') answer(response, 405, 'GET is all there is\n');
      else this.#answer(request.url?.split('?')[0], response, metrics, unready);
    });
    this.#server.maxConnections = MAX_CONNECTIONS;
  }

  /** Resolves with where it listens. Rejects if it cannot. */
  async listen({ host, port }: Address): Promise<string> {
    this.#server.listen({ port, host });
    await once(this.#server, 'listening');
    const { address, family, port: actual } = this.#server.address() as AddressInfo;
    return family === 'IPv6' ? `[${address}]:${actual}` : `${address}:${actual}`;
  }

  async close(): Promise<void> {
    if (!this.#server.listening) return;
    const closed = once(this.#server, 'close');
    this.#server.close();
    this.#server.closeAllConnections();
    await closed;
  }

  #answer(
    path: string | undefined,
    response: ServerResponse,
    metrics: Metrics,
    unready: () => string | undefined,
  ): void {
    const why = unready();
    if (path === '/healthz') answer(response, 200, 'ok\n');
    else if (path === '/readyz') answer(response, why === undefined ? 200 : 503, `${why ?? 'ok'}\n`);
    else if (path !== '/metrics') answer(response, 404, 'there are /metrics, /healthz and /readyz\n');
    else
      metrics.text().then(
        (text) => answer(response, 200, text, metrics.contentType),
        (error: Error) => answer(response, 500, `${error.message}\n`),
      );
  }
}

function answer(response: ServerResponse, code: number, text: string, type = 'text/plain; charset=utf-8'): void {
  response.writeHead(code, { 'content-type': type });
  response.end(text);
}
