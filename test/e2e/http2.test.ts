/** HTTP/2 with peers that others have written: curl, nghttp, nginx, node's own. */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { readFile, writeFile } from 'node:fs/promises';
import * as http from 'node:http';
import * as http2 from 'node:http2';
import * as https from 'node:https';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { describe, type TestContext, test } from 'node:test';
import { until } from '../../src/testing/until.ts';
import { Authority } from '../support/certificates.ts';
import { ask, connectTo } from '../support/http2.ts';
import { nginx } from '../support/nginx.ts';
import { run } from '../support/programs.ts';
import { listener, startProxy } from '../support/proxy.ts';

const HOST = '127.0.0.1';
const PRIOR = '--http2-prior-knowledge';

type Version = '1.1' | '2';
const VERSIONS: readonly Version[] = ['1.1', '2'];
const NUMBERS = { '1.1': '1.1', '2': '2.0' };

/** An upstream that says what it has been asked. */
type Handle = (
  req: http.IncomingMessage | http2.Http2ServerRequest,
  res: http.ServerResponse & http2.Http2ServerResponse,
) => void;

async function upstream(t: TestContext, version: Version, handle: Handle): Promise<number> {
  const sessions: http2.Http2Session[] = [];
  const take = handle as never;
  const server = version === '2' ? http2.createServer(take) : http.createServer(take);
  if (version === '2') server.on('session', (session) => sessions.push(session));
  server.on('checkContinue', take);
  server.listen(0, HOST);
  await once(server, 'listening');
  t.after(() => {
    for (const session of sessions) session.destroy();
    server.close();
  });
  return (server.address() as AddressInfo).port;
}

async function proxied(t: TestContext, spec: object, options: object = {}) {
  const { proxy, ports } = await startProxy(t, ['http'], ({ http: port }) => ({
    listeners: [listener('http', { protocol: 'HTTP', port, address: HOST }, { destination: 'servers' })],
    clusters: [
      { name: 'servers', spec: { protocol: 'HTTP', ...spec }, options, endpoints: [{ spec: { address: HOST } }] },
    ],
  }));
  return { proxy, url: `http://${HOST}:${ports.http}`, port: ports.http };
}

/** What curl has got: the head in lower case, and the body. */
async function curl(...args: string[]): Promise<{ head: string; body: string }> {
  const text = await run('curl', ['-sS', '-i', ...args]);
  const [head = '', ...rest] = text.split('\r\n\r\n');
  return { head: head.toLowerCase(), body: rest.join('\r\n\r\n') };
}

const echo: Handle = (req, res) => {
  const { method, url, headers, httpVersion } = req;
  const { ':authority': authority, ...fields } = headers as http2.IncomingHttpHeaders;
  const parts: Buffer[] = [];
  req.on('data', (part) => parts.push(part));
  req.on('end', () => {
    const body = Buffer.concat(parts).toString();
    const { host = authority, cookie, te, connection, 'x-a': a } = fields;
    res.setHeader('x-b', 'c');
    res.setHeader('set-cookie', ['a=1', 'b=2']);
    res.end(JSON.stringify({ httpVersion, method, url, host, cookie, te, connection, a, body }));
  });
};

const sayingNo: Handle = (req, res) => {
  if (req.url === '/no') {
    res.writeHead(417).end();
    return;
  }
  res.writeContinue();
  echo(req, res);
};

