import * as http from 'node:http';

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

  ask({ method, path, body, text = body === undefined ? undefined : JSON.stringify(body), headers }: Request) {
    const type =
      text === undefined ? {} : { 'content-type': 'application/json', 'content-length': Buffer.byteLength(text) };
    return new Promise<Answer>((resolve, reject) => {
      const options = {
        port: this.#port,
        method,
        path: `/api/v1/${path}`,
        agent: false,
        headers: { ...type, ...headers },
      };
      const request = http.request({ host: '127.0.0.1', ...options }, (response) => {
        const parts: Buffer[] = [];
        response.on('data', (part) => parts.push(part));
        response.on('error', reject);
        response.on('end', () =>
          resolve({
            status: response.statusCode ?? 0,
            etag: response.headers.etag,
            text: Buffer.concat(parts).toString(),
          }),
        );
      });
      request.on('error', reject).end(text);
    });
  }

  /** The body of an answer that must be a success. */
  async ok<T>(request: Request): Promise<T> {
    const { status, text } = await this.ask(request);
    if (status !== 200 && status !== 201) throw new Error(`${request.method} ${request.path}: ${status} ${text}`);
    return JSON.parse(text);
  }
}
