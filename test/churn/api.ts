import { request } from '../support/proxy.ts';

export interface Request {
  readonly method: string;
  /** Below /api/v1. */
  readonly path: string;
  readonly body?: unknown;
  /** In place of a body that is JSON. */
  readonly text?: string;
  readonly headers?: Readonly<Record<string, string>>;
}

export interface Answer {
  readonly status: number;
  readonly etag: string | undefined;
  readonly text: string;
}

/** Each request has a connection of its own, since one that stays would end with its worker. */
export class Api {
  readonly #port: number;

  constructor(port: number) {
    this.#port = port;
  }

  async ask({ method, path, body, text = body === undefined ? undefined : JSON.stringify(body), headers }: Request) {
    const type =
      text === undefined ? {} : { 'content-type': 'application/json', 'content-length': Buffer.byteLength(text) };
    const options = { port: this.#port, method, path: `/api/v1/${path}`, headers: { ...type, ...headers } };
    const answer = await request(options, text);
    return { status: answer.status, etag: answer.headers.etag, text: answer.text } satisfies Answer;
  }

  /** The body of an answer that must be a success. */
  async ok<T>(request: Request): Promise<T> {
    const { status, text } = await this.ask(request);
    if (status !== 200 && status !== 201) throw new Error(`${request.method} ${request.path}: ${status} ${text}`);
    return JSON.parse(text);
  }
}
