/** What real proxies do not do on demand: stand-ins that are slow, answer by halves or not at all, or are something else. */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import * as http from 'node:http';
import type { AddressInfo, Socket } from 'node:net';
import { type TestContext, test } from 'node:test';
import { until } from '../../../../src/testing/until.ts';
import { podAt, startProxies, wishOf } from '../../testing/proxies.ts';

const wish = wishOf({ clusters: { '/l7mp.io/v1/Target/default/web': { spec: { protocol: 'Echo' } } } });
const OTHERS = '{"listeners":[{"name":"controller","spec":{"protocol":"HTTP","port":1},"rules":[]}]}';

type Serve = (request: http.IncomingMessage, response: http.ServerResponse, n: number) => void;

/** As a proxy does that takes everything, and keeps nothing of it. */
const good: Serve = (request, response) => {
  const etag = request.method === 'GET' ? '"s-1"' : '"s-2"';
  if (request.headers['if-none-match']) response.writeHead(304, { etag: '"s-2"' }).end();
  else
    response
      .setHeader('etag', etag)
      .end(request.method === 'GET' ? OTHERS : '{"status":200,"message":"OK","changes":[]}');
};

/** Serves at 127.0.0.1, and at what other addresses of the loopback `at` says how. */
async function standIns(t: TestContext, at: Readonly<Record<string, Serve>>) {
  const sockets = new Set<Socket>();
  const counts: Record<string, number> = {};
  const server = http.createServer((request, response) => {
    const address = request.socket.localAddress ?? '';
    counts[address] = (counts[address] ?? 0) + 1;
    request.resume().on('end', () => at[address]?.(request, response, counts[address] as number));
  });
  server.on('connection', (socket: Socket) => {
    sockets.add(socket);
    socket.on('error', () => {}).on('close', () => sockets.delete(socket));
  });
  server.listen(0, '0.0.0.0');
  await once(server, 'listening');
  t.after(async () => {
    server.close();
    server.closeAllConnections();
    for (const socket of sockets) socket.destroy();
  });
  return { port: (server.address() as AddressInfo).port, counts, sockets };
}

const fast = { retry: { first: 5, most: 20 }, refused: { first: 5, most: 20 } };

const failures: Readonly<Record<string, { serve: Serve; says: RegExp; timeout?: number }>> = {
  hangs: { serve: () => {}, says: /no answer within 300 ms/ },
  'answers by halves': {
    serve: (_, response) => void response.writeHead(200, { 'content-length': 99 }).write('{'),
    says: /no answer within/,
  },
  resets: { serve: ({ socket }) => socket.resetAndDestroy(), says: /ECONNRESET|hang up/ },
  'answers with 500': {
    serve: (_, response) => void response.writeHead(500).end('{"content":"out of order"}'),
    says: /500 out of order/,
  },
  'answers with 404': { serve: (_, response) => void response.writeHead(404).end('not here'), says: /404 not here/ },
  'is something else': { serve: (_, response) => void response.end('<html>'), says: /no JSON/ },
  'has JSON of its own': {
    serve: (_, response) => void response.setHeader('etag', '"x"').end('{"clusters":{}}'),
    says: /no configuration: \/clusters/,
  },
  'has no versions': { serve: (_, response) => void response.end(OTHERS), says: /no ETag/ },
  'never ends': {
    serve: (_, response) => {
      response.setHeader('etag', '"x"');
      const more = () =>
        void (response.destroyed || response.write(Buffer.alloc(1 << 20), (error) => (error ? undefined : more())));
      more();
    },
    says: /longer than/,
    timeout: 20_000,
  },
};

for (const [what, { serve, says, timeout = 300 }] of Object.entries(failures)) {
  test(`a proxy that ${what} is unreachable, with the reason, until it answers`, async (t) => {
    let broken = true;
    const at: Serve = (...args) => (broken ? serve : good)(...args);
    const { port } = await standIns(t, { '127.0.0.1': at });
    const pod = podAt('127.0.0.1');
    const { proxies, reaches } = startProxies(t, { port, timing: { ...fast, timeout } });
    proxies.program(pod, wish);
    await reaches(pod.uid, 'unreachable');
    const state = proxies.state(pod.uid);
    assert.match(state?.state === 'unreachable' ? state.message : '', says);
    broken = false;
    await reaches(pod.uid, 'programmed');
  });
}

