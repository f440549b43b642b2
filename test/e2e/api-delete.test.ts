import assert from 'node:assert/strict';
import { once } from 'node:events';
import * as net from 'node:net';
import { type TestContext, test } from 'node:test';
import { until } from '../../src/testing/until.ts';
import { configOf, names, refused } from '../support/config.ts';
import {
  ask,
  connectDatagram,
  connectStream,
  type Peer,
  type Server,
  serveDatagram,
  serveStream,
} from '../support/peers.ts';
import { listener, startProxy, type TestProxy } from '../support/proxy.ts';

const HOST = '127.0.0.1';

const RETRY = { retry_on: 'always', num_retries: 3, timeout: 50 };

const to = (protocol: string, ...servers: Server[]): object => ({
  spec: { protocol, port: servers[0]?.port },
  endpoints: servers.map((_, n) => ({ name: `e${n}`, spec: { address: `127.0.0.${n + 1}` } })),
});

/** The two kinds of sessions: of connections, and of peers that never say that they are gone. */
const SIDES = [
  { protocol: 'TCP', serve: (t: TestContext) => serveStream(t) },
  { protocol: 'UDP', serve: (t: TestContext) => serveDatagram(t) },
];

interface Started<N extends string> {
  readonly proxy: TestProxy;
  readonly ports: Record<N, number>;
  /** A client, which goes before the proxy: that would wait for it. */
  connect(port: number, protocol?: string): Promise<Peer>;
}

async function start<N extends string>(
  t: TestContext,
  portNames: readonly N[],
  config: (ports: Record<N, number>) => object,
): Promise<Started<N>> {
  const clients: Peer[] = [];
  t.after(() => {
    for (const client of clients) client.close();
  });
  const connect = async (port: number, protocol = 'TCP'): Promise<Peer> => {
    const client = protocol === 'UDP' ? await connectDatagram(t, port) : await connectStream(t, { port });
    clients.push(client);
    return client;
  };
  return { ...(await startProxy(t, portNames, config)), connect };
}

const isOver = (peer: Peer) => until(() => peer.ended || peer.closed !== undefined, 'the client is told');

const refuses = async (port: number): Promise<void> => {
  const [error] = await once(net.connect({ port, host: HOST }), 'error');
  assert.equal(error.code, 'ECONNREFUSED');
};

/** What is left of a configuration, by kind. */
async function left(proxy: TestProxy): Promise<Record<string, string[]>> {
  const { listeners, rulelists, rules, routes, clusters, endpoints } = await configOf(proxy);
  const own = (objects: { name: string }[]) => names(objects).filter((name) => !/controller/.test(name));
  return {
    listeners: own(listeners),
    rulelists: own(rulelists),
    rules: own(rules),
    routes: own(routes),
    clusters: own(clusters),
    endpoints: own(endpoints),
  };
}

const NOTHING = { listeners: [], rulelists: [], rules: [], routes: [], clusters: [], endpoints: [] };

// -------------------------------------------------------------------- listeners

