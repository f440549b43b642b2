import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import { until } from '../../src/testing/until.ts';
import {
  ask,
  connectDatagram,
  connectStream,
  received,
  serveDatagram,
  serveStream,
  serveWebSocket,
} from '../support/peers.ts';
import { request, startProxy } from '../support/proxy.ts';

const HOST = '127.0.0.1';

/** Echoes what is sent, wrapped with the session's metadata: what the rules have made of it can be seen. */
const SHOW = {
  clusters: [
    { name: 'echo', spec: { protocol: 'Echo' } },
    { name: 'encap', spec: { protocol: 'JSONEncap' } },
  ],
  routes: [{ name: 'show', destination: 'echo', ingress: ['encap'] }],
};

/** An action that leaves a mark. */
const mark = (value: unknown, more: object = { route: 'show' }) => ({ rewrite: [{ path: '/mark', value }], ...more });

async function startWeb(t: TestContext, config: { rules?: object[]; rulelists?: object[] }, rules: unknown[]) {
  const { proxy, ports } = await startProxy(t, ['web'], ({ web }) => ({
    ...SHOW,
    ...config,
    listeners: [
      {
        name: 'web',
        spec: { protocol: 'HTTP', port: web, address: HOST },
        rules: { name: 'web', rules },
        options: { verbose_errors: true },
      },
    ],
  }));
  const send = async (path = '/', headers: Record<string, string> = {}, method = 'POST') => {
    const answer = await request({ port: ports.web, method, path, headers }, 'hello');
    return { ...answer, metadata: answer.body?.metadata, mark: answer.body?.metadata?.mark };
  };
  return { proxy, port: ports.web, send };
}

// -------------------------------------------------------------------- predicates

const HEADER = '/HTTP/headers/x-bar';

/** A predicate, and requests (headers, path) that it takes and does not take. */
const PREDICATES: readonly [object, [object, string?][], [object, string?][]][] = [
  [{ op: 'test', path: HEADER, value: 'Me' }, [[{ 'x-bar': 'Me' }]], [[{ 'x-bar': 'me' }], [{ 'x-bar': 'Me2' }], [{}]]],
  [{ op: 'test', path: HEADER, value: 'ME', ignore_case: true }, [[{ 'x-bar': 'mE' }], [{ 'X-Bar': 'me' }]], [[{}]]],
  [
    { op: 'test', path: '/HTTP/url/path', value: '/a?b=1' },
    [[{}, '/a?b=1']],
    [
      [{}, '/a'],
      [{}, '/a?b=2'],
    ],
  ],
  [{ op: 'contains', path: HEADER, value: 'oo' }, [[{ 'x-bar': 'foo' }]], [[{ 'x-bar': 'fo' }], [{}]]],
  [
    { op: 'starts', path: '/HTTP/url/path', value: '/api/' },
    [[{}, '/api/x']],
    [
      [{}, '/api'],
      [{}, '/x/api/'],
    ],
  ],
  [{ op: 'ends', path: '/HTTP/url/path', value: '.PNG', ignore_case: true }, [[{}, '/x.png']], [[{}, '/x.png?y']]],
  [
    { op: 'matches', path: '/HTTP/url/path', value: '^/(a|b)/\\d+$' },
    [
      [{}, '/a/1'],
      [{}, '/b/22'],
    ],
    [
      [{}, '/c/1'],
      [{}, '/a/'],
    ],
  ],
  [{ op: 'in', path: HEADER, value: ['x', 'y'] }, [[{ 'x-bar': 'x' }], [{ 'x-bar': 'y' }]], [[{ 'x-bar': 'z' }], [{}]]],
  [{ op: 'less', path: '/TCP/src_port', value: 65_536 }, [[{}]], []],
  [{ op: 'more', path: '/TCP/src_port', value: 65_535 }, [], [[{}]]],
  [{ op: 'more', path: HEADER, value: 5 }, [], [[{ 'x-bar': '9' }]]],
  [{ op: 'defined', path: HEADER }, [[{ 'x-bar': '' }]], [[{}]]],
  [{ op: 'undefined', path: HEADER }, [[{}]], [[{ 'x-bar': '' }]]],
  [{ op: 'type', path: '/TCP/dst_port', value: 'number' }, [[{}]], []],
  [{ op: 'type', path: HEADER, value: 'date' }, [[{ 'x-bar': '2020-02-29' }]], [[{ 'x-bar': '2021-02-29' }]]],
  [{ op: 'test', path: '/IP/src_addr', value: HOST }, [[{}]], []],
  [
    {
      op: 'and',
      path: '/HTTP',
      apply: [
        { op: 'test', path: '/headers/x-bar', value: '1' },
        { op: 'starts', path: 'url/path', value: '/a' },
      ],
    },
    [[{ 'x-bar': '1' }, '/a']],
    [
      [{ 'x-bar': '1' }, '/b'],
      [{ 'x-bar': '2' }, '/a'],
    ],
  ],
  [
    {
      op: 'or',
      apply: [
        { op: 'defined', path: HEADER },
        { op: 'test', path: '/HTTP/url/path', value: '/a' },
      ],
    },
    [[{ 'x-bar': '1' }], [{}, '/a']],
    [[{}, '/b']],
  ],
  [
    {
      op: 'not',
      apply: [
        { op: 'defined', path: HEADER },
        { op: 'test', path: '/HTTP/url/path', value: '/a' },
      ],
    },
    [[{}, '/b']],
    [
      [{ 'x-bar': '1' }, '/b'],
      [{}, '/a'],
      [{ 'x-bar': '1' }, '/a'],
    ],
  ],
  [{ op: 'defined', path: '/HTTP/headers/__proto__' }, [], [[{}]]],
  [{ op: 'defined', path: '/HTTP/headers/constructor' }, [[{ constructor: 'x' }]], [[{}]]],
  [{ op: 'defined', path: '/toString' }, [], [[{}]]],
];

