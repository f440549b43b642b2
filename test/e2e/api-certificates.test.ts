/** Clients of the REST API that show a certificate in place of a token. */
import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import * as https from 'node:https';
import { after, type TestContext, test } from 'node:test';
import { until } from '../../src/testing/until.ts';
import { Authority, type Certificate } from '../support/certificates.ts';
import { testLog } from '../support/log.ts';
import { listener, request, startProxy } from '../support/proxy.ts';

const HOST = '127.0.0.1';

const authority = await Authority.make(after);
const stranger = await Authority.make(after, 'somebody else');
const own = await authority.issue();

interface Answer {
  readonly status: number;
  readonly text: string;
}

async function ask(port: number, pair: Certificate | undefined, method: string, token?: string): Promise<Answer> {
  const files = pair && { cert: await readFile(pair.cert), key: await readFile(pair.key) };
  const body = method === 'POST' ? JSON.stringify({ cluster: { name: 'c', spec: { protocol: 'Echo' } } }) : undefined;
  const headers = {
    'content-type': 'application/json',
    ...(body !== undefined && { 'content-length': body.length }),
    ...(token !== undefined && { authorization: `Bearer ${token}` }),
  };
  const path = '/api/v1/clusters';
  return new Promise((resolve, reject) => {
    const req = https.request(
      { host: HOST, port, path, method, headers, agent: false, ca: authority.text, servername: 'localhost', ...files },
      (res) => {
        let text = '';
        res.setEncoding('utf8').on('data', (part) => {
          text += part;
        });
        res.on('end', () => resolve({ status: res.statusCode ?? 0, text }));
      },
    );
    req.on('error', reject).end(body);
  });
}

async function start(t: TestContext, auth: object, tls: object = {}) {
  const log = await testLog(t, 'verbose');
  const { ports } = await startProxy(t, ['api'], ({ api }) => ({
    admin: { ...log.admin, auth },
    listeners: [
      listener(
        'api',
        {
          protocol: 'HTTP',
          port: api,
          address: HOST,
          tls: { ...own, ca: authority.cert, client_auth: 'request', ...tls },
        },
        { destination: 'l7mp-controller' },
      ),
    ],
  }));
  return { port: ports.api, log };
}

test('a certificate gives the right of whom it names, by its subject or an alternative name', async (t) => {
  const { port, log } = await start(t, {
    client_certificates: [
      { subject: 'CN=ops', role: 'admin' },
      { san: 'URI:spiffe://example/eyes', role: 'reader' },
    ],
  });
  const ops = await authority.issue({ names: 'DNS:x.example', commonName: 'ops' });
  const eyes = await authority.issue({ names: 'DNS:y.example,URI:spiffe://example/eyes' });
  assert.equal((await ask(port, ops, 'GET')).status, 200);
  assert.equal((await ask(port, ops, 'POST')).status, 200);
  assert.equal((await ask(port, eyes, 'GET')).status, 200);
  assert.equal((await ask(port, eyes, 'POST')).status, 403);
  const posts = async () => (await log.lines()).filter((line) => /: POST /.test(line));
  const lines = await until(async () => ((await posts()).length === 2 ? posts() : undefined), 'both are logged');
  assert.match(lines[0] ?? '', /POST \/api\/v1\/clusters \(cluster c\) by CN=ops from /);
  assert.match(lines[1] ?? '', /by URI:spiffe:\/\/example\/eyes from .*: 403/);
});

test('none, another one, and one that somebody else has signed give no right; a token does beside it', async (t) => {
  const { port } = await start(t, {
    tokens: [{ name: 'ops', token: 'ops-secret', role: 'admin' }],
    client_certificates: [{ subject: 'CN=ops', role: 'admin' }],
  });
  const other = await authority.issue({ commonName: 'opsx' });
  const forged = await stranger.issue({ commonName: 'ops' });
  const expired = await authority.issue({ commonName: 'ops', days: -1 });
  for (const pair of [undefined, other, forged, expired]) {
    const { status, text } = await ask(port, pair, 'GET');
    assert.equal(status, 401, text);
    assert.equal((await ask(port, pair, 'POST', 'ops-secret')).status === 401, false);
  }
  const ops = await authority.issue({ commonName: 'ops' });
  assert.equal((await ask(port, ops, 'GET', 'no-token')).status, 401);
});

test('what is said of certificates is checked, and shown', async (t) => {
  for (const [certificate, expected] of [
    [{ role: 'admin' }, /client_certificates\/0\/subject: a certificate has a subject or a san/],
    [{ subject: 'CN=a', san: 'DNS:a', role: 'admin' }, /client_certificates\/0\/subject: /],
    [{ subject: 'CN=a,', role: 'admin' }, /client_certificates\/0\/subject: is not of the form/],
    [{ san: '', role: 'admin' }, /client_certificates\/0\/san: /],
  ] as const) {
    await assert.rejects(start(t, { client_certificates: [certificate] }), expected);
  }
  const known = [{ subject: 'CN=ops', role: 'admin' }];
  const { proxy } = await startProxy(t, [], () => ({
    admin: { auth: { client_certificates: known, tokens: [{ name: 'x', token: 'x', role: 'reader' }] } },
  }));
  const headers = { authorization: 'Bearer x' };
  const { body } = await request({ port: proxy.port, path: '/api/v1/admin', headers });
  assert.deepEqual(body.auth, {
    client_certificates: known,
    tokens: [{ name: 'x', token: '<redacted>', role: 'reader' }],
  });
});