for (const { protocol, serve } of SIDES) {
  test(`a ${protocol} listener that is deleted leaves its sessions and everything else`, async (t) => {
    const server = await serve(t);
    const { proxy, ports, connect } = await start(t, ['l'], ({ l }) => ({
      listeners: [listener('l', { protocol, port: l }, { destination: { name: 'c', ...to(protocol, server) } })],
    }));
    const client = await connect(ports.l, protocol);
    assert.equal(await ask(client, 'one'), 'one');
    await proxy.ok('DELETE', 'listeners/l');
    assert.equal(await ask(client, 'two'), 'two');
    assert.equal((await proxy.sessions('l')).length, 1);
    assert.deepEqual(await left(proxy), {
      listeners: [],
      rulelists: ['l-RuleList-0'],
      rules: ['l-RuleList-0-Rule-0'],
      routes: ['l-RuleList-0-Rule-0-Route-0'],
      clusters: ['c'],
      endpoints: ['e0'],
    });
    if (protocol === 'TCP') await refuses(ports.l);
  });

  test(`a ${protocol} listener that is deleted recursively ends its sessions and takes along what was inline`, async (t) => {
    const server = await serve(t);
    const { proxy, ports, connect } = await start(t, ['l', 'm'], ({ l, m }) => ({
      listeners: [
        listener(
          'l',
          { protocol, port: l },
          {
            destination: { name: 'c', ...to(protocol, server) },
            ingress: ['named', { spec: { protocol: 'Logger', log_file: '/dev/null' } }],
          },
        ),
        listener('m', { protocol, port: m }, { destination: 'other' }),
      ],
      clusters: [
        { name: 'named', spec: { protocol: 'Echo' } },
        { name: 'other', ...to(protocol, server), endpoints: [{ name: 'e', spec: { address: HOST } }] },
      ],
    }));
    const [client, another] = [await connect(ports.l, protocol), await connect(ports.m, protocol)];
    assert.equal(await ask(client, 'one'), 'one');
    assert.equal(await ask(another, 'one'), 'one');
    await proxy.ok('DELETE', 'listeners/l?recursive=true');
    assert.deepEqual(await proxy.sessions('l'), []);
    if (protocol === 'TCP') await isOver(client);
    assert.equal(await ask(another, 'two'), 'two');
    assert.deepEqual(await left(proxy), {
      listeners: ['m'],
      rulelists: ['m-RuleList-0'],
      rules: ['m-RuleList-0-Rule-0'],
      routes: ['m-RuleList-0-Rule-0-Route-0'],
      clusters: ['named', 'other'],
      endpoints: ['e'],
    });
    await proxy.ok('DELETE', 'listeners/m?recursive=true');
    await proxy.ok('DELETE', 'clusters/named');
    await proxy.ok('DELETE', 'clusters/other');
    assert.deepEqual(await left(proxy), NOTHING);
  });
}

for (const { protocol, serve } of SIDES) {
  test(`what is inline in one listener is not another’s: who only names it leaves it, and its ${protocol} sessions, alone`, async (t) => {
    const server = await serve(t);
    const { proxy, ports, connect } = await start(t, ['a', 'b'], ({ a, b }) => ({
      listeners: [
        listener('a', { protocol, port: a }, { destination: { name: 'shared', ...to(protocol, server) } }),
        listener('b', { protocol, port: b }, { destination: 'shared' }),
      ],
    }));
    const client = await connect(ports.a, protocol);
    assert.equal(await ask(client, 'one'), 'one');
    assert.equal(await ask(await connect(ports.b, protocol), 'one'), 'one');
    const before = await left(proxy);
    const only = (kind: string) => before[kind]?.filter((name) => !name.startsWith('b'));
    await proxy.ok('DELETE', 'listeners/b?recursive=true');
    assert.equal(await ask(client, 'two'), 'two');
    assert.equal(await ask(await connect(ports.a, protocol), 'new'), 'new');
    assert.deepEqual(await proxy.sessions('b'), []);
    assert.deepEqual(await left(proxy), Object.fromEntries(Object.keys(before).map((kind) => [kind, only(kind)])));
  });

  test(`what is inline goes with its owner, also from under others: their ${protocol} sessions go on, new ones fail`, async (t) => {
    const server = await serve(t);
    const { proxy, ports, connect } = await start(t, ['a', 'b'], ({ a, b }) => ({
      listeners: [
        listener('a', { protocol, port: a }, { destination: { name: 'shared', ...to(protocol, server) } }),
        { ...listener('b', { protocol, port: b }, { destination: 'shared' }), options: { track: 60 } },
      ],
    }));
    const client = await connect(ports.b, protocol);
    assert.equal(await ask(client, 'one'), 'one');
    await proxy.ok('DELETE', 'listeners/a?recursive=true');
    assert.equal(await ask(client, 'two'), 'two');
    assert.deepEqual((await left(proxy)).clusters, []);
    const another = await connect(ports.b, protocol);
    another.send(Buffer.from('x'));
    await until(
      async () => (await proxy.sessions('b')).some(({ status }) => status === 'DESTROYED'),
      'a new one fails',
    );
    assert.equal(await ask(client, 'three'), 'three');
  });
}