test('rules see the request as JSON Predicates do', async (t) => {
  const { proxy, send } = await startWeb(t, {}, [{ action: mark('no') }]);
  for (const [match, takes, leaves] of PREDICATES) {
    await proxy.ok('POST', 'rulelists/web/rules/0', { rule: { match, action: mark('yes') } });
    for (const [headers, path] of takes) {
      assert.equal(
        (await send(path, headers as Record<string, string>)).mark,
        'yes',
        JSON.stringify([match, headers, path]),
      );
    }
    for (const [headers, path] of leaves) {
      assert.equal(
        (await send(path, headers as Record<string, string>)).mark,
        'no',
        JSON.stringify([match, headers, path]),
      );
    }
    await proxy.ok('DELETE', 'rulelists/web/rules/0?recursive=true');
  }
});

test('the first rule that matches counts, and later ones are not asked', async (t) => {
  const { send } = await startWeb(t, {}, [
    { match: { op: 'starts', path: '/HTTP/url/path', value: '/a/b' }, action: mark(1) },
    { match: { op: 'starts', path: '/HTTP/url/path', value: '/a' }, action: mark(2) },
    { match: '*', action: mark(3) },
    { match: { op: 'starts', path: '/HTTP/url/path', value: '/c' }, action: mark(4) },
  ]);
  const marks = await Promise.all(['/a/b/c', '/a/c', '/c', '/'].map(async (path) => (await send(path)).mark));
  assert.deepEqual(marks, [1, 2, 3, 3]);
});

test('where no rule matches, an HTTP client gets a 404 in JSON, and others are disconnected', async (t) => {
  const never = { match: { op: 'defined', path: '/nix' }, action: { route: 'show' } };
  const { proxy, port } = await startWeb(t, {}, [never]);
  for (const method of ['GET', 'POST', 'DELETE']) {
    const answer = await request({ port, method });
    assert.deepEqual([answer.status, answer.headers['content-type']], [404, 'application/json']);
    assert.deepEqual(answer.body, { status: 404, message: 'Not Found', content: 'no rule of web matches' });
  }
  const { ports } = await startProxy(t, ['tcp'], ({ tcp }) => ({
    listeners: [{ name: 'tcp', spec: { protocol: 'TCP', port: tcp, address: HOST }, rules: [never] }],
  }));
  const client = await connectStream(t, { port: ports.tcp });
  await until(() => client.ended || client.closed, 'the client is told');
  client.close();
  assert.equal((await proxy.ok('GET', 'sessions')).length, 1);
});

