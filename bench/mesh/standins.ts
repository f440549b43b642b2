/**
 * A process that stands for a thousand proxies: it speaks as much of their REST API as an operator needs, and carries nothing. Each
 * local address is one of them. It tells its parent, by IPC, when all of them have come to something.
 */
import * as http from 'node:http';

type Objects = Map<string, object>;

const KINDS = ['clusters', 'routes', 'rules', 'rulelists', 'listeners'] as const;
const WORDS: Readonly<Record<string, string>> = {
  clusters: 'cluster',
  routes: 'route',
  rules: 'rule',
  rulelists: 'rulelist',
  listeners: 'listener',
};

/** What the parent waits for; `since` is when it began to, in milliseconds of the epoch. */
export interface Wait {
  readonly what: 'listeners' | 'changes';
  /** So many listeners, or changes since the last wait. */
  readonly count: number;
}

/** When the first and the last of them had it, in milliseconds of the epoch, and how many requests there were meanwhile. */
export interface Reached {
  readonly first: number;
  readonly last: number;
  readonly requests: number;
}

class StandIn {
  readonly objects = new Map<string, Objects>(KINDS.map((kind) => [kind, new Map()]));
  revision = 1;
  changes = 0;

  get etag(): string {
    return `"standin-${this.revision}"`;
  }

  get config(): object {
    return Object.fromEntries(
      KINDS.map((kind) => [kind, Array.from(this.objects.get(kind) ?? [], ([name, object]) => ({ name, ...object }))]),
    );
  }

  changed(): void {
    this.revision++;
    this.changes++;
  }
}

const proxies = new Map<string, StandIn>();
const expected = Number(process.argv[2]);
let wait: Wait | undefined;
let reached = { first: 0, last: 0, requests: 0, proxies: new Set<StandIn>() };

const now = (): number => performance.timeOrigin + performance.now();

function note(proxy: StandIn): void {
  if (!wait || reached.proxies.has(proxy)) return;
  const count = wait.what === 'listeners' ? (proxy.objects.get('listeners')?.size ?? 0) : proxy.changes;
  if (count !== wait.count) return;
  reached.proxies.add(proxy);
  reached.last = now();
  reached.first ||= reached.last;
  if (reached.proxies.size === expected)
    process.send?.({ first: reached.first, last: reached.last, requests: reached.requests } satisfies Reached);
}

process.on('message', (message: Wait) => {
  wait = message;
  reached = { first: 0, last: 0, requests: 0, proxies: new Set() };
  for (const proxy of proxies.values()) {
    proxy.changes = 0;
    note(proxy);
  }
});

type Answer = readonly [status: number, body?: object];

function put(
  proxy: StandIn,
  [kind = '', name = '', part, endpoint = '']: string[],
  body: Record<string, object>,
): Answer {
  if (kind === 'config') {
    for (const one of KINDS) {
      const list = (body[one] ?? []) as { name: string }[];
      proxy.objects.set(one, new Map(list.map(({ name: each, ...object }) => [each, object])));
    }
  } else if (part === 'endpoints') {
    const cluster = proxy.objects.get('clusters')?.get(name) as { endpoints?: { name: string }[] } | undefined;
    if (!cluster) return [404];
    const others = (cluster.endpoints ?? []).filter((one) => one.name !== endpoint);
    const definition = { ...cluster, endpoints: [...others, { name: endpoint, ...body.endpoint }] };
    proxy.objects.get('clusters')?.set(name, definition);
  } else {
    proxy.objects.get(kind)?.set(name, body[WORDS[kind] ?? ''] ?? {});
  }
  proxy.changed();
  return [200];
}

function remove(proxy: StandIn, [kind = '', name = '']: string[]): Answer {
  if (kind === 'endpoints') {
    for (const [cluster, definition] of proxy.objects.get('clusters') ?? []) {
      const { endpoints = [] } = definition as { endpoints?: { name: string }[] };
      if (!endpoints.some((one) => one.name === name)) continue;
      proxy.objects
        .get('clusters')
        ?.set(cluster, { ...definition, endpoints: endpoints.filter((one) => one.name !== name) });
    }
  } else if (!proxy.objects.get(kind)?.delete(name)) {
    return [404];
  }
  proxy.changed();
  return [200];
}

function answer(proxy: StandIn, req: http.IncomingMessage, text: string): Answer {
  const { pathname } = new URL(req.url ?? '/', 'http://standin');
  const path = pathname.replace('/api/v1/', '').split('/').map(decodeURIComponent);
  if (req.method === 'GET') return req.headers['if-none-match'] === proxy.etag ? [304] : [200, proxy.config];
  const condition = req.headers['if-match'];
  if (condition !== undefined && condition !== proxy.etag)
    return [412, { status: 412, message: 'Precondition Failed' }];
  const [status, body] = req.method === 'PUT' ? put(proxy, path, JSON.parse(text)) : remove(proxy, path);
  return [status, body ?? { status, message: 'OK', changes: [] }];
}

const server = http.createServer({ keepAliveTimeout: 60_000 }, (req, res) => {
  const address = req.socket.localAddress ?? '';
  let proxy = proxies.get(address);
  if (!proxy) {
    proxy = new StandIn();
    proxies.set(address, proxy);
  }
  const one = proxy;
  reached.requests++;
  let text = '';
  req.setEncoding('utf8');
  req.on('data', (part) => {
    text += part;
  });
  req.on('end', () => {
    const [status, body] = answer(one, req, text);
    note(one);
    const json = body === undefined ? '' : JSON.stringify(body);
    res.writeHead(status, {
      etag: one.etag,
      ...(body && { 'content-type': 'application/json' }),
      'content-length': Buffer.byteLength(json),
    });
    res.end(json);
  });
});
server.listen({ port: 1234, host: '0.0.0.0', backlog: 4096 }, () => process.send?.('ready'));