/** An owner of each kind, and another object that names what is inline in it. */
const SHARED: readonly { kind: string; owner: object; other: object; child: [kind: string, name: string] }[] = [
  {
    kind: 'routes',
    owner: { name: 'owner', destination: 'x', ingress: [{ name: 'mine', spec: { protocol: 'Echo' } }] },
    other: { name: 'other', destination: 'x', egress: ['mine'] },
    child: ['clusters', 'mine'],
  },
  {
    kind: 'rules',
    owner: { name: 'owner', action: { route: { name: 'mine', destination: 'x' } } },
    other: { name: 'other', action: { route: 'mine' } },
    child: ['routes', 'mine'],
  },
  {
    kind: 'rulelists',
    owner: { name: 'owner', rules: [{ name: 'mine', action: { route: 'x' } }] },
    other: { name: 'other', rules: ['mine', 'mine'] },
    child: ['rules', 'mine'],
  },
];

for (const { kind, owner, other, child } of SHARED) {
  test(`of two ${kind} only the one in which an object was written takes it along`, async (t) => {
    const { proxy } = await startProxy(t, [], () => ({ [kind]: [owner, other] }));
    const has = async () => (await left(proxy))[child[0]]?.includes(child[1]);
    await proxy.ok('DELETE', `${kind}/other?recursive=true`);
    assert.equal(await has(), true);
    await proxy.ok('DELETE', `${kind}/owner?recursive=true`);
    assert.equal(await has(), false);
  });

  test(`what outlives its owner of the ${kind} belongs to nobody, nor to a later one of the same name`, async (t) => {
    const { proxy } = await startProxy(t, [], () => ({ [kind]: [owner] }));
    await proxy.ok('DELETE', `${kind}/owner`);
    await proxy.ok('POST', kind, { [kind.slice(0, -1)]: { ...other, name: 'owner' } });
    await proxy.ok('DELETE', `${kind}/owner?recursive=true`);
    assert.equal((await left(proxy))[child[0]]?.includes(child[1]), true);
  });
}

test('a rulelist that another listener names goes with the one it was written in, and with that one’s sessions only', async (t) => {
  const server = await serveStream(t);
  const { proxy, ports, connect } = await start(t, ['a', 'b'], ({ a, b }) => ({
    listeners: [
      {
        name: 'a',
        spec: { protocol: 'TCP', port: a },
        rules: { name: 'rl', rules: [{ action: { route: { destination: { name: 'c', ...to('TCP', server) } } } }] },
      },
      { name: 'b', spec: { protocol: 'TCP', port: b }, rules: 'rl' },
    ],
  }));
  const [own, foreign] = [await connect(ports.a), await connect(ports.b)];
  assert.deepEqual([await ask(own, 'x'), await ask(foreign, 'x')], ['x', 'x']);
  await proxy.ok('DELETE', 'listeners/a?recursive=true');
  await isOver(own);
  assert.equal(await ask(foreign, 'y'), 'y');
  assert.deepEqual(await left(proxy), { ...NOTHING, listeners: ['b'] });
});

test('the API can delete the listener that it is asked through, and says so', async (t) => {
  for (const recursive of [false, true]) {
    const { proxy } = await startProxy(t, [], () => ({}));
    const answer = await proxy.api('DELETE', `listeners/controller?recursive=${recursive}`);
    assert.equal(answer.status, 200, answer.text);
    await refuses(proxy.port);
  }
});

test('the API can delete the cluster that it is asked through, and says so', async (t) => {
  const { proxy } = await startProxy(t, [], () => ({}));
  const answer = await proxy.api('DELETE', 'clusters/l7mp-controller?recursive=true');
  assert.equal(answer.status, 200, answer.text);
  assert.equal((await proxy.api('GET', 'sessions')).status, 404);
});

// -------------------------------------------------------------------- clusters

