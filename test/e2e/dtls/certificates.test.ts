/** Whose certificates are taken on DTLS, which ones are shown, and what becomes of those that change. */
import assert from 'node:assert/strict';
import { X509Certificate } from 'node:crypto';
import { copyFile } from 'node:fs/promises';
import { after, type TestContext, test } from 'node:test';
import { until } from '../../../src/testing/until.ts';
import { Authority, type Certificate, texts } from '../../support/certificates.ts';
import { startConfig } from '../../support/command.ts';
import { connectDtls, serveDtls } from '../../support/dtls.ts';
import { ask, connectDatagram } from '../../support/peers.ts';
import { listener, request, startProxy, type TestProxy } from '../../support/proxy.ts';

const HOST = '127.0.0.1';
const ECHO = { destination: { spec: { protocol: 'Echo' } } };

const authority = await Authority.make(after);
const stranger = await Authority.make(after, 'another authority');
const own = await authority.issue();
const LOCAL = { ca: authority.text, servername: 'localhost', verify: 'require' } as const;

async function listen(t: TestContext, tls: object): Promise<{ proxy: TestProxy; port: number }> {
  const { proxy, ports } = await startProxy(t, ['l'], ({ l }) => ({
    listeners: [listener('l', { protocol: 'UDP', port: l, address: HOST, tls }, ECHO)],
  }));
  return { proxy, port: ports.l };
}

const shown = ({ connection }: Awaited<ReturnType<typeof connectDtls>>): string => {
  const { certificate } = connection.agreed();
  return new X509Certificate(certificate as Buffer).fingerprint256;
};

const fingerprint = (certificate: Certificate): string => new X509Certificate(texts(certificate).cert).fingerprint256;

// -------------------------------------------------------------------- listeners

test('a client without a certificate or with one of a stranger, is refused where one is required', async (t) => {
  const { proxy, port } = await listen(t, { ...own, ca: authority.cert, client_auth: 'require' });
  await assert.rejects(connectDtls(t, port, LOCAL), /alert handshake failure/);
  await assert.rejects(connectDtls(t, port, { ...LOCAL, ...texts(await stranger.issue()) }), /alert unknown ca/);
  assert.deepEqual(await proxy.sessions('l'), []);
  const good = await connectDtls(t, port, { ...LOCAL, ...texts(await authority.issue({ names: 'DNS:me.example' })) });
  assert.equal(await ask(good, 'hello'), 'hello');
  const { metadata } = await proxy.session('l');
  assert.equal(metadata.TLS.authorized, true);
  assert.partialDeepStrictEqual(metadata.TLS.peer, {
    subject: { CN: 'me.example' },
    issuer: { CN: 'l7mp test authority' },
    subjectaltname: 'DNS:me.example',
  });
  assert.match(metadata.TLS.peer.fingerprint256, /^([0-9A-F]{2}:){31}[0-9A-F]{2}$/);
});

test('a bad certificate is none where one is only asked for, and the session says so', async (t) => {
  const { proxy, port } = await listen(t, { ...own, ca: authority.cert, client_auth: 'request' });
  const cases = [
    [{}, 'the client has no certificate'],
    [texts(await stranger.issue()), 'unable to verify the first certificate'],
    [texts(await authority.issue({ days: -1 })), 'certificate has expired'],
  ] as const;
  for (const [certificate, reason] of cases) {
    const client = await connectDtls(t, port, { ...LOCAL, ...certificate });
    assert.equal(await ask(client, 'hello'), 'hello');
    const { authorized, authorization_error, peer } = (await proxy.session('l')).metadata.TLS;
    assert.deepEqual(
      { authorized, authorization_error, peer },
      {
        authorized: false,
        authorization_error: reason,
        peer: undefined,
      },
    );
    client.close();
    await proxy.noSession('l');
  }
});

test('a client gets the certificate of the name that it asks for', async (t) => {
  const wild = await authority.issue({ names: 'DNS:*.example' });
  const one = await authority.issue({ names: 'DNS:one.example' });
  const certificates = [
    { servernames: ['*.example'], ...wild },
    { servernames: ['one.example'], ...one },
  ];
  const { proxy, port } = await listen(t, { ...own, certificates });
  for (const [servername, certificate] of [
    ['one.example', one],
    ['TWO.example', wild],
    ['else', own],
    [undefined, own],
  ] as const) {
    const client = await connectDtls(t, port, { servername });
    assert.equal(shown(client), fingerprint(certificate), `${servername}`);
    assert.equal((await proxy.session('l')).metadata.TLS.servername, servername?.toLowerCase());
    client.close();
    await proxy.noSession('l');
  }
});

test('with strict_sni an unknown name gets an alert, and none gets the default', async (t) => {
  const named = await authority.issue({ names: 'DNS:one.example' });
  const certificates = [{ servernames: ['one.example'], ...named }];
  const { port } = await listen(t, { ...own, certificates, strict_sni: true });
  await assert.rejects(connectDtls(t, port, { servername: 'two.example' }), /unrecognized name/);
  assert.equal(shown(await connectDtls(t, port)), fingerprint(own));
});

test('without a protocol in common, by ALPN, there is an alert', async (t) => {
  const { proxy, port } = await listen(t, { ...own, alpn: ['a', 'b'] });
  await assert.rejects(connectDtls(t, port, { alpn: ['c'] }), /no application protocol/);
  const client = await connectDtls(t, port, { alpn: ['b', 'a'] });
  assert.equal(client.connection.agreed().alpn, 'a');
  assert.equal((await proxy.session('l')).metadata.TLS.alpn, 'a');
});