test('slow and dead proxies delay no other', async (t) => {
  const hang: Serve = () => {};
  const dead = Array.from({ length: 150 }, (_, n) => `127.0.1.${n + 1}`);
  const alive = Array.from({ length: 50 }, (_, n) => `127.0.2.${n + 1}`);
  const at = { ...Object.fromEntries(dead.map((a) => [a, hang])), ...Object.fromEntries(alive.map((a) => [a, good])) };
  const { port } = await standIns(t, at);
  // They would hold all places for a minute, if they could.
  const { proxies } = startProxies(t, { port, timing: { timeout: 60_000, slow: 50 } });
  for (const address of [...dead, ...alive]) proxies.program(podAt(address), wish);
  const began = performance.now();
  await until(
    () => alive.every((a) => proxies.state(podAt(a).uid)?.state === 'programmed'),
    'those that live are programmed',
  );
  assert.ok(performance.now() - began < 60_000, 'before any of the others has given up');
  assert.ok(dead.every((a) => proxies.state(podAt(a).uid)?.state === 'pending'));
});

test('a proxy is left alone for longer and longer, and asked at once when its address or incarnation is another one', async (t) => {
  const { port, counts } = await standIns(t, {
    '127.0.0.1': (_, response) => void response.writeHead(503).end(),
    '127.0.0.2': good,
  });
  const pod = podAt('127.0.0.1');
  const { proxies, watcher, reaches } = startProxies(t, { port, timing: { retry: { first: 100_000, most: 100_000 } } });
  proxies.program(pod, wish);
  await reaches(pod.uid, 'unreachable');
  // A wish changes nothing about that; another container does.
  proxies.program(pod, wishOf({}));
  proxies.program({ ...pod, incarnation: '2' }, wish);
  await until(() => counts['127.0.0.1'] === 2, 'it is asked again');
  await reaches(pod.uid, 'unreachable');
  proxies.program({ ...pod, incarnation: '2', address: '127.0.0.2' }, wish);
  await reaches(pod.uid, 'programmed');
  assert.equal(watcher.failures.length, 2);
});

test('nothing is sent to a pod without an address, nor to one that is forgotten, nor after the end', async (t) => {
  const { port, counts, sockets } = await standIns(t, { '127.0.0.1': () => {}, '127.0.0.2': good });
  const { proxies, watcher, reaches } = startProxies(t, { port, timing: { interval: 5 } });
  proxies.program(podAt(undefined), wish);
  assert.deepEqual(proxies.state(podAt(undefined).uid), { state: 'pending' });
  const [hanging, pod] = [podAt('127.0.0.1'), podAt('127.0.0.2')];
  proxies.program(hanging, wish);
  proxies.program(pod, wish);
  await reaches(pod.uid, 'programmed');
  await until(() => counts['127.0.0.1'] === 1, 'the other is asked');
  proxies.forget(hanging.uid);
  proxies.forget(hanging.uid);
  assert.equal(proxies.state(hanging.uid), undefined);
  await proxies.close();
  const calls = watcher.calls.length;
  await until(() => sockets.size === 0, 'all connections are closed');
  assert.equal(watcher.calls.length, calls);
  assert.equal(counts['127.0.0.1'], 1);
});

test('somebody who is always faster is not fought for ever', async (t) => {
  const { port, counts } = await standIns(t, {
    '127.0.0.1': (request, response, n) => {
      if (request.method === 'GET') response.setHeader('etag', `"s-${n}"`).end(OTHERS);
      else response.writeHead(412, { etag: `"s-${n}"` }).end('{}');
    },
  });
  const pod = podAt('127.0.0.1');
  const { proxies, reaches } = startProxies(t, { port, timing: { retry: { first: 60_000, most: 60_000 } } });
  proxies.program(pod, wish);
  await reaches(pod.uid, 'unreachable');
  assert.equal(counts['127.0.0.1'], 10);
});

test('a connection that breaks in the middle of the changes is taken up with a read', async (t) => {
  const { port } = await standIns(t, {
    '127.0.0.1': (request, response, n) => (n === 2 ? request.socket.resetAndDestroy() : good(request, response, n)),
  });
  const pod = podAt('127.0.0.1');
  const { proxies, watcher, reaches } = startProxies(t, { port, timing: fast });
  proxies.program(pod, wish);
  await reaches(pod.uid, 'programmed');
  assert.deepEqual(watcher.work.slice(0, 2), ['read', 'put']);
  assert.ok(watcher.count('put') <= 2);
});

test('states are told when they are others', async (t) => {
  const { port } = await standIns(t, { '127.0.0.1': good });
  const pod = podAt('127.0.0.1');
  const { proxies, reaches } = startProxies(t, { port, timing: { interval: 5 } });
  const told: string[] = [];
  proxies.onState((uid) => told.push(`${uid} ${proxies.state(uid)?.state}`));
  proxies.program(pod, wish);
  await reaches(pod.uid, 'programmed');
  const another = wishOf({});
  proxies.program(pod, another);
  assert.deepEqual(proxies.state(pod.uid), { state: 'pending', has: wish });
  await reaches(pod.uid, 'programmed');
  assert.deepEqual(
    told,
    ['programmed', 'pending', 'programmed'].map((state) => `${pod.uid} ${state}`),
  );
});
