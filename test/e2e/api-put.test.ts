import assert from 'node:assert/strict';
import { once } from 'node:events';
import * as net from 'node:net';
import { describe, type TestContext, test } from 'node:test';
import { freePort } from '../../src/testing/ports.ts';
import { until } from '../../src/testing/until.ts';
import { configOf, names, refused } from '../support/config.ts';
import { listener, request, startProxy, type TestProxy } from '../support/proxy.ts';

const HOST = '127.0.0.1';

const ECHO = { name: 'echo', spec: { protocol: 'Echo' } };

/** A connection to a port, and what has come from it. */
async function connect(t: TestContext, port: number) {
  const socket = net.connect(port, HOST);
  t.after(() => socket.destroy());
  socket.on('error', () => {});
  await once(socket, 'connect');
  let received = '';
  socket.on('data', (bytes) => {
    received += bytes;
  });
  const says = async (text: string, answer = text): Promise<void> => {
    received = '';
    socket.write(text);
    await until(() => received === answer, `the answer ${answer}`);
  };
  return { socket, says };
}

/** A TCP server that answers each piece with its name. */
async function named(t: TestContext, name: string): Promise<number> {
  const server = net.createServer((socket) => {
    socket.on('error', () => {});
    socket.on('data', () => socket.write(name));
  });
  t.after(() => server.close());
  const port = await freePort();
  server.listen(port, HOST);
  await once(server, 'listening');
  return port;
}

const tcp = (port: number, more: object = {}) => ({ protocol: 'TCP', port, address: HOST, ...more });

describe('PUT of an object', () => {
  test('creates it where it is missing, replaces it where it is there, and keeps its place', async (t) => {
    const { proxy } = await startProxy(t, [], () => ({
      clusters: [{ name: 'a', spec: { protocol: 'UDP', port: 1 } }, ECHO],
    }));
    const before = names(await proxy.ok('GET', 'clusters'));
    const udp = { spec: { protocol: 'UDP', port: 2 }, endpoints: [{ spec: { address: 'x' } }] };
    assert.deepEqual((await proxy.api('PUT', 'clusters/new', { cluster: udp })).body, {
      status: 201,
      message: 'Created',
    });
    assert.deepEqual(await proxy.ok('PUT', 'clusters/a', { cluster: { name: 'a', ...udp } }), {
      status: 200,
      message: 'OK',
    });
    assert.deepEqual(names(await proxy.ok('GET', 'clusters')), [...before, 'new']);
    assert.equal((await proxy.ok('GET', 'clusters/a')).spec.port, 2);
  });

  test('of every kind: what was written inline in it goes, and comes', async (t) => {
    const { proxy } = await startProxy(t, ['l'], ({ l }) => ({
      listeners: [listener('l', tcp(l), { destination: { name: 'inline', spec: { protocol: 'Echo' } } })],
      rulelists: [{ name: 'list', rules: [{ name: 'r1', action: { apply: 'x' } }] }],
      routes: [{ name: 'route', destination: { name: 'c1', spec: { protocol: 'Echo' } } }],
      rules: [{ name: 'rule', action: { route: { name: 'own', destination: 'echo' } } }],
      clusters: [ECHO],
    }));
    const { spec } = await proxy.ok('GET', 'listeners/l');
    await proxy.ok('PUT', 'listeners/l', { listener: { spec, rules: 'list' } });
    await proxy.ok('PUT', 'rulelists/list', { rulelist: { rules: [{ action: { apply: 'y' } }, 'rule'] } });
    await proxy.ok('PUT', 'routes/route', { route: { destination: 'echo' } });
    await proxy.ok('PUT', 'rules/rule', { rule: { action: { route: 'route' } } });
    const { clusters, rules, routes, rulelists } = await configOf(proxy);
    assert.deepEqual(names(clusters).sort(), ['echo', 'l7mp-controller']);
    assert.deepEqual(
      names(routes).filter((name) => !name.startsWith('controller')),
      ['route'],
    );
    assert.deepEqual(
      names(rulelists).filter((name) => !name.startsWith('controller')),
      ['list'],
    );
    assert.deepEqual(
      names(rules)
        .filter((name) => !name.startsWith('controller'))
        .sort(),
      ['list-Rule-0', 'rule'],
    );
  });

  test('an endpoint is replaced by its name, or put into its cluster', async (t) => {
    const { proxy } = await startProxy(t, [], () => ({
      clusters: [{ name: 'c', spec: { protocol: 'UDP', port: 1 }, endpoints: [{ spec: { address: 'a' } }] }, ECHO],
    }));
    const put = (path: string, endpoint: object) => proxy.api('PUT', path, { endpoint });
    assert.equal((await put('endpoints/c-EndPoint-0', { spec: { address: 'a' }, weight: 3 })).status, 200);
    assert.equal((await put('clusters/c/endpoints/e', { spec: { address: 'b' } })).status, 201);
    assert.equal((await put('clusters/c/endpoints/e', { spec: { address: 'c' } })).status, 200);
    const shown = (await proxy.ok('GET', 'clusters/c/endpoints')).map(
      (one: { name: string; spec: { address: string }; weight: number }) => [one.name, one.spec.address, one.weight],
    );
    assert.deepEqual(shown, [
      ['c-EndPoint-0', 'a', 3],
      ['e', 'c', 1],
    ]);
    assert.equal((await put('endpoints/missing', { spec: { address: 'a' } })).status, 404);
    assert.equal((await put('clusters/missing/endpoints/x', { spec: { address: 'a' } })).status, 404);
    await proxy.ok('POST', 'clusters', { cluster: { name: 'd', spec: { protocol: 'UDP', port: 1 } } });
    assert.match(
      (await put('clusters/d/endpoints/e', { spec: { address: 'a' } })).body.content,
      /belongs to the cluster c/,
    );
  });

  test('another name in the body, an invalid object and one that cannot be opened change nothing', async (t) => {
    const { proxy, ports } = await startProxy(t, ['l', 'taken'], ({ l, taken }) => ({
      listeners: [
        listener('l', tcp(l), { destination: 'echo' }),
        listener('other', tcp(taken), { destination: 'echo' }),
      ],
      clusters: [ECHO],
    }));
    const put = (fields: object) =>
      ['PUT', 'listeners/l', { listener: { spec: tcp(ports.l), rules: [], ...fields } }] as const;
    assert.match(await refused(proxy, 400, ...put({ name: 'm' })), /^\/listener\/name: "m"/);
    assert.match(await refused(proxy, 422, ...put({ spec: tcp(70_000) })), /^\/listener\/spec\/port/);
    assert.match(await refused(proxy, 400, ...put({ spec: tcp(ports.taken) })), /the address is in use/);
    const { says } = await connect(t, ports.l);
    await says('still here');
  });
});