for (const { protocol, serve } of SIDES) {
  test(`a cluster of a ${protocol} session that is deleted takes its endpoints along and leaves the session`, async (t) => {
    const server = await serve(t);
    const { proxy, ports, connect } = await start(t, ['l'], ({ l }) => ({
      listeners: [listener('l', { protocol, port: l }, { destination: 'c' })],
      clusters: [{ name: 'c', ...to(protocol, server) }],
    }));
    const client = await connect(ports.l, protocol);
    assert.equal(await ask(client, 'one'), 'one');
    await proxy.ok('DELETE', 'clusters/c');
    assert.equal(await ask(client, 'two'), 'two');
    assert.deepEqual((await left(proxy)).endpoints, []);
    await refused(proxy, 404, 'GET', 'endpoints/e0');
    const { destination } = (await proxy.sessions('l'))[0];
    assert.deepEqual([destination.origin, destination.endpoint.name, destination.status], ['c', 'e0', 'READY']);
  });

  test(`a cluster that is deleted recursively ends the ${protocol} sessions through it, at whatever place in the chain`, async (t) => {
    const server = await serve(t);
    const plain = { spec: { protocol, port: server.port }, endpoints: [{ spec: { address: HOST } }] };
    const places = ['destination', 'ingress', 'egress', 'elsewhere'] as const;
    const { proxy, ports, connect } = await start(t, places, (at) => ({
      listeners: [
        listener('destination', { protocol, port: at.destination }, { destination: 'c' }),
        listener('ingress', { protocol, port: at.ingress }, { destination: plain, ingress: ['c'] }),
        listener(
          'egress',
          { protocol, port: at.egress },
          { destination: plain, egress: [{ spec: { protocol: 'Echo' } }, 'c'] },
        ),
        listener('elsewhere', { protocol, port: at.elsewhere }, { destination: plain }),
      ],
      clusters: [{ name: 'c', spec: { protocol: 'Echo' } }],
    }));
    for (const place of places) assert.equal(await ask(await connect(ports[place], protocol), 'one'), 'one', place);
    await proxy.ok('DELETE', 'clusters/c?recursive=true');
    const live = await Promise.all(places.map(async (place) => (await proxy.sessions(place)).length));
    assert.deepEqual(live, [0, 0, 0, 1]);
  });
}

test('a cluster of the same name that comes later serves the new sessions, and not those of the old one', async (t) => {
  const [old, young] = [await serveStream(t, { reply: () => 'old' }), await serveStream(t, { reply: () => 'young' })];
  const { proxy, ports, connect } = await start(t, ['l'], ({ l }) => ({
    listeners: [listener('l', { protocol: 'TCP', port: l }, { destination: 'c' })],
    clusters: [{ name: 'c', ...to('TCP', old) }],
  }));
  const before = await connect(ports.l);
  assert.equal(await ask(before, 'x'), 'old');
  await proxy.ok('DELETE', 'clusters/c');
  await proxy.ok('POST', 'clusters', { cluster: { name: 'c', ...to('TCP', young) } });
  assert.equal(await ask(await connect(ports.l), 'x'), 'young');
  assert.equal(await ask(before, 'x'), 'old');
});

// -------------------------------------------------------------------- endpoints

/** Two servers on one port, at 127.0.0.1 and 127.0.0.2, that say which one they are. */
async function twoServers(t: TestContext, protocol: string): Promise<[Server, Server]> {
  if (protocol === 'UDP') {
    const first = await serveDatagram(t, { reply: () => 'first' });
    return [first, await serveDatagram(t, { port: first.port, host: '127.0.0.2', reply: () => 'second' })];
  }
  const first = await serveStream(t, { reply: () => 'first' });
  const second = net.createServer((socket) => {
    socket.on('error', () => {});
    socket.on('data', () => socket.write('second'));
    t.after(() => socket.destroy());
  });
  second.listen({ port: first.port, host: '127.0.0.2' });
  t.after(() => second.close());
  await once(second, 'listening');
  return [first, { port: first.port, peers: [], stop: async () => {} }];
}