describe('from one version of HTTP to the other, and to itself', () => {
  for (const client of VERSIONS) {
    for (const server of VERSIONS) {
      test(`a client of ${client} gets what a server of ${server} says, which gets what the client says`, async (t) => {
        const port = await upstream(t, server, echo);
        const { url } = await proxied(t, { port, version: server });
        const version = client === '2' ? PRIOR : '--http1.1';
        const fields = ['-H', 'host: example.org:81', '-H', 'x-a: b', '-b', 'c=1; d=2', '-H', 'te: trailers'];
        const { head, body } = await curl(version, ...fields, '-d', 'question', `${url}/a/../b?x=%20`, '--path-as-is');
        const answer = JSON.parse(body);
        const said = [answer.method, answer.url, answer.host, answer.cookie, answer.a, answer.body];
        assert.deepEqual(said, ['POST', '/a/../b?x=%20', 'example.org:81', 'c=1; d=2', 'b', 'question']);
        assert.equal(answer.httpVersion, NUMBERS[server]);
        if (server === '2') assert.deepEqual([answer.te, answer.connection], ['trailers', undefined]);
        assert.match(head, new RegExp(`^http/${client.replace('.', '\\.')} 200`));
        assert.match(head, /\r\nx-b: c\r\n/);
        assert.equal(head.match(/\r\nset-cookie: /g)?.length, 2);
        if (client === '2') assert.doesNotMatch(head, /\r\n(?:transfer-encoding|connection):/);
      });
    }
  }

  for (const server of VERSIONS) {
    test(`a client of 2 waits for the word of a server of ${server} before it sends its body`, async (t) => {
      const port = await upstream(t, server, sayingNo);
      const { port: at } = await proxied(t, { port, version: server });
      const client = connectTo(t, at);
      const { stream, answer } = ask(client, { ':method': 'POST', expect: '100-continue' });
      await once(stream, 'continue');
      stream.end('body');
      assert.equal(JSON.parse((await answer).text).body, 'body');
      const refused = ask(client, { ':method': 'POST', ':path': '/no', expect: '100-continue' });
      let told = false;
      refused.stream.once('continue', () => {
        told = true;
      });
      assert.deepEqual([(await refused.answer).status, told], [417, false]);
    });
  }

  test('a client of 1.1 waits for the word of a server of 2 before it sends its body', async (t) => {
    const port = await upstream(t, '2', sayingNo);
    const { url } = await proxied(t, { port, version: '2' });
    const expecting = ['-H', 'expect: 100-continue', '--expect100-timeout', '60', '-d', 'body'];
    const text = await run('curl', ['-sS', ...expecting, url]);
    assert.equal(JSON.parse(text).body, 'body');
    assert.match((await curl(...expecting, `${url}/no`)).head, / 417/);
  });

  test('HEAD, 204 and 304 have no body, and their connections go on', async (t) => {
    const port = await upstream(t, '2', (req, res) => {
      const status = Number(req.url?.slice(1));
      res.writeHead(status, status === 200 ? { 'content-length': '5' } : {});
      res.end(status === 200 ? '12345' : undefined);
    });
    const { url, port: at } = await proxied(t, { port, version: '2' });
    const asked = ['204', '304'].map((path) => `${url}/${path}`);
    assert.equal(await run('curl', ['-sS', '-w', '%{http_code} %{num_connects} ', ...asked]), '204 1 304 0 ');
    const client = connectTo(t, at);
    for (const [path, method, length] of [
      ['/204', 'GET', undefined],
      ['/304', 'GET', undefined],
      ['/200', 'HEAD', '5'],
    ] as const) {
      const { status, text, headers } = await ask(client, { ':path': path, ':method': method }, '').answer;
      assert.deepEqual([status, text, headers['content-length']], [Number(path.slice(1)), '', length]);
    }
  });
});

describe('other people’s programs', () => {
  test('curl asks the REST API by HTTP/2, and writes to it', async (t) => {
    const { proxy } = await startProxy(t, [], () => ({}));
    const api = `http://${HOST}:${proxy.port}/api/v1`;
    const { head, body } = await curl(PRIOR, `${api}/sessions`);
    assert.match(head, /^http\/2 200/);
    assert.equal(JSON.parse(body)[0].metadata.HTTP.version, '2.0');
    const cluster = { cluster: { name: 'c', spec: { protocol: 'Echo' } } };
    const type = ['-H', 'content-type: application/json'];
    const { head: made } = await curl(PRIOR, ...type, '-d', JSON.stringify(cluster), `${api}/clusters`);
    assert.match(made, /^http\/2 200/);
    assert.match((await curl(PRIOR, `${api}/none`)).head, /^http\/2 404/);
  });

  test('curl that asks for an upgrade to HTTP/2 is answered by HTTP/1.1', async (t) => {
    const port = await upstream(t, '1.1', echo);
    const { url } = await proxied(t, { port });
    assert.match((await curl('--http2', url)).head, /^http\/1\.1 200/);
  });

  test('nghttp gets many answers on one connection, and trailers', async (t) => {
    const port = await upstream(t, '2', (_req, res) => {
      res.addTrailers({ 'x-sum': '7' });
      res.end('answer');
    });
    const { url } = await proxied(t, { port, version: '2' });
    const said = await run('nghttp', ['-v', '-m', '20', '--no-dep', url]);
    assert.equal(said.match(/recv \(stream_id=\d+\) :status: 200/g)?.length, 20);
    assert.equal(said.match(/recv \(stream_id=\d+\) x-sum: 7/g)?.length, 20);
    const load = await run('h2load', ['-n', '500', '-c', '2', '-m', '50', url]);
    assert.match(load, /500 succeeded, 0 failed, 0 errored/);
  });

  test('nginx is an upstream, also when it ends its connections', async (t) => {
    const content = '0123456789'.repeat(100_000);
    const { port, www } = await nginx(t, 'keepalive_requests 50;', 'http2');
    await writeFile(join(www, 'large'), content);
    const { url } = await proxied(t, { port, version: '2' });
    for (let n = 0; n < 10; n++) assert.equal(await run('curl', ['-sS', PRIOR, `${url}/large`]), content);
    const all = await run('h2load', ['-n', '200', '-c', '4', '-m', '10', `${url}/large`]);
    assert.match(all, /200 succeeded, 0 failed, 0 errored/);
    const { head } = await curl(PRIOR, `${url}/none`);
    assert.match(head, /^http\/2 404/);
  });
});