describe('live sessions', () => {
  test('go on with what they have when everything that they came by is replaced', async (t) => {
    const [one, two] = [await named(t, 'one'), await named(t, 'two')];
    const cluster = (port: number) => ({ spec: { protocol: 'TCP', port }, endpoints: [{ spec: { address: HOST } }] });
    const { proxy, ports } = await startProxy(t, ['l'], ({ l }) => ({
      listeners: [listener('l', tcp(l), { destination: { name: 'c', ...cluster(one) } })],
    }));
    const old = await connect(t, ports.l);
    await old.says('?', 'one');
    await proxy.ok('PUT', 'clusters/c', { cluster: cluster(two) });
    await old.says('?', 'one');
    await (await connect(t, ports.l)).says('?', 'two');
    await proxy.ok('PUT', 'listeners/l', {
      listener: { spec: tcp(ports.l), rules: [], options: { idle_timeout: 60_000 } },
    });
    await old.says('?', 'one');
    await proxy.ok('DELETE', 'listeners/l');
    await old.says('?', 'one');
    assert.equal((await proxy.sessions('l')).length, 2);
  });

  test('of what goes end if that is asked for, and others do not', async (t) => {
    const { proxy, ports } = await startProxy(t, ['a', 'b'], ({ a, b }) => ({
      listeners: [listener('a', tcp(a), { destination: 'echo' }), listener('b', tcp(b), { destination: 'echo' })],
      clusters: [ECHO],
    }));
    const [of, other] = [await connect(t, ports.a), await connect(t, ports.b)];
    await of.says('x');
    await other.says('x');
    // A worker ends it before the answer is here.
    const closed = once(of.socket, 'close');
    await proxy.ok('DELETE', 'listeners/a?sessions=end');
    await closed;
    await other.says('y');
  });

  test('a dry run sees that another listener is in the way, as the change itself would', async (t) => {
    const { proxy, ports } = await startProxy(t, ['l', 'free'], ({ l }) => ({
      listeners: [listener('l', tcp(l), { destination: 'echo' })],
      clusters: [ECHO],
    }));
    const on = (name: string, port: number) => ({ listener: listener(name, tcp(port), { destination: 'echo' }) });
    const busy = await proxy.api('POST', 'listeners?dry_run=true', on('new', ports.l));
    assert.equal(busy.status, 400, busy.text);
    assert.match(busy.text, new RegExp(`listener new: .*:${ports.l} is what the listener l listens on`));
    assert.equal((await proxy.api('POST', 'listeners', on('new', ports.l))).status, 400);
    await proxy.ok('POST', 'listeners?dry_run=true', on('new', ports.free));
    await proxy.ok('PUT', 'listeners/l?dry_run=true', on('l', ports.l));
    const instead = { listeners: [on('new', ports.l).listener], clusters: [ECHO] };
    await proxy.ok('PUT', 'config?dry_run=true&force=true', instead);
  });

  test('a limit takes effect on new sessions without a restart', async (t) => {
    const { proxy, ports } = await startProxy(t, ['l'], ({ l }) => ({
      listeners: [listener('l', tcp(l), { destination: 'echo' })],
      clusters: [ECHO],
    }));
    const one = await connect(t, ports.l);
    await one.says('x');
    const { spec, rules } = await proxy.ok('GET', 'listeners/l');
    const limited = { listener: { spec, rules, options: { max_sessions: 1 } } };
    const { changes } = await proxy.ok('PUT', 'listeners/l?dry_run=true', limited);
    assert.deepEqual(changes[0], { kind: 'listener', name: 'l', action: 'update', fields: ['/options/max_sessions'] });
    await proxy.ok('PUT', 'listeners/l', limited);
    const refusedOne = await connect(t, ports.l);
    await once(refusedOne.socket, 'close');
    await one.says('y');
  });
});

