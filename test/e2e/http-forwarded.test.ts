/** What endpoints of HTTP clusters are told of the client. */
import assert from 'node:assert/strict';
import type { IncomingHttpHeaders } from 'node:http';
import { describe, type TestContext, test } from 'node:test';
import { until } from '../../src/testing/until.ts';
import { request } from '../support/http.ts';
import { connectWebSocket, serveWebSocket } from '../support/peers.ts';
import { listener, startProxy } from '../support/proxy.ts';
import { echo, proxyTo, type Setting, upstream } from '../support/upstreams.ts';

describe('what endpoints are told of the client', () => {
  const FORGED = {
    'x-forwarded-for': '192.0.2.1',
    'x-forwarded-proto': 'https',
    'x-forwarded-host': 'evil',
    'x-forwarded-port': '1',
    forwarded: 'for=192.0.2.1',
  };

  async function told(t: TestContext, setting: Setting, headers: object = FORGED) {
    const { port: up, requests } = await upstream(t, echo);
    const { port } = await proxyTo(t, [up], setting);
    const { req, answer } = request(t, port, { headers: { host: 'h.example', ...headers } });
    req.end();
    await answer;
    const all = Object.entries(requests[0]?.headers ?? {});
    return Object.fromEntries(all.filter(([name]) => /forwarded/.test(name)));
  }

  test('by default: who it is, and not what it says of others', async (t) => {
    assert.deepEqual(await told(t, {}), {
      'x-forwarded-for': '127.0.0.1',
      'x-forwarded-proto': 'http',
      'x-forwarded-host': 'h.example',
    });
  });

  test('what a trusted one says, and who that is', async (t) => {
    assert.deepEqual(await told(t, { listenerOptions: { forwarded: { trusted: ['127.0.0.0/8'] } } }), {
      ...FORGED,
      'x-forwarded-for': '192.0.2.1, 127.0.0.1',
    });
  });

  test('by RFC 7239', async (t) => {
    const listenerOptions = { forwarded: { trusted: ['10.0.0.0/8'] } };
    assert.deepEqual(await told(t, { options: { forwarded: 'forwarded' }, listenerOptions }), {
      forwarded: 'for=127.0.0.1;host=h.example;proto=http',
    });
  });

  test('by both', async (t) => {
    assert.deepEqual(await told(t, { options: { forwarded: 'both' } }), {
      'x-forwarded-for': '127.0.0.1',
      'x-forwarded-proto': 'http',
      'x-forwarded-host': 'h.example',
      forwarded: 'for=127.0.0.1;host=h.example;proto=http',
    });
  });

  test('endpoints of WebSocket clusters too, by WebSocket listeners', async (t) => {
    const seen: IncomingHttpHeaders[] = [];
    const server = await serveWebSocket(t, { onPeer: (_peer, asked) => void seen.push(asked?.headers ?? {}) });
    const source = { protocol: 'WebSocket' };
    for (const listenerOptions of [{}, { forwarded: { trusted: ['127.0.0.1'] } }]) {
      const { port } = await proxyTo(t, [server.port], { source, listenerOptions, spec: { protocol: 'WebSocket' } });
      await connectWebSocket(t, port, { headers: { ...FORGED, host: 'h.example' } });
    }
    await until(() => seen.length === 2, 'both of them');
    const told = seen.map((headers) => [headers['x-forwarded-for'], headers['x-forwarded-host'], headers.forwarded]);
    assert.deepEqual(told, [
      ['127.0.0.1', 'h.example', undefined],
      ['192.0.2.1, 127.0.0.1', 'evil', 'for=192.0.2.1'],
    ]);
  });

  test('nothing', async (t) => {
    assert.deepEqual(await told(t, { options: { forwarded: 'none' } }), {});
  });

  test('whom to trust is checked', async (t) => {
    const { proxy } = await startProxy(t, [], () => ({}));
    const bad = listener('bad', { protocol: 'HTTP', port: 1 }, { destination: 'x' });
    const answer = await proxy.api('POST', 'listeners', {
      listener: { ...bad, options: { forwarded: { trusted: ['unix', '10.0.0.0/33'] } } },
    });
    assert.equal(answer.status, 422);
    assert.match(answer.text, /\/options\/forwarded\/trusted\/1: .*10\.0\.0\.0\/33/);
  });
});
