/** An HTTP listener without sessions, and clients for it: node's, and a bare socket. */
import * as http from 'node:http';
import * as net from 'node:net';
import type { TestContext } from 'node:test';
import type { Protocol } from '../../src/core/protocol.ts';
import { type FakeHost, type FakeHostOptions, fakeHost, listenSomewhere } from '../../src/testing/fake-host.ts';
import { until } from '../../src/testing/until.ts';

export interface Fixture {
  readonly host: FakeHost;
  readonly port: number;
  readonly close: () => Promise<void>;
}

/** A listener of the protocol that ends with the test; `fields` are those of its specification. */
export async function listenTo(
  t: TestContext,
  protocol: Protocol,
  options?: FakeHostOptions,
  fields?: Readonly<Record<string, unknown>>,
): Promise<Fixture> {
  const host = fakeHost(options);
  const { port, listening } = await listenSomewhere(protocol, host, fields);
  t.after(() => listening.close());
  return { host, port, close: () => listening.close() };
}

export interface Answer {
  readonly status: number | undefined;
  readonly headers: http.IncomingHttpHeaders;
  readonly trailers: NodeJS.Dict<string>;
  readonly text: string;
}

/** A request, and its answer when it is whole. */
export function request(t: TestContext, port: number, options: http.RequestOptions = {}) {
  const req = http.request({ host: '127.0.0.1', port, agent: false, ...options });
  t.after(() => req.destroy());
  const answer = new Promise<Answer>((resolve, reject) => {
    req.on('error', reject);
    req.on('response', (res) => {
      const parts: Buffer[] = [];
      res.on('error', reject);
      res.on('data', (part: Buffer) => parts.push(part));
      res.on('end', () => {
        const text = Buffer.concat(parts).toString();
        resolve({ status: res.statusCode, headers: res.headers, trailers: res.trailers, text });
      });
    });
  });
  answer.catch(() => {});
  return { req, answer };
}

/** A client that says what it likes, byte for byte (latin1). */
export class Raw {
  readonly socket: net.Socket;
  text = '';

  constructor(t: TestContext, port: number) {
    this.socket = net.connect({ host: '127.0.0.1', port, allowHalfOpen: true });
    t.after(() => this.socket.destroy());
    this.socket.on('error', () => {});
    this.socket.on('data', (bytes) => {
      this.text += bytes.toString('latin1');
    });
  }

  send(text: string): this {
    this.socket.write(text, 'latin1');
    return this;
  }

  /** Waits until what has come matches, and gives it all. */
  async until(what: RegExp): Promise<string> {
    await until(() => what.test(this.text) || this.over, String(what));
    return this.text;
  }

  async untilEnd(): Promise<string> {
    await until(() => this.over, 'the end of the connection');
    return this.text;
  }

  get over(): boolean {
    return this.socket.readableEnded || this.socket.closed;
  }
}