describe('options of a listener that are changed in place', () => {
  const json = (port: number) => ({ protocol: 'JSONSocket', transport: tcp(port) });

  for (const [what, spec, options, said, answer] of [
    ['header_timeout', (port: number) => tcp(port, { protocol: 'HTTP' }), { header_timeout: 10 }, 'GET', / 408 /],
    [
      'body_timeout',
      (port: number) => tcp(port, { protocol: 'HTTP' }),
      { body_timeout: 10 },
      'POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 2\r\n\r\n',
      /^$|^HTTP/,
    ],
    ['header_timeout', (port: number) => tcp(port, { protocol: 'WebSocket' }), { header_timeout: 10 }, 'GET', / 408 /],
    ['handshake_timeout', json, { handshake_timeout: 10 }, '{', /^$/],
    ['connect_timeout', json, { connect_timeout: 10 }, '{', /^$/],
    ['max_header_size', json, { max_header_size: 64 }, `{"x":"${'x'.repeat(64)}`, /"JSONSocketStatus":400/],
    ['max_sessions', tcp, { max_sessions: 0 }, 'x', /^$/],
    ['max_sessions_per_source', tcp, { max_sessions_per_source: 0 }, 'x', /^$/],
  ] as const) {
    test(`${what} of ${spec(1).protocol}: at the next connection, and nothing is opened anew`, async (t) => {
      const { proxy, ports } = await startProxy(t, ['l'], ({ l }) => ({
        listeners: [listener('l', spec(l), { destination: 'echo' })],
        clusters: [ECHO],
      }));
      const { spec: opened, rules } = await proxy.ok('GET', 'listeners/l');
      const changed = { listener: { spec: opened, rules, options } };
      const { changes } = await proxy.ok('PUT', 'listeners/l?dry_run=true', changed);
      assert.equal(changes[0].action, 'update');
      await proxy.ok('PUT', 'listeners/l', changed);
      const { socket } = await connect(t, ports.l);
      let received = '';
      socket.on('data', (bytes) => {
        received += bytes;
      });
      socket.write(said);
      await until(() => socket.readableEnded || socket.closed, 'the end');
      assert.match(received, answer);
    });
  }
});