test('a UDP peer that no rule matches is refused, and the next one is asked about anew', async (t) => {
  const server = await serveDatagram(t);
  const { proxy, ports } = await startProxy(t, ['udp'], ({ udp }) => ({
    listeners: [
      { name: 'udp', spec: { protocol: 'UDP', port: udp, address: HOST }, rules: { name: 'list', rules: [] } },
    ],
    clusters: [{ name: 'c', spec: { protocol: 'UDP', port: server.port }, endpoints: [{ spec: { address: HOST } }] }],
    routes: [{ name: 'r', destination: 'c' }],
  }));
  const [known, stranger] = [await connectDatagram(t, ports.udp), await connectDatagram(t, ports.udp)];
  const match = { op: 'test', path: '/UDP/src_port', value: known.port };
  await proxy.ok('POST', 'rulelists/list/rules/0', { rule: { match, action: { route: 'r' } } });
  stranger.send('x');
  assert.equal(await ask(known, 'hello'), 'hello');
  assert.deepEqual(
    server.peers.map(({ messages }) => messages.map(String)),
    [['hello']],
  );
});

// -------------------------------------------------------------------- rewrite

test('a rewrite is seen by the stages, made where it is missing, and does not reach the next session', async (t) => {
  const { send } = await startWeb(t, {}, [
    {
      match: { op: 'test', path: '/HTTP/url/path', value: '/first' },
      action: {
        rewrite: [
          { path: '/a/b/c', value: { d: [1, null, 'x'] } },
          { path: 'without/slash', value: true },
          { path: '/HTTP/method', value: 'PUT' },
          { path: '/HTTP/headers/x-new~1y', value: 'z' },
          { path: '/', value: { root: 1 } },
          { path: '/HTTP/headers/x-client', from: '/IP/src_addr' },
          { path: '/HTTP/headers/x-user', from: '/HTTP/headers/user' },
        ],
        route: 'show',
      },
    },
    { action: { route: 'show' } },
  ]);
  const { metadata } = await send('/first');
  assert.deepEqual(metadata.a, { b: { c: { d: [1, null, 'x'] } } });
  assert.deepEqual([metadata.without, metadata.root, metadata.HTTP.method], [{ slash: true }, 1, 'PUT']);
  assert.equal(metadata.HTTP.headers['x-new/y'], 'z');
  assert.equal(metadata.HTTP.headers['x-client'], HOST);
  assert.equal('x-user' in metadata.HTTP.headers, false);
  const second = (await send('/second')).metadata;
  assert.deepEqual([second.a, second.without, second.HTTP.method], [undefined, undefined, 'POST']);
});

test('a rewrite is in the session that the API shows', async (t) => {
  const { proxy, ports } = await startProxy(t, ['l'], ({ l }) => ({
    listeners: [
      {
        name: 'l',
        spec: { protocol: 'TCP', port: l, address: HOST },
        rules: [
          {
            action: {
              rewrite: [{ path: '/labels/x', value: 'y' }],
              route: { destination: { spec: { protocol: 'Echo' } } },
            },
          },
        ],
      },
    ],
  }));
  const client = await connectStream(t, { port: ports.l });
  const { metadata } = await proxy.session('l');
  assert.deepEqual(metadata.labels, { x: 'y' });
  assert.equal(metadata.TCP.src_port, client.port);
  client.close();
});

test('a rewrite decides what a JSONSocket header says', async (t) => {
  const answer = '{"JSONSocketVersion":1,"JSONSocketStatus":200,"JSONSocketMessage":"OK"}\n';
  const server = await serveStream(t, { reply: () => answer });
  const { ports } = await startProxy(t, ['l'], ({ l }) => ({
    listeners: [
      {
        name: 'l',
        spec: { protocol: 'TCP', port: l, address: HOST },
        rules: [{ action: { rewrite: [{ path: '/user', value: { id: 7 } }], route: { destination: 'socket' } } }],
      },
    ],
    clusters: [
      {
        name: 'socket',
        spec: {
          protocol: 'JSONSocket',
          transport: { protocol: 'TCP', port: server.port },
          header: [{ path: { from: '/user', to: '/from' } }, { path: '/nix' }, { set: { key: '/x', value: 1 } }],
        },
        endpoints: [{ spec: { address: HOST } }],
      },
    ],
  }));
  const client = await connectStream(t, { port: ports.l });
  await until(() => server.peers[0] && server.peers[0].messages.length > 0, 'a header');
  const [line] = (await received(server.peers[0] as never, 1)).toString().split('\n');
  assert.deepEqual(JSON.parse(line as string), { JSONSocketVersion: 1, from: { id: 7 }, x: 1 });
  client.close();
});