describe('an endpoint of HTTP/2', () => {
  test('that resets, refuses, says nothing or is not there is 502, 502, 504 and 502', async (t) => {
    const port = await upstream(t, '2', (req, res) => {
      if (req.url === '/reset') res.stream.close(http2.constants.NGHTTP2_INTERNAL_ERROR);
      else if (req.url === '/refuse') res.stream.close(http2.constants.NGHTTP2_REFUSED_STREAM);
    });
    const { url, proxy } = await proxied(t, { port, version: '2' }, { response_timeout: 300 });
    for (const [path, status] of [
      ['reset', '502'],
      ['refuse', '502'],
      ['silent', '504'],
    ] as const) {
      const { head, body } = await curl(PRIOR, `${url}/${path}`);
      assert.match(head, new RegExp(`^http/2 ${status}`), path);
      assert.equal(JSON.parse(body).status, Number(status));
    }
    await proxy.ok('DELETE', 'endpoints/servers-EndPoint-0');
    assert.match((await curl(PRIOR, url)).head, /^http\/2 503/);
  });

  test('that speaks HTTP/1.1 only is 502', async (t) => {
    const port = await upstream(t, '1.1', echo);
    const { url } = await proxied(t, { port, version: '2' });
    assert.match((await curl(PRIOR, url)).head, /^http\/2 502/);
  });

  test('that leaves is replaced without a failure', async (t) => {
    let sessions = 0;
    const port = await upstream(t, '2', (req, res) => {
      // No other one is taken behind it.
      if (req.url === '/last') (req as http2.Http2ServerRequest).stream.session?.close();
      res.end('answer');
    });
    const { url } = await proxied(t, { port, version: '2' });
    for (sessions = 0; sessions < 20; sessions++) {
      const { head } = await curl(PRIOR, `${url}/${sessions % 3 === 0 ? 'last' : ''}`);
      assert.match(head, /^http\/2 200/);
    }
  });

  test('gets requests on one connection, as many at a time as it takes', async (t) => {
    const streams: http2.Http2ServerResponse[] = [];
    const seen = new Set<unknown>();
    const port = await upstream(t, '2', (req, res) => {
      seen.add((req as http2.Http2ServerRequest).stream.session);
      streams.push(res);
    });
    const { url } = await proxied(t, { port, version: '2' });
    const client = http2.connect(url);
    client.on('error', () => {});
    t.after(() => client.destroy());
    const answers = Array.from({ length: 50 }, () => {
      const stream = client.request();
      stream.resume();
      return once(stream, 'end');
    });
    await until(() => streams.length === 50, 'the requests');
    assert.equal(seen.size, 1);
    for (const res of streams) res.end();
    await Promise.all(answers);
  });
});

describe('a proxy that drains', () => {
  test('tells clients of HTTP/2 to go elsewhere, and lets their streams end', async (t) => {
    const { proxy, ports } = await startProxy(t, ['echo'], ({ echo: port }) => ({
      listeners: [
        listener('echo', { protocol: 'HTTP', port, address: HOST }, { destination: { spec: { protocol: 'Echo' } } }),
      ],
    }));
    const client = connectTo(t, ports.echo);
    const gone = once(client, 'goaway');
    const { stream, answer } = ask(client, { ':method': 'POST' });
    stream.write('before ');
    await once(stream, 'response');
    assert.equal((await proxy.api('POST', 'drain')).status, 202);
    assert.equal((await gone)[0], http2.constants.NGHTTP2_NO_ERROR);
    stream.end('after');
    assert.equal((await answer).text, 'before after');
    await until(() => client.destroyed, 'the end of the connection');
    await proxy.ok('DELETE', 'drain');
    const again = await ask(connectTo(t, ports.echo), { ':method': 'POST' }, 'again').answer;
    assert.equal(again.text, 'again');
  });
});

describe('HTTP/2 over TLS', () => {
  /** A server that speaks these, and what it says to a cluster of this version. */
  async function asked(t: TestContext, alpn: readonly Version[], version: string): Promise<string> {
    const authority = await Authority.make((end) => t.after(end));
    const own = await authority.issue();
    const options = { cert: await readFile(own.cert), key: await readFile(own.key) };
    const both = alpn.includes('2');
    const take = echo as never;
    const server = both
      ? http2.createSecureServer({ ...options, allowHTTP1: alpn.includes('1.1') }, take)
      : https.createServer(options, take);
    server.listen(0, HOST);
    await once(server, 'listening');
    t.after(() => void server.close());
    const { port } = server.address() as AddressInfo;
    const tls = { ca: authority.cert, servername: 'localhost' };
    const { url } = await proxied(t, { port, version, tls });
    const { head, body } = await curl(url);
    return /^http\/1\.1 200/.test(head) ? JSON.parse(body).httpVersion : head.slice(0, 12);
  }

  test('auto is what the endpoint chooses', async (t) => {
    assert.equal(await asked(t, ['1.1', '2'], 'auto'), '2.0');
    assert.equal(await asked(t, ['1.1'], 'auto'), '1.1');
    assert.equal(await asked(t, ['2'], 'auto'), '2.0');
  });

  test('a version that is asked for is spoken, or nothing', async (t) => {
    assert.equal(await asked(t, ['1.1', '2'], '1.1'), '1.1');
    assert.equal(await asked(t, ['1.1', '2'], '2'), '2.0');
    assert.equal(await asked(t, ['1.1'], '2'), 'http/1.1 502');
  });
});
