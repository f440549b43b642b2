/** An API server for tests: lists, watches, conflicts and status as the real one has them, and failures when a test wants them. */
import { once } from 'node:events';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { merge } from '../testing/merge.ts';
import type { Access } from './access.ts';
import { pathOf, type Resource } from './resource.ts';

// biome-ignore lint/suspicious/noExplicitAny: tests read whatever they have put in
export type FakeObject = { metadata: Record<string, any>; [field: string]: any };

export interface FakeRequest {
  readonly method: string;
  /** With everything in it. */
  readonly url: URL;
  readonly body: FakeObject | undefined;
}

/** Of `/apis/<group>/<version>/…` or `/api/<version>/…`. */
interface Asked {
  readonly resource: string;
  readonly namespace: string | undefined;
  readonly name: string | undefined;
  readonly subresource: string | undefined;
}

interface Watcher {
  readonly response: ServerResponse;
  /** Told nothing any more. */
  muted?: boolean;
  readonly asked: Asked;
}

interface Change {
  readonly version: number;
  readonly resource: string;
  readonly type: 'ADDED' | 'MODIFIED' | 'DELETED';
  readonly object: FakeObject;
}

export class FakeApi {
  readonly requests: FakeRequest[] = [];
  /** Answers in place of the server, by returning true. */
  intercept: ((request: FakeRequest, response: ServerResponse) => boolean) | undefined;
  readonly #server: Server;
  readonly #objects = new Map<string, Map<string, FakeObject>>();
  readonly #watchers = new Set<Watcher>();
  readonly #continued = new Map<string, FakeObject[]>();
  #history: Change[] = [];
  #version = 100;
  /** Changes up to this version are forgotten. */
  #compacted = 0;

  private constructor(server: Server) {
    this.#server = server;
    server.on('request', (request: IncomingMessage, response: ServerResponse) => {
      this.#take(request, response).catch(() => response.destroy());
    });
  }