for (const { protocol } of SIDES) {
  test(`an endpoint that is deleted keeps its ${protocol} session, and new ones go elsewhere`, async (t) => {
    const servers = await twoServers(t, protocol);
    const { proxy, ports, connect } = await start(t, ['l'], ({ l }) => ({
      listeners: [
        listener('l', { protocol, port: l }, { destination: { name: 'c', ...to(protocol, ...servers) }, retry: RETRY }),
      ],
    }));
    const client = await connect(ports.l, protocol);
    assert.equal(await ask(client, 'x'), 'first');
    await proxy.ok('DELETE', 'endpoints/e0');
    assert.equal(await ask(client, 'x'), 'first');
    assert.equal(await ask(await connect(ports.l, protocol), 'x'), 'second');
    assert.equal((await proxy.ok('GET', 'clusters/c')).endpoints, 1);
  });

  test(`an endpoint that is deleted recursively hands its ${protocol} session on to another where the policy covers it`, async (t) => {
    const servers = await twoServers(t, protocol);
    const { proxy, ports, connect } = await start(t, ['l'], ({ l }) => ({
      listeners: [
        listener('l', { protocol, port: l }, { destination: { name: 'c', ...to(protocol, ...servers) }, retry: RETRY }),
      ],
    }));
    const client = await connect(ports.l, protocol);
    assert.equal(await ask(client, 'x'), 'first');
    const { name } = await proxy.session('l');
    await proxy.ok('DELETE', 'endpoints/e0?recursive=true');
    const session = await proxy.session('l');
    assert.deepEqual([session.name, session.destination.endpoint.name], [name, 'e1']);
    assert.equal(await ask(client, 'x'), 'second');
  });

  test(`an endpoint that is deleted recursively ends its ${protocol} session where the policy does not cover it`, async (t) => {
    const servers = await twoServers(t, protocol);
    const { proxy, ports, connect } = await start(t, ['l', 'm'], ({ l, m }) => ({
      listeners: [
        listener('l', { protocol, port: l }, { destination: { name: 'c', ...to(protocol, ...servers) } }),
        listener(
          'm',
          { protocol, port: m },
          { destination: { ...to(protocol, ...servers), endpoints: [{ spec: { address: HOST } }] } },
        ),
      ],
    }));
    const [client, another] = [await connect(ports.l, protocol), await connect(ports.m, protocol)];
    assert.equal(await ask(client, 'x'), 'first');
    assert.equal(await ask(another, 'x'), 'first');
    await proxy.ok('DELETE', 'endpoints/e0?recursive=true');
    assert.deepEqual(await proxy.sessions('l'), []);
    if (protocol === 'TCP') await isOver(client);
    assert.equal(await ask(another, 'x'), 'first');
  });
}

test('a session whose last endpoint is deleted recursively ends when its attempts are used up', async (t) => {
  const server = await serveStream(t);
  const { proxy, ports, connect } = await start(t, ['l'], ({ l }) => ({
    listeners: [
      listener('l', { protocol: 'TCP', port: l }, { destination: { name: 'c', ...to('TCP', server) }, retry: RETRY }),
    ],
  }));
  const client = await connect(ports.l);
  assert.equal(await ask(client, 'x'), 'x');
  await proxy.ok('DELETE', 'endpoints/e0?recursive=true');
  await isOver(client);
  await proxy.noSession('l');
});

test('an endpoint that comes while a session has none takes it', async (t) => {
  const server = await serveStream(t);
  const { proxy, ports, connect } = await start(t, ['l'], ({ l }) => ({
    listeners: [
      listener(
        'l',
        { protocol: 'TCP', port: l },
        { destination: { name: 'c', ...to('TCP', server) }, retry: { ...RETRY, num_retries: 1000 } },
      ),
    ],
  }));
  const client = await connect(ports.l);
  assert.equal(await ask(client, 'x'), 'x');
  await proxy.ok('DELETE', 'endpoints/e0?recursive=true');
  await proxy.session('l', 'DISCONNECTED');
  await proxy.ok('POST', 'clusters/c/endpoints', { endpoint: { name: 'e', spec: { address: HOST } } });
  assert.equal((await proxy.session('l')).destination.endpoint.name, 'e');
  assert.equal(await ask(client, 'y'), 'y');
});

