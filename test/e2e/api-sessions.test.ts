import assert from 'node:assert/strict';
import * as http from 'node:http';
import { type TestContext, test } from 'node:test';
import { until } from '../../src/testing/until.ts';
import { connectStream } from '../support/peers.ts';
import { listener, request, startProxy, type TestProxy } from '../support/proxy.ts';

const ECHO = { destination: { name: 'echo', spec: { protocol: 'Echo' } } };

async function start(t: TestContext, count: number) {
  const { proxy, ports } = await startProxy(t, ['tcp', 'other'], ({ tcp, other }) => ({
    listeners: [
      listener('tcp', { protocol: 'TCP', port: tcp }, ECHO),
      listener('other', { protocol: 'TCP', port: other }, { destination: 'echo' }),
    ],
  }));
  const clients = [];
  for (let n = 0; n < count; n++) clients.push(await connectStream(t, { port: ports.tcp }));
  await until(async () => (await proxy.sessions('tcp')).length === count, 'the sessions');
  return { proxy, ports, clients };
}

const namesOf = (sessions: readonly { name: string }[]): string[] => sessions.map(({ name }) => name);

/** The path of the next page, out of the Link header (RFC 8288). */
function nextOf(headers: http.IncomingHttpHeaders): string | undefined {
  return /^<([^>]+)>; rel="next"$/.exec(String(headers.link ?? ''))?.[1];
}

test('each session is on one page, also where sessions end and begin between the pages', async (t) => {
  const { proxy, ports, clients } = await start(t, 7);
  const all = namesOf(await proxy.sessions('tcp'));
  const seen: string[] = [];
  let path: string | undefined = '/api/v1/sessions?listener=tcp&limit=3&format=terse';
  let pages = 0;
  while (path !== undefined) {
    const answer = await request({ port: proxy.port, path });
    assert.equal(answer.status, 200, answer.text);
    assert.equal(answer.headers['x-total-count'], pages === 0 ? '7' : '6');
    seen.push(...namesOf(answer.body));
    path = nextOf(answer.headers);
    pages++;
    if (pages > 1) continue;
    clients[2]?.close();
    await until(async () => (await proxy.sessions('tcp')).length === 6, 'one is gone');
    await connectStream(t, { port: ports.other });
  }
  assert.deepEqual([seen, pages], [all, 3]);
});

test('a list has a thousand sessions at most, unless more are asked for', async (t) => {
  const { proxy } = await start(t, 2);
  const { parameters } = (await proxy.ok('GET', 'openapi.json')).components;
  assert.deepEqual(parameters.limit.schema, { type: 'integer', minimum: 1, maximum: 10_000, default: 1000 });
  const answer = await proxy.api('GET', 'sessions?limit=1');
  assert.deepEqual([answer.body.length, Number(answer.headers['x-total-count']) >= 3], [1, true]);
  const head = await proxy.api('HEAD', 'sessions?limit=1');
  assert.deepEqual([head.status, nextOf(head.headers) !== undefined], [200, true]);
});

test('a list is narrowed down, and shows the fields that are asked for', async (t) => {
  const { proxy, ports } = await start(t, 2);
  await connectStream(t, { port: ports.other });
  await until(async () => (await proxy.sessions('other')).length === 1, 'the session');
  const count = async (query: string): Promise<number> => (await proxy.ok('GET', `sessions?${query}`)).length;
  assert.equal(await count('listener=tcp'), 2);
  assert.equal(await count('cluster=echo'), 3);
  assert.equal(await count('cluster=echo&listener=other&status=CONNECTED'), 1);
  assert.equal(await count('cluster=echo&status=INIT'), 0);
  assert.equal(await count('cluster=echo&peer=127.0.0.0/8'), 3);
  assert.equal(await count('cluster=echo&peer=[::ffff:7f00:1]'), 3);
  assert.equal(await count('peer=192.0.2.1'), 0);
  assert.equal(await count('listener=nix'), 0);
  const [session] = await proxy.ok('GET', 'sessions?listener=tcp&limit=1&fields=status,name');
  assert.deepEqual(Object.keys(session), ['name', 'status']);
});

/** A request through an HTTP listener that is answered when the test ends. */
async function hang(t: TestContext, proxy: TestProxy, port: number, headers: http.OutgoingHttpHeaders): Promise<void> {
  const req = http.request({ port, host: '127.0.0.1', method: 'POST', headers, agent: false });
  req.on('error', () => {});
  t.after(() => req.destroy());
  req.write('x');
  await until(async () => (await proxy.sessions('web')).length > 0, 'the session');
}

test('what a client makes large is cut in lists, credentials are not shown, and the session by itself has the rest', async (t) => {
  const { proxy, ports } = await startProxy(t, ['web'], ({ web }) => ({
    listeners: [listener('web', { protocol: 'HTTP', port: web, address: '127.0.0.1' }, ECHO)],
  }));
  const secrets = { authorization: 'Bearer s3cret', cookie: 'a=s3cret', 'proxy-authorization': 's3cret' };
  await hang(t, proxy, ports.web, { ...secrets, 'x-large': 'y'.repeat(8000) });
  for (const path of ['sessions?listener=web', 'config']) {
    const answer = await proxy.api('GET', path);
    const list = path === 'config' ? answer.body.sessions : answer.body;
    const session = list.find(({ source }: { source: { origin: string } }) => source.origin === 'web');
    assert.equal(session.metadata_cut, true, path);
    assert.ok(JSON.stringify(session.metadata).length <= 4096, path);
    assert.doesNotMatch(answer.text, /s3cret/, path);
  }
  const [{ name }] = await proxy.sessions('web');
  const whole = await proxy.ok('GET', `sessions/${encodeURIComponent(name)}`);
  const { headers } = whole.metadata.HTTP;
  assert.deepEqual([headers['x-large'].length, whole.metadata_cut], [8000, undefined]);
  assert.deepEqual(
    [headers.authorization, headers.cookie, headers['proxy-authorization']],
    Array(3).fill('<redacted>'),
  );
});