  static async start(...resources: readonly Resource[]): Promise<FakeApi> {
    const api = new FakeApi(createServer());
    for (const resource of resources) api.serve(resource);
    api.#server.listen(0, '127.0.0.1');
    await once(api.#server, 'listening');
    return api;
  }

  async close(): Promise<void> {
    this.#server.closeAllConnections();
    this.#server.close();
    await once(this.#server, 'close');
  }

  get access(): Access {
    const { port } = this.#server.address() as AddressInfo;
    const server = new URL(`http://127.0.0.1:${port}`);
    return { server, namespace: undefined, options: async () => ({}), refused: () => undefined };
  }

  get watchers(): number {
    return this.#watchers.size;
  }

  serve(resource: Resource): void {
    this.#objects.set(pathOf(resource), new Map());
  }

  withdraw(resource: Resource): void {
    this.#objects.delete(pathOf(resource));
  }

  get(resource: Resource, namespace: string, name: string): FakeObject | undefined {
    return this.#objects.get(pathOf(resource))?.get(`${namespace}/${name}`);
  }

  all(resource: Resource): FakeObject[] {
    return [...(this.#objects.get(pathOf(resource))?.values() ?? [])];
  }

  set(resource: Resource, object: FakeObject): FakeObject {
    return this.#set(pathOf(resource), object);
  }

  remove(resource: Resource, namespace: string, name: string): void {
    this.#remove(pathOf(resource), `${namespace}/${name}`);
  }

  /** Forgets what has changed so far: who watches from before is told 410. */
  compact(): void {
    this.#history = [];
    this.#compacted = ++this.#version;
  }

  /** What has changed since is told to nobody, as on a connection that hangs. */
  silence(): void {
    for (const watcher of this.#watchers) watcher.muted = true;
  }

  endWatches(how: 'end' | 'reset'): void {
    for (const { response } of this.#watchers) {
      if (how === 'end') response.end();
      else response.socket?.resetAndDestroy();
    }
    this.#watchers.clear();
  }

  /** Sends a line to all watches of a resource. */
  say(resource: Resource, event: unknown): void {
    for (const { response, asked } of this.#watchers)
      if (asked.resource === pathOf(resource)) response.write(`${JSON.stringify(event)}\n`);
  }

  bookmark(resource: Resource): void {
    this.say(resource, { type: 'BOOKMARK', object: { metadata: { resourceVersion: String(this.#version) } } });
  }

  #set(resource: string, object: FakeObject): FakeObject {
    const objects = this.#objects.get(resource);
    if (!objects) throw new Error(`${resource} is not served`);
    const { namespace = '', name } = object.metadata;
    const key = `${namespace}/${name}`;
    const before = objects.get(key);
    const version = ++this.#version;
    const set: FakeObject = {
      ...object,
      metadata: {
        uid: before?.metadata.uid ?? `uid-${version}`,
        creationTimestamp: before?.metadata.creationTimestamp ?? new Date(version * 1000).toISOString(),
        ...object.metadata,
        resourceVersion: String(version),
      },
    };
    objects.set(key, set);
    this.#tell({ version, resource, type: before ? 'MODIFIED' : 'ADDED', object: set });
    return set;
  }

  #remove(resource: string, key: string): FakeObject | undefined {
    const objects = this.#objects.get(resource);
    const before = objects?.get(key);
    if (!objects || !before) return undefined;
    objects.delete(key);
    const version = ++this.#version;
    const object = { ...before, metadata: { ...before.metadata, resourceVersion: String(version) } };
    this.#tell({ version, resource, type: 'DELETED', object });
    return object;
  }

  #tell(change: Change): void {
    this.#history.push(change);
    for (const watcher of this.#watchers) if (!watcher.muted) send(watcher, change);
  }

  async #take(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const parts: Buffer[] = [];
    for await (const part of request as AsyncIterable<Buffer>) parts.push(part);
    const text = Buffer.concat(parts).toString();
    const url = new URL(request.url ?? '', 'http://fake');
    const taken: FakeRequest = { method: request.method ?? '', url, body: text ? JSON.parse(text) : undefined };
    this.requests.push(taken);
    if (this.intercept?.(taken, response)) return;
    const asked = parse(url.pathname);
    if (!this.#objects.has(asked.resource)) {
      refuse(response, 404, 'NotFound');
      return;
    }
    if (taken.method === 'GET' && asked.name === undefined) {
      if (url.searchParams.get('watch') === 'true') this.#watch(asked, url, response);
      else this.#list(asked, url, response);
    } else this.#object(taken, asked, response);
  }

  #list(asked: Asked, { searchParams }: URL, response: ServerResponse): void {
    const token = searchParams.get('continue');
    const rest = token === null ? undefined : this.#continued.get(token);
    if (token !== null && !rest) {
      refuse(response, 410, 'Expired');
      return;
    }
    const all = rest ?? [...(this.#objects.get(asked.resource)?.values() ?? [])].filter((one) => isIn(asked, one));
    const limit = Number(searchParams.get('limit') ?? Infinity) || Infinity;
    const metadata: Record<string, string> = { resourceVersion: String(this.#version) };
    if (all.length > limit) {
      metadata.continue = `more-${this.#continued.size}`;
      this.#continued.set(metadata.continue, all.slice(limit));
    }
    reply(response, 200, { metadata, items: all.slice(0, limit) });
  }

  /** Tokens of lists that are under way serve no more. */
  expirePages(): void {
    this.#continued.clear();
  }

  #watch(asked: Asked, { searchParams }: URL, response: ServerResponse): void {
    const from = Number(searchParams.get('resourceVersion'));
    response.writeHead(200, { 'content-type': 'application/json' });
    response.flushHeaders();
    if (from < this.#compacted) {
      response.end(`${JSON.stringify({ type: 'ERROR', object: status(410, 'Expired') })}\n`);
      return;
    }
    const watcher = { response, asked };
    for (const change of this.#history) if (change.version > from) send(watcher, change);
    this.#watchers.add(watcher);
    response.on('close', () => this.#watchers.delete(watcher));
  }

  #object({ method, url, body }: FakeRequest, asked: Asked, response: ServerResponse): void {
    const { resource, namespace = '', subresource } = asked;
    const name = asked.name ?? body?.metadata.name;
    const key = `${namespace}/${name}`;
    const before = this.#objects.get(resource)?.get(key);
    // Server-side apply makes what is not there; what is there it merges, which is all that tests need.
    const isApplied = method === 'PATCH' && url.searchParams.has('fieldManager');
    if (method === 'POST' || (isApplied && !before)) {
      if (before) {
        refuse(response, 409, 'AlreadyExists');
        return;
      }
      reply(response, 201, this.#set(resource, body as FakeObject));
      return;
    }
    if (!before) {
      refuse(response, 404, 'NotFound');
      return;
    }
    if (method === 'GET') {
      reply(response, 200, before);
      return;
    }
    if (method === 'DELETE') {
      reply(response, 200, this.#remove(resource, key) as FakeObject);
      return;
    }
    const version = body?.metadata?.resourceVersion;
    if (version !== undefined && version !== before.metadata.resourceVersion) {
      refuse(response, 409, 'Conflict');
      return;
    }
    const after = (method === 'PUT' ? body : merge(before, body)) as FakeObject;
    reply(response, 200, this.#set(resource, subresource ? { ...before, status: after.status } : after));
  }
}

function parse(pathname: string): Asked {
  const parts = pathname.split('/').filter((part) => part !== '');
  const root = parts.splice(0, parts[0] === 'api' ? 2 : 3);
  const namespace = parts[0] === 'namespaces' && parts.length > 2 ? parts.splice(0, 2)[1] : undefined;
  const [plural = '', name, subresource] = parts;
  return { resource: `/${[...root, plural].join('/')}`, namespace, name, subresource };
}

function isIn({ namespace }: Asked, object: FakeObject): boolean {
  return namespace === undefined || object.metadata.namespace === namespace;
}

function send({ response, asked }: Watcher, { resource, type, object }: Change): void {
  if (resource === asked.resource && isIn(asked, object)) response.write(`${JSON.stringify({ type, object })}\n`);
}

export function reply(response: ServerResponse, code: number, body: unknown): void {
  response.writeHead(code, { 'content-type': 'application/json' });
  response.end(JSON.stringify(body));
}

export function refuse(response: ServerResponse, code: number, reason: string): void {
  reply(response, code, status(code, reason));
}

function status(code: number, reason: string) {
  return { kind: 'Status', apiVersion: 'v1', status: 'Failure', code, reason, message: `${reason}, says the fake` };
}