test('a rewrite decides what a WebSocket is asked for', async (t) => {
  const requests: { url: string; header: unknown; port: unknown }[] = [];
  const server = await serveWebSocket(t, {
    onPeer: (_peer, request) => {
      const { url = '', headers = {} } = request ?? {};
      requests.push({ url, header: headers['x-user'], port: headers['x-port'] });
    },
  });
  const { ports } = await startProxy(t, ['l'], ({ l }) => ({
    listeners: [
      {
        name: 'l',
        spec: { protocol: 'UDP', port: l, address: HOST },
        rules: [
          {
            action: {
              rewrite: [
                { path: '/HTTP/url/path', value: '/chat?room=1' },
                { path: '/HTTP/headers/x-user', value: 'me' },
                { path: '/HTTP/headers/x-port', from: '/UDP/src_port' },
              ],
              route: {
                destination: {
                  spec: { protocol: 'WebSocket', port: server.port },
                  endpoints: [{ spec: { address: HOST } }],
                },
              },
            },
          },
        ],
      },
    ],
  }));
  const client = await connectDatagram(t, ports.l);
  assert.equal(await ask(client, 'hello'), 'hello');
  assert.deepEqual(requests, [{ url: '/chat?room=1', header: 'me', port: `${client.port}` }]);
});

