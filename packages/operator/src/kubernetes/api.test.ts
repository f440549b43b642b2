import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer, type RequestListener, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterEach, beforeEach, test } from 'node:test';
import type { Access } from './access.ts';
import { ApiClient } from './api.ts';
import { ApiError } from './errors.ts';

let server: Server;
let api: ApiClient;
let answer: RequestListener;
let refusals: number;
let url: URL;

beforeEach(async () => {
  server = createServer((request, response) => answer(request, response));
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  url = new URL(`http://127.0.0.1:${(server.address() as AddressInfo).port}/k8s/`);
  refusals = 0;
  const access: Access = {
    server: url,
    namespace: undefined,
    options: async () => ({ headers: { authorization: `Bearer ${refusals}` } }),
    refused: () => refusals++,
  };
  api = new ApiClient(access, 'test/1');
});

afterEach(async () => {
  api.close();
  server.closeAllConnections();
  server.close();
  await once(server, 'close');
});

test('a request has the server’s path, its query, its headers and a body', async () => {
  answer = async (request, response) => {
    let body = '';
    for await (const part of request) body += part;
    const { authorization, 'content-type': type, 'user-agent': agent } = request.headers;
    response.end(JSON.stringify({ method: request.method, url: request.url, authorization, type, agent, body }));
  };
  const said = await api.request('PATCH', '/apis/x', {
    query: { a: 1, b: undefined, c: 'x y' },
    body: { é: 1 },
    contentType: 'application/merge-patch+json',
  });
  assert.deepEqual(said, {
    method: 'PATCH',
    url: '/k8s/apis/x?a=1&c=x+y',
    authorization: 'Bearer 0',
    type: 'application/merge-patch+json',
    agent: 'test/1',
    body: '{"é":1}',
  });
});

test('a Status that is no success is an error with its words', async () => {
  answer = (_, response) => {
    response.writeHead(409);
    response.end(
      JSON.stringify({ kind: 'Status', reason: 'Conflict', message: 'changed', details: { retryAfterSeconds: 2 } }),
    );
  };
  await assert.rejects(api.request('PUT', '/x', { body: {} }), (error) => {
    assert.ok(error instanceof ApiError);
    assert.deepEqual([error.status, error.reason, error.message, error.retryAfter], [409, 'Conflict', 'changed', 2000]);
    return true;
  });
});

test('another answer that is no success is quoted', async () => {
  answer = (_, response) => {
    response.writeHead(503, { 'retry-after': '7' });
    response.end('upstream is away\n');
  };
  await assert.rejects(api.request('GET', '/x'), {
    status: 503,
    message: 'the API server answers 503: upstream is away',
    retryAfter: 7000,
  });
});

test('after a 401 the access is made anew', async () => {
  answer = (request, response) => {
    response.writeHead(request.headers.authorization === 'Bearer 0' ? 401 : 200);
    response.end('{}');
  };
  await assert.rejects(api.request('GET', '/x'), { status: 401 });
  await api.request('GET', '/x');
});

test('a request that nobody answers ends in time, before its head and in its body', async () => {
  answer = (request, response) => {
    if (request.url?.endsWith('/body')) response.write('{');
  };
  await assert.rejects(api.request('GET', '/head', { timeout: 30 }), /no answer to GET \/head in 30 ms/);
  await assert.rejects(api.request('GET', '/body', { timeout: 30 }), /no answer to GET \/body in 30 ms/);
});

test('a signal ends a request', async () => {
  const ended = new AbortController();
  answer = () => ended.abort();
  await assert.rejects(api.request('GET', '/x', { signal: ended.signal }), { name: 'AbortError' });
});

test('a kept connection that the server has closed meanwhile costs no error', async () => {
  let requests = 0;
  answer = (request, response) => {
    requests++;
    if (requests === 2) request.socket.resetAndDestroy();
    else response.end('{}');
  };
  await api.request('GET', '/x');
  await api.request('GET', '/x');
  assert.equal(requests, 3);
});

test('a new connection that is reset is an error', async () => {
  answer = (request) => request.socket.resetAndDestroy();
  await assert.rejects(api.request('GET', '/x'), { code: 'ECONNRESET' });
});