describe('PUT /config', () => {
  const whole = (proxy: TestProxy) => proxy.ok('GET', 'config?form=apply');

  test('of what it gave, changes nothing, and the revision stays', async (t) => {
    const { proxy } = await startProxy(t, ['l', 'm', 'u'], ({ l, m, u }) => ({
      listeners: [
        listener('l', tcp(l), {
          destination: {
            spec: { protocol: 'UDP', port: 1 },
            endpoints: [{ spec: { address: 'a' } }, { name: 'own', spec: { address: 'b' }, weight: 2 }],
          },
          ingress: ['echo', { spec: { protocol: 'Logger' } }],
          retry: { retry_on: 'always', num_retries: 3, timeout: 100 },
        }),
        { name: 'm', spec: tcp(m), rules: { name: 'named', rules: ['r', { match: '*', action: { apply: 'list' } }] } },
        { name: 'u', spec: { protocol: 'UDP', port: u, address: HOST }, rules: 'list', options: { track: 1 } },
      ],
      rulelists: [
        {
          name: 'list',
          rules: [
            {
              match: { op: 'starts', path: '/IP/src_addr', value: '127.' },
              action: { rewrite: [{ path: '/x', value: 1 }], route: 'route' },
            },
          ],
        },
      ],
      rules: [{ name: 'r', action: { route: { destination: 'echo' } } }],
      routes: [{ name: 'route', destination: 'late' }],
      clusters: [
        ECHO,
        { name: 'hash', spec: { protocol: 'UDP', port: 2 }, loadbalancer: { policy: 'HashRing', key: 'IP/src_addr' } },
      ],
    }));
    await proxy.ok('POST', 'rulelists/list/rules/0', { rule: { action: { apply: 'y' } } });
    await proxy.ok('POST', 'clusters/hash/endpoints', { endpoint: { spec: { address: 'z' } } });
    await proxy.ok('DELETE', 'rulelists/named');
    const before = await configOf(proxy);
    const { etag } = (await proxy.api('GET', 'config')).headers;
    const form = await whole(proxy);
    const answer = await proxy.api('PUT', 'config', form);
    assert.deepEqual(answer.body, { status: 200, message: 'OK', changes: [] });
    assert.equal(answer.headers.etag, etag);
    assert.deepEqual(await configOf(proxy), before);
    assert.deepEqual(await whole(proxy), form);
    // As one would write it: endpoints and inline objects in their places, without names that the proxy has made.
    const [, l] = form.listeners;
    assert.deepEqual(Object.keys(l.rules[0]), ['action']);
    assert.deepEqual(l.rules[0].action.route.destination.endpoints, [
      { spec: { address: 'a' } },
      { name: 'own', spec: { address: 'b' }, weight: 2 },
    ]);
    assert.equal(form.sessions, undefined);
  });

  test('says what would be done, then does it: creates, updates, restarts, deletes, and touches nothing else', async (t) => {
    const { proxy, ports } = await startProxy(t, ['kept', 'moved', 'gone', 'free'], ({ kept, moved, gone }) => ({
      listeners: [
        listener('kept', tcp(kept), { destination: 'echo' }),
        listener('moved', tcp(moved), { destination: 'echo' }),
        listener('gone', tcp(gone), { destination: 'echo' }),
      ],
      clusters: [
        ECHO,
        {
          name: 'c',
          spec: { protocol: 'UDP', port: 1 },
          endpoints: [{ spec: { address: 'a' } }, { spec: { address: 'b' } }],
        },
      ],
    }));
    const session = await connect(t, ports.kept);
    await session.says('x');
    await proxy.ok('POST', 'rules', { rule: { name: 'posted', action: { apply: 'x' } } });
    const form = await whole(proxy);
    const [controller, kept, moved] = form.listeners;
    const wished = {
      ...form,
      rules: undefined,
      // A port goes from one listener to another one.
      listeners: [
        controller,
        kept,
        { ...moved, spec: tcp(ports.gone) },
        listener('new', tcp(ports.moved), { destination: 'echo' }),
      ],
      clusters: form.clusters.map((one: { name: string; endpoints: object[] }) =>
        one.name === 'c'
          ? { ...one, endpoints: [{ spec: { address: 'n' } }, one.endpoints[1], { ...one.endpoints[0], weight: 5 }] }
          : one,
      ),
    };
    const before = await configOf(proxy);
    const plan = await proxy.ok('PUT', 'config?dry_run=true', wished);
    assert.deepEqual(await configOf(proxy), before);
    const done = await proxy.ok('PUT', 'config', wished);
    assert.deepEqual(done, plan);
    const about = (kind: string) =>
      done.changes
        .filter((one: { kind: string }) => one.kind === kind)
        .map((one: { name: string; action: string; fields: string[] }) =>
          [one.name, one.action, ...one.fields].join(' '),
        );
    assert.deepEqual(about('listener'), ['moved restart /spec/port', 'new create', 'gone delete']);
    assert.deepEqual(about('endpoint').sort(), ['c-EndPoint-0 update /weight', 'c-EndPoint-0_1 create']);
    assert.deepEqual(about('cluster'), ['c update /endpoints']);
    assert.deepEqual(about('rule').sort(), [
      'gone-RuleList-0-Rule-0 delete',
      'new-RuleList-0-Rule-0 create',
      'posted delete',
    ]);
    const addresses = (await proxy.ok('GET', 'clusters/c/endpoints')).map(
      (one: { spec: { address: string } }) => one.spec.address,
    );
    assert.deepEqual(addresses, ['n', 'b', 'a']);
    await session.says('y');
    for (const port of [ports.moved, ports.gone]) await (await connect(t, port)).says('z');
    assert.equal((await proxy.ok('PUT', 'config', await whole(proxy))).changes.length, 0);
  });

  test('that fails in the middle is undone', async (t) => {
    const { proxy, ports } = await startProxy(t, ['l', 'm'], ({ l, m }) => ({
      listeners: [listener('l', tcp(l), { destination: 'echo' }), listener('m', tcp(m), { destination: 'echo' })],
      clusters: [ECHO],
    }));
    const busy = net.createServer().listen(await freePort(), HOST);
    t.after(() => busy.close());
    await once(busy, 'listening');
    const form = await whole(proxy);
    const [controller, l] = form.listeners;
    const taken = (busy.address() as net.AddressInfo).port;
    const wished = {
      ...form,
      listeners: [controller, { ...l, spec: tcp(ports.m) }, listener('n', tcp(taken), { destination: 'echo' })],
      clusters: [],
    };
    assert.match(await refused(proxy, 400, 'PUT', 'config', wished), /the address is in use/);
    for (const port of [ports.l, ports.m]) await (await connect(t, port)).says('x');
  });

  test('without the listener through which it came is a conflict, unless it is forced', async (t) => {
    const { proxy } = await startProxy(t, [], () => ({ clusters: [ECHO] }));
    assert.match(await refused(proxy, 409, 'PUT', 'config', { clusters: [ECHO] }), /listener controller.*\?force=true/);
    const { body } = await proxy.api('PUT', 'config?force=true', { clusters: [ECHO] });
    assert.ok(
      body.changes.some((one: { kind: string; action: string }) => one.kind === 'listener' && one.action === 'delete'),
    );
    await until(
      async () => (await proxy.api('GET', 'config').catch(() => 'gone')) === 'gone',
      'the listener is closed',
    );
  });

  test('leaves the settings as they are where it gives none', async (t) => {
    const { proxy } = await startProxy(t, [], () => ({ admin: { log_level: 'silent' } }));
    const { admin, ...form } = await whole(proxy);
    assert.deepEqual((await proxy.ok('PUT', 'config', form)).changes, []);
    const { changes } = await proxy.ok('PUT', 'config', { ...form, admin: { ...admin, log_level: 'error' } });
    assert.deepEqual(changes, [{ kind: 'admin', name: 'admin', action: 'update', fields: ['/log_level'] }]);
    assert.equal((await proxy.ok('GET', 'admin')).log_level, 'error');
  });
});