// -------------------------------------------------------------------- rulelists, rules, routes, sessions

for (const { kind, name, taken } of [
  { kind: 'rulelists', name: 'rl', taken: ['rulelists', 'rules', 'routes', 'clusters', 'endpoints'] },
  { kind: 'rules', name: 'ru', taken: ['rules', 'routes', 'clusters', 'endpoints'] },
  { kind: 'routes', name: 'ro', taken: ['routes', 'clusters', 'endpoints'] },
]) {
  const rules = (server: Server) => ({
    name: 'rl',
    rules: [{ name: 'ru', action: { route: { name: 'ro', destination: { name: 'c', ...to('TCP', server) } } } }],
  });

  test(`one of the ${kind} goes alone, and leaves the sessions`, async (t) => {
    const server = await serveStream(t);
    const { proxy, ports, connect } = await start(t, ['l'], ({ l }) => ({
      listeners: [{ name: 'l', spec: { protocol: 'TCP', port: l }, rules: rules(server) }],
    }));
    const before = await left(proxy);
    const client = await connect(ports.l);
    assert.equal(await ask(client, 'x'), 'x');
    await proxy.ok('DELETE', `${kind}/${name}`);
    assert.deepEqual(await left(proxy), { ...before, [kind]: [] });
    assert.equal(await ask(client, 'y'), 'y');
    await isOver(await connect(ports.l));
  });

  test(`one of the ${kind} goes recursively with what was inline, and its clusters end their sessions`, async (t) => {
    const server = await serveStream(t);
    const { proxy, ports, connect } = await start(t, ['l'], ({ l }) => ({
      listeners: [{ name: 'l', spec: { protocol: 'TCP', port: l }, rules: rules(server) }],
    }));
    const before = await left(proxy);
    const client = await connect(ports.l);
    assert.equal(await ask(client, 'x'), 'x');
    await proxy.ok('DELETE', `${kind}/${name}?recursive=true`);
    assert.deepEqual(await left(proxy), { ...before, ...Object.fromEntries(taken.map((one) => [one, []])) });
    await isOver(client);
    assert.deepEqual(await proxy.sessions('l'), []);
  });
}

test('what was added by itself, not inline, is left by a recursive deletion of what names it', async (t) => {
  const { proxy } = await startProxy(t, [], () => ({}));
  const objects = {
    clusters: { name: 'c', spec: { protocol: 'UDP', port: 7 } },
    routes: { name: 'ro', destination: 'c', ingress: ['c'] },
    rules: { name: 'ru', action: { route: 'ro' } },
    rulelists: { name: 'rl', rules: ['ru'] },
  };
  for (const [path, object] of Object.entries(objects)) await proxy.ok('POST', path, { [path.slice(0, -1)]: object });
  for (const [path, { name }] of Object.entries(objects).reverse()) {
    const before = await left(proxy);
    await proxy.ok('DELETE', `${path}/${name}?recursive=true`);
    assert.deepEqual(await left(proxy), { ...before, [path]: [] });
  }
  assert.deepEqual(await left(proxy), NOTHING);
});

for (const { protocol, serve } of SIDES) {
  test(`a ${protocol} session that is deleted ends, and its peer can begin another`, async (t) => {
    const server = await serve(t);
    const { proxy, ports, connect } = await start(t, ['l'], ({ l }) => ({
      listeners: [listener('l', { protocol, port: l }, { destination: to(protocol, server) })],
    }));
    const client = await connect(ports.l, protocol);
    assert.equal(await ask(client, 'x'), 'x');
    const { name } = await proxy.session('l');
    await proxy.ok('DELETE', `sessions/${encodeURIComponent(name)}`);
    assert.deepEqual(await proxy.sessions('l'), []);
    const again = protocol === 'UDP' ? client : await connect(ports.l, protocol);
    assert.equal(await ask(again, 'y'), 'y');
    if (protocol === 'TCP') await isOver(client);
  });
}
