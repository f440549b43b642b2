/** Requests to the API server, as an administrator. */
import * as https from 'node:https';

// biome-ignore lint/suspicious/noExplicitAny: objects of any kind; a test says what it expects.
export type KubeObject = any;

export class ApiError extends Error {
  readonly status: number;

  constructor(status: number, message: string) {
    super(message);
    this.status = status;
  }
}

export interface Watch {
  stop(): void;
}

/** Milliseconds until a watch that ended is begun again: an API server that restarts is not there for seconds. */
const AGAIN = 200;

export class Api {
  readonly #server: string;
  readonly #token: string;
  readonly #agent: https.Agent;

  constructor(server: string, ca: string, token: string) {
    this.#server = server;
    this.#token = token;
    this.#agent = new https.Agent({ ca, keepAlive: true });
  }

  close(): void {
    this.#agent.destroy();
  }

  get(path: string): Promise<KubeObject> {
    return this.request('GET', path);
  }

  /** A merge patch (RFC 7386), or a strategic one. */
  patch(path: string, patch: object, type: 'merge' | 'strategic-merge' = 'merge'): Promise<KubeObject> {
    return this.request('PATCH', path, patch, `application/${type}-patch+json`);
  }

  /** Rejects with an ApiError where the answer is not 2xx. */
  request(method: string, path: string, body?: object, type = 'application/json'): Promise<KubeObject> {
    return new Promise((resolve, reject) => {
      const req = this.#open(method, path, type, (status, res) => {
        let text = '';
        res.setEncoding('utf8');
        res.on('data', (part) => {
          text += part;
        });
        res.on('error', reject);
        res.on('end', () => {
          if (status < 200 || status > 299) reject(new ApiError(status, `${method} ${path}: ${status} ${text}`));
          else resolve(parsed(text));
        });
      });
      req.on('error', reject);
      const text = body && JSON.stringify(body);
      // Node frames the body of a DELETE only where it is told to.
      if (text) req.setHeader('content-length', Buffer.byteLength(text));
      req.end(text);
    });
  }

  /**
   * Lists, then watches, again and again until it is stopped. `changed` is told of each object that is listed or has changed,
   * `gone` of those that were deleted or are in the list no more.
   */
  watch(path: string, changed: (object: KubeObject) => void, gone: (object: KubeObject) => void): Watch {
    const known = new Map<string, KubeObject>();
    let stopped = false;
    let current: { destroy(): void } | undefined;
    const take = (type: string, object: KubeObject): void => {
      if (type === 'DELETED') {
        known.delete(object.metadata.uid);
        gone(object);
      } else if (type === 'ADDED' || type === 'MODIFIED') {
        known.set(object.metadata.uid, object);
        changed(object);
      }
    };
    const round = async (): Promise<void> => {
      const list = await this.get(path);
      const there = new Set(list.items.map((item: KubeObject) => item.metadata.uid));
      for (const [uid, object] of known) if (!there.has(uid)) take('DELETED', object);
      for (const item of list.items) take('MODIFIED', item);
      const since = `watch=1&resourceVersion=${list.metadata.resourceVersion}`;
      await this.#follow(`${path}?${since}`, take, (request) => {
        current = request;
      });
    };
    const run = async (): Promise<void> => {
      while (!stopped) {
        await round().catch(() => {});
        if (!stopped) await new Promise((resolve) => setTimeout(resolve, AGAIN));
      }
    };
    void run();
    return {
      stop: () => {
        stopped = true;
        current?.destroy();
      },
    };
  }

  #follow(
    path: string,
    take: (type: string, object: KubeObject) => void,
    opened: (request: { destroy(): void }) => void,
  ): Promise<void> {
    return new Promise((resolve, reject) => {
      const req = this.#open('GET', path, 'application/json', (_status, res) => {
        let rest = '';
        res.setEncoding('utf8');
        res.on('data', (part) => {
          const lines = `${rest}${part}`.split('\n');
          rest = lines.pop() ?? '';
          for (const line of lines) {
            const { type, object } = JSON.parse(line);
            take(type, object);
          }
        });
        res.on('error', reject);
        res.on('close', resolve);
      });
      req.on('error', reject);
      req.end();
      opened(req);
    });
  }

  #open(
    method: string,
    path: string,
    type: string,
    answered: (status: number, res: import('node:http').IncomingMessage) => void,
  ) {
    const headers = { authorization: `Bearer ${this.#token}`, accept: 'application/json', 'content-type': type };
    const req = https.request(`${this.#server}${path}`, { method, headers, agent: this.#agent });
    req.on('response', (res) => answered(res.statusCode ?? 0, res));
    return req;
  }
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return text;
  }
}