describe('entity tags', () => {
  const rule = (name: string) => ({ rule: { name, action: { apply: 'x' } } });

  const ask = (proxy: TestProxy, method: string, path: string, headers: Record<string, string>, body?: object) =>
    request(
      {
        port: proxy.port,
        method,
        path: `/api/v1/${path}`,
        headers: { 'content-type': 'application/json', ...headers },
      },
      body && JSON.stringify(body),
    );

  test('grow with each change, and a change that is based on an older one is refused', async (t) => {
    const { proxy } = await startProxy(t, [], () => ({}));
    const first = String((await proxy.api('GET', 'rules')).headers.etag);
    assert.match(first, /^"[\w-]+-\d+"$/);
    const second = String((await proxy.api('POST', 'rules', rule('a'))).headers.etag);
    assert.notEqual(second, first);
    assert.equal((await proxy.api('GET', 'sessions')).headers.etag, second);
    const late = await ask(proxy, 'POST', 'rules', { 'if-match': first }, rule('b'));
    assert.deepEqual([late.status, late.headers.etag], [412, second]);
    for (const tag of [second, `"other", ${second}`, '*']) {
      const current = String((await proxy.api('GET', 'rules')).headers.etag);
      const ifMatch = tag.replace(second, current);
      assert.equal((await ask(proxy, 'DELETE', 'rules/a', { 'if-match': ifMatch })).status, 200, tag);
      await proxy.ok('POST', 'rules', rule('a'));
    }
    assert.equal((await ask(proxy, 'DELETE', 'rules/a', { 'if-match': `W/${first}` })).status, 412);
  });

  test('a reader that has the current one is told so', async (t) => {
    const { proxy } = await startProxy(t, [], () => ({}));
    const etag = String((await proxy.api('GET', 'config')).headers.etag);
    const again = await ask(proxy, 'GET', 'config', { 'if-none-match': etag });
    assert.deepEqual([again.status, again.text, again.headers.etag], [304, '', etag]);
    assert.equal((await ask(proxy, 'GET', 'sessions', { 'if-none-match': etag })).status, 200);
    assert.equal((await ask(proxy, 'GET', 'clusters/l7mp-controller', { 'if-none-match': etag })).status, 304);
    assert.equal((await ask(proxy, 'GET', 'clusters/none', { 'if-none-match': etag })).status, 404);
    await proxy.ok('POST', 'admin', { admin: { log_level: 'silent' } });
    assert.equal((await ask(proxy, 'GET', 'config', { 'if-none-match': etag })).status, 200);
  });

  test('of many changes based on one version, one is made', async (t) => {
    const { proxy } = await startProxy(t, [], () => ({}));
    const etag = String((await proxy.api('GET', 'rules')).headers.etag);
    const all = Array.from({ length: 20 }, (_, n) => ask(proxy, 'POST', 'rules', { 'if-match': etag }, rule(`r${n}`)));
    const statuses = (await Promise.all(all)).map(({ status }) => status).sort();
    assert.deepEqual(statuses, [200, ...new Array(19).fill(412)]);
  });

  test('a dry run changes nothing, whatever it is of', async (t) => {
    const { proxy } = await startProxy(t, [], () => ({ clusters: [ECHO] }));
    const before = await proxy.api('GET', 'config?form=apply');
    const tries: [string, string, object?][] = [
      ['POST', 'rules?dry_run=true', rule('a')],
      ['PUT', 'rules/a?dry_run=true', { rule: { action: { apply: 'x' } } }],
      ['DELETE', 'clusters/echo?dry_run=true&recursive=true'],
      ['POST', 'config?dry_run=true', { rules: [rule('a').rule] }],
    ];
    for (const [method, path, body] of tries) {
      const { changes } = (await proxy.api(method, path, body)).body;
      assert.equal(changes.length, 1, path);
      assert.equal(changes[0].action, method === 'DELETE' ? 'delete' : 'create');
    }
    const after = await proxy.api('GET', 'config?form=apply');
    assert.deepEqual([after.body, after.headers.etag], [before.body, before.headers.etag]);
  });
});

test('PUT /config moves an endpoint to another cluster', async (t) => {
  const { proxy } = await startProxy(t, [], () => ({}));
  const form = await proxy.ok('GET', 'config?form=apply');
  const cluster = (name: string, ...endpoints: string[]) => ({
    name,
    spec: { protocol: 'TCP', port: 1 },
    endpoints: endpoints.map((endpoint) => ({ name: endpoint, spec: { address: '127.0.0.1' } })),
  });
  const put = (...clusters: object[]) => proxy.api('PUT', 'config', { ...form, clusters });
  const names = async (of: string) =>
    (await proxy.ok('GET', `clusters/${of}/endpoints`)).map(({ name }: { name: string }) => name);
  await put(cluster('a', 'e', 'f'), cluster('b'));
  const { body } = await put(cluster('a', 'f'), cluster('b', 'e'));
  assert.deepEqual(body.changes, [{ kind: 'endpoint', name: 'e', action: 'update', fields: ['/cluster'] }]);
  assert.deepEqual([await names('a'), await names('b')], [['f'], ['e']]);
});
