import * as http from 'node:http';
import type { TestContext } from 'node:test';
import { L7mpError } from '../../src/core/errors.ts';
import { L7mp, type ProxyOptions } from '../../src/proxy.ts';
import { freePort } from '../../src/testing/ports.ts';
import { until } from '../../src/testing/until.ts';

export interface ApiAnswer {
  readonly status: number;
  readonly headers: http.IncomingHttpHeaders;
  readonly text: string;
  // biome-ignore lint/suspicious/noExplicitAny: a test says what it expects.
  readonly body: any;
}

interface ApiOptions {
  readonly type?: string;
  readonly raw?: string;
}

/** A proxy in this process, with its controller on a port of its own. */
export class TestProxy {
  readonly proxy: L7mp;
  readonly port: number;

  constructor(proxy: L7mp, port: number) {
    this.proxy = proxy;
    this.port = port;
  }

  /** One REST API request; `path` is below /api/v1. */
  api(
    method: string,
    path: string,
    body?: unknown,
    { type = 'application/json', raw }: ApiOptions = {},
  ): Promise<ApiAnswer> {
    const text = raw ?? (body === undefined ? undefined : JSON.stringify(body));
    const headers = text === undefined ? {} : { 'content-type': type, 'content-length': Buffer.byteLength(text) };
    return request({ port: this.port, method, path: `/api/v1/${path}`, headers }, text);
  }

  /** A request that must succeed; its body. */
  // biome-ignore lint/suspicious/noExplicitAny: a test says what it expects.
  async ok(method: string, path: string, body?: unknown): Promise<any> {
    const answer = await this.api(method, path, body);
    if (answer.status !== 200) throw new Error(`${method} ${path}: ${answer.status} ${answer.text}`);
    return answer.body;
  }

  /** The sessions of a listener. */
  // biome-ignore lint/suspicious/noExplicitAny: a test says what it expects.
  async sessions(listener: string): Promise<any[]> {
    const all = await this.ok('GET', 'sessions');
    return all.filter((session: { source: { origin: string } }) => session.source.origin === listener);
  }

  // biome-ignore lint/suspicious/noExplicitAny: a test says what it expects.
  session(listener: string, status = 'CONNECTED'): Promise<any> {
    return until(
      async () => (await this.sessions(listener)).find((session) => session.status === status),
      `a session of ${listener} that is ${status}`,
    );
  }

  async noSession(listener: string): Promise<void> {
    await until(async () => (await this.sessions(listener)).length === 0, `no session of ${listener} is left`);
  }
}

export function request(options: http.RequestOptions, body?: string | Buffer): Promise<ApiAnswer> {
  return new Promise((resolve, reject) => {
    const req = http.request({ host: '127.0.0.1', agent: false, ...options }, (res) => {
      const chunks: Buffer[] = [];
      res.on('data', (chunk) => chunks.push(chunk));
      res.on('error', reject);
      res.on('end', () => {
        const text = Buffer.concat(chunks).toString();
        resolve({ status: res.statusCode ?? 0, headers: res.headers, text, body: jsonOrUndefined(text) });
      });
    });
    req.on('error', reject);
    req.end(body);
  });
}

function jsonOrUndefined(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

/** Makes a listener with one rule that matches everything. */
export function listener(name: string, spec: object, route: object, more: object = {}): object {
  return { name, spec, rules: [{ action: { route } }], ...more };
}

const { L7MP_TEST_IO, L7MP_TEST_THREADS } = process.env;

/** The I/O engine that the tests of this process run on; the proxy's own choice where it does not say. */
const ENGINE = L7MP_TEST_IO === undefined ? {} : { io: L7MP_TEST_IO };

/** Likewise the number of workers: by default none, since a proxy without starts at once. */
export const THREADS = { threads: Number(L7MP_TEST_THREADS ?? 0) };

/** How many data planes it has, of which each finds out by itself what endpoints do. */
export const PLANES = Math.max(1, THREADS.threads);

/** Ports are free when they are chosen, and may be taken when they are used: then everything is tried again. */
const ATTEMPTS = 5;

/**
 * Starts a proxy that ends with the test. `config` is called with ports of its own, anew for each attempt; what it
 * returns is given a controller.
 */
export async function startProxy<N extends string>(
  t: TestContext,
  portNames: readonly N[],
  config: (ports: Record<N, number>) => object,
  options: ProxyOptions = {},
): Promise<{ proxy: TestProxy; ports: Record<N, number> }> {
  for (let attempt = 1; ; attempt++) {
    const api = await freePort();
    const entries = await Promise.all(portNames.map(async (name) => [name, await freePort()] as const));
    const ports = Object.fromEntries(entries) as Record<N, number>;
    const given = config(ports) as { admin?: object; listeners?: object[] };
    const controller = listener(
      'controller',
      { protocol: 'HTTP', port: api, address: '127.0.0.1' },
      {
        destination: { name: 'l7mp-controller', spec: { protocol: 'L7mpController' } },
      },
    );
    const full = {
      ...given,
      admin: { log_level: 'error', ...ENGINE, ...THREADS, ...given.admin },
      listeners: [controller, ...(given.listeners ?? [])],
    };
    const proxy = new L7mp(options);
    try {
      await proxy.start(full);
    } catch (error) {
      await proxy.stop();
      if (attempt < ATTEMPTS && error instanceof L7mpError && error.code === 'E_BIND') continue;
      throw error;
    }
    t.after(() => proxy.stop());
    return { proxy: new TestProxy(proxy, api), ports };
  }
}