test('files that have changed are taken up, and live sessions go on; those of no use are not', async (t) => {
  const cert = await authority.file('now.pem', '');
  const key = await authority.file('now.key', '');
  const use = async (pair: Certificate): Promise<void> => {
    await copyFile(pair.key, key);
    await copyFile(pair.cert, cert);
  };
  await use(own);
  const { port } = await listen(t, { cert, key });
  const first = await connectDtls(t, port, LOCAL);
  assert.equal(shown(first), fingerprint(own));
  await authority.file('now.pem', 'broken');
  const later = await authority.issue();
  await use(later);
  await until(async () => {
    const client = await connectDtls(t, port, LOCAL);
    const is = shown(client);
    client.close();
    return is === fingerprint(later);
  }, 'the new certificate');
  assert.equal(await ask(first, 'still there'), 'still there');
});

test('a key that is a text is not shown', async (t) => {
  const { proxy } = await listen(t, texts(own));
  const text = JSON.stringify([await proxy.ok('GET', 'listeners'), await proxy.ok('GET', 'config')]);
  assert.ok(text.includes('<redacted>') && !text.includes('PRIVATE KEY'));
});

// -------------------------------------------------------------------- clusters

test('an endpoint that cannot show who it is is not used, and the reason is told', async (t) => {
  const cases = [
    [await stranger.issue(), {}, 'unable to get local issuer certificate'],
    [await authority.issue({ days: -1 }), {}, 'certificate has expired'],
    [await authority.issue({ names: 'DNS:localhost' }), {}, 'IP address mismatch'],
    [own, { servername: 'else.example' }, 'hostname mismatch'],
  ] as const;
  for (const [certificate, more, reason] of cases) {
    const server = await serveDtls(t, texts(certificate));
    const spec = { protocol: 'UDP', port: server.port, tls: { ca: authority.cert, ...more } };
    const destination = { name: 'c', spec, endpoints: [{ spec: { address: HOST } }] };
    const { proxy, ports } = await startProxy(t, ['l'], ({ l }) => ({
      listeners: [
        listener('l', { protocol: 'UDP', port: l, address: HOST }, { destination }, { options: { track: 10 } }),
      ],
    }));
    const client = await connectDatagram(t, ports.l);
    client.send('hello');
    const told = async () => JSON.stringify(await proxy.sessions('l'));
    await until(async () => (await told()).includes(reason), reason).catch(async (error) => {
      throw new Error(`${error.message}: ${await told()}`);
    });
    assert.equal(
      server.peers.some(({ messages }) => messages.length > 0),
      false,
    );
  }
});

test('an endpoint is verified by its address, or not at all', async (t) => {
  const server = await serveDtls(t, texts(own));
  const foreign = await serveDtls(t, texts(await stranger.issue()));
  const to = (port: number, tls: object | true) => ({
    destination: { spec: { protocol: 'UDP', port, tls }, endpoints: [{ spec: { address: HOST } }] },
  });
  const { ports } = await startProxy(t, ['a', 'b'], ({ a, b }) => ({
    listeners: [
      listener('a', { protocol: 'UDP', port: a, address: HOST }, to(server.port, { ca: authority.cert })),
      listener('b', { protocol: 'UDP', port: b, address: HOST }, to(foreign.port, { verify: false })),
    ],
  }));
  assert.equal(await ask(await connectDatagram(t, ports.a), 'hello'), 'hello');
  assert.equal(await ask(await connectDatagram(t, ports.b), 'hello'), 'hello');
});

// -------------------------------------------------------------------- configuration

test('what is of no use is refused, with the field and the reason', async (t) => {
  const { proxy } = await startProxy(t, [], () => ({}));
  const add = async (tls: object) => {
    const answer = await proxy.api('POST', 'listeners', {
      listener: { name: 'l', spec: { protocol: 'UDP', port: 5684, tls }, rules: [] },
    });
    return `${answer.status} ${answer.body?.content}`;
  };
  const other = await authority.issue();
  assert.match(await add({}), /^422 .*\/tls\/cert: missing/);
  assert.match(await add({ ...texts(own), min_version: '1.3' }), /^422 .*min_version/);
  assert.match(await add({ ...texts(own), mtu: 100 }), /^422 .*mtu/);
  assert.match(await add({ cert: texts(own).cert, key: texts(other).key }), /^400 .*\/tls\/key: .*not the key/);
});

test('without koffi DTLS is refused when it is configured, and the reason is told', async (t) => {
  const before = process.env.NODE_OPTIONS;
  process.env.NODE_OPTIONS = '--no-addons';
  t.after(() => {
    if (before === undefined) delete process.env.NODE_OPTIONS;
    else process.env.NODE_OPTIONS = before;
  });
  const api = { protocol: 'HTTP', port: 1234, address: HOST };
  const rules = [{ action: { route: { destination: { spec: { protocol: 'L7mpController' } } } } }];
  const { port } = await startConfig(t, { listeners: [{ name: 'api', spec: api, rules }] });
  const body = JSON.stringify({
    listener: { name: 'l', spec: { protocol: 'UDP', port: 5684, address: HOST, tls: texts(own) }, rules: [] },
  });
  const headers = { 'content-type': 'application/json', 'content-length': Buffer.byteLength(body) };
  const answer = await request({ port: port(1234), method: 'POST', path: '/api/v1/listeners', headers }, body);
  assert.equal(answer.status, 400);
  assert.match(answer.body.content, /no DTLS here: the package koffi does not load/);
});