test('a value with keys such as __proto__ is data, wherever it is put', async (t) => {
  const value = JSON.parse('{"__proto__": {"polluted": 1}, "constructor": {"prototype": {"polluted": 1}}}');
  const { send } = await startWeb(t, {}, [
    {
      action: {
        rewrite: [
          { path: '/a', value },
          { path: '/', value },
        ],
        route: 'show',
      },
    },
  ]);
  const { text, metadata } = await send();
  assert.deepEqual(metadata.a, value);
  assert.match(text, /"a":\{"__proto__":\{"polluted":1\}/);
  assert.equal(({} as { polluted?: unknown }).polluted, undefined);
});

test('a rewrite into a list that cannot take it refuses the session, and says which rule it was', async (t) => {
  const { proxy, send } = await startWeb(t, {}, [
    {
      name: 'bad',
      action: {
        rewrite: [
          { path: '/list', value: [1] },
          { path: '/list/7', value: 2 },
        ],
        route: 'show',
      },
    },
  ]);
  const answer = await send();
  assert.equal(answer.status, 404);
  assert.match(answer.body.content, /^rule bad cannot rewrite: nothing can be put at "\/list\/7"/);
  await proxy.ok('POST', 'rulelists/web/rules/0', { rule: { action: mark('good') } });
  assert.equal((await send()).mark, 'good');
});

// -------------------------------------------------------------------- apply

test('apply goes on in another rulelist, with what was rewritten', async (t) => {
  const { send } = await startWeb(
    t,
    {
      rulelists: [
        {
          name: 'second',
          rules: [{ match: { op: 'test', path: '/mark', value: 1 }, action: mark(2, { apply: 'third' }) }],
        },
        {
          name: 'third',
          rules: [
            { match: { op: 'test', path: '/mark', value: 1 }, action: { route: 'nix' } },
            { action: { route: 'show' } },
          ],
        },
      ],
    },
    [{ action: mark(1, { apply: 'second' }) }],
  );
  assert.equal((await send()).mark, 2);
});

test('a rulelist that matches nothing does not send back to the one that applied it', async (t) => {
  const { send } = await startWeb(t, { rulelists: [{ name: 'empty', rules: [] }] }, [
    { action: { apply: 'empty' } },
    { action: mark('never') },
  ]);
  const { status, body } = await send();
  assert.deepEqual([status, body.content], [404, 'no rule of empty matches']);
});

test('an action with both asks the rulelist first, and takes its own route where nothing there matches', async (t) => {
  const at = (path: string) => ({ op: 'test', path: '/HTTP/url/path', value: path });
  const both = (apply: string) => ({ action: mark('own', { route: 'show', apply }) });
  const { proxy, send } = await startWeb(
    t,
    {
      rulelists: [
        {
          name: 'some',
          rules: [
            { match: at('/taken'), action: mark('some') },
            { match: at('/on'), action: { apply: 'empty' } },
          ],
        },
        { name: 'empty', rules: [] },
        { name: 'inner', rules: [{ action: mark('inner', { route: 'show', apply: 'empty' }) }] },
      ],
    },
    [{ match: at('/inner'), ...both('inner') }, { match: at('/nix'), ...both('nix') }, both('some')],
  );
  const marks = { '/taken': 'some', '/other': 'own', '/on': 'own', '/nix': 'own', '/inner': 'inner' };
  for (const [path, value] of Object.entries(marks)) assert.equal((await send(path)).mark, value, path);
  const { rules } = await proxy.ok('GET', 'rulelists/inner?recursive=true');
  assert.deepEqual([rules[0].action.route.name, rules[0].action.apply], ['show', 'empty']);
});

test('rulelists that apply one another end in an error, whatever the length of the circle', async (t) => {
  const { proxy, send } = await startWeb(
    t,
    {
      rulelists: [
        { name: 'self', rules: [{ action: { apply: 'self' } }] },
        ...Array.from({ length: 50 }, (_, n) => ({
          name: `c${n}`,
          rules: [{ action: { apply: `c${(n + 1) % 50}` } }],
        })),
      ],
    },
    [
      { match: { op: 'test', path: '/HTTP/url/path', value: '/self' }, action: { apply: 'self' } },
      { match: { op: 'test', path: '/HTTP/url/path', value: '/circle' }, action: { apply: 'c7' } },
      { match: { op: 'test', path: '/HTTP/url/path', value: '/back' }, action: { apply: 'web' } },
      { match: { op: 'test', path: '/HTTP/url/path', value: '/nix' }, action: { apply: 'nix' } },
      { action: mark('here') },
    ],
  );
  for (const path of ['/self', '/circle', '/back']) {
    const { status, body } = await send(path);
    assert.equal(status, 404, path);
    assert.match(body.content, /apply one another, from web on/);
  }
  assert.equal((await send('/nix')).body.content, 'there is no rulelist nix');
  assert.equal((await send('/')).mark, 'here');
  assert.equal((await proxy.ok('GET', 'rulelists/self?recursive=true')).rules[0].action.apply, 'self');
});

// -------------------------------------------------------------------- regular expressions

test('a catastrophic regular expression does not hold up the others', async (t) => {
  const { send } = await startWeb(t, {}, [
    { match: { op: 'matches', path: HEADER, value: '^(a+)+$' }, action: mark('first') },
    { match: { op: 'matches', path: HEADER, value: '^(a|aa|a?a)*b$' }, action: mark('second') },
    { match: { op: 'matches', path: HEADER, value: '([a-z]+)*[0-9]([a-z]+)*!' }, action: mark('third') },
    { action: mark('none') },
  ]);
  // With a backtracking engine one of these would take longer than the universe is old.
  const evil = Array.from({ length: 5 }, () => send('/', { 'x-bar': `${'a'.repeat(10_000)}#` }));
  assert.equal((await send('/', { 'x-bar': 'aaa' })).mark, 'first');
  assert.equal((await send('/', { 'x-bar': 'aab' })).mark, 'second');
  for (const answer of await Promise.all(evil)) assert.equal(answer.mark, 'none');
});

test('a rule can lead to the API only where it says so', async (t) => {
  const { proxy, ports } = await startProxy(t, ['web'], ({ web }) => ({
    ...SHOW,
    listeners: [
      {
        name: 'web',
        spec: { protocol: 'HTTP', port: web, address: HOST },
        rules: [
          {
            match: { op: 'test', path: '/HTTP/headers/x-token', value: 'secret' },
            action: { route: { destination: 'l7mp-controller' } },
          },
          {
            match: { op: 'test', path: '/HTTP/method', value: 'PUT' },
            action: {
              rewrite: [
                { path: '/HTTP/url/path', value: '/api/v1/clusters' },
                { path: '/HTTP/method', value: 'GET' },
              ],
              route: { destination: 'l7mp-controller' },
            },
          },
        ],
      },
    ],
  }));
  const path = '/api/v1/clusters';
  assert.equal((await request({ port: ports.web, path })).status, 404);
  assert.equal((await request({ port: ports.web, path, headers: { 'x-token': 'secret' } })).status, 200);
  const rewritten = await request({ port: ports.web, path: '/anything', method: 'PUT' }, 'body');
  assert.deepEqual(rewritten.body, await proxy.ok('GET', 'clusters'));
});
