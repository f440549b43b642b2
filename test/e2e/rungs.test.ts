/** Sessions that had to be in JavaScript are moved from socket to socket when they need it no more. */
import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { describe, type TestContext, test } from 'node:test';
import { engines } from '../../src/io/testing.ts';
import { freePort } from '../../src/testing/ports.ts';
import { until } from '../../src/testing/until.ts';
import { answering, greet } from '../matrix/jsonsocket.ts';
import { ask, connectDatagram, connectStream, next, received, serveDatagram, serveStream } from '../support/peers.ts';
import { listener, startProxy, type TestProxy } from '../support/proxy.ts';

const skip = engines().find(({ name }) => name === 'native')?.skip;

const NATIVE = ['native', 'native'];

const onRung = (proxy: TestProxy, rungs: readonly string[]) =>
  until(async () => {
    const [session] = await proxy.sessions('l');
    return session?.pipes.join() === rungs.join() && session;
  }, `a session on ${rungs}`);

const at = (spec: object, ...ports: number[]) => ({
  spec,
  endpoints: ports.map((port) => ({ name: `e${port}`, spec: { address: '127.0.0.1', port } })),
});

function proxyFrom(t: TestContext, spec: (port: number) => object, destination: object, retry: object = {}) {
  return startProxy(t, ['l'], ({ l }) => ({
    admin: { io: 'native' },
    listeners: [listener('l', spec(l), { destination, retry })],
  }));
}

const tcp = (port: number) => ({ protocol: 'TCP', port });
const jsonSocket = (transport: object) => ({ protocol: 'JSONSocket', transport });
const onTcp = (port: number) => jsonSocket(tcp(port));

describe('a session of JSONSocket over TCP', { skip }, () => {
  test('goes from socket to socket after the headers; bytes and ends are what they were', async (t) => {
    const server = await serveStream(t);
    const { proxy, ports } = await proxyFrom(t, onTcp, at(tcp(server.port), server.port));
    const client = await greet(await connectStream(t, { port: ports.l }), 'stream', {});
    await onRung(proxy, NATIVE);
    const sent = randomBytes(1 << 20);
    client.send(sent);
    assert.deepEqual(await received(client, sent.length), sent);
    const { source, destination } = await onRung(proxy, NATIVE);
    // The headers are the layer's, and are nobody's data.
    assert.deepEqual([source.bytes, destination.bytes], Array(2).fill({ in: sent.length, out: sent.length }));
    client.end();
    await until(() => server.peers[0]?.ended, 'the client’s end');
    server.peers[0]?.end();
    await until(() => client.ended, 'the server’s end');
    await proxy.noSession('l');
  });

  test('hands on what has come with the header before anything that comes from socket to socket', async (t) => {
    const server = await serveStream(t);
    const { proxy, ports } = await proxyFrom(t, onTcp, at(tcp(server.port), server.port));
    const client = await connectStream(t, { port: ports.l });
    client.send('{"JSONSocketVersion":1}\nfirst');
    await until(() => client.messages.length > 0, 'the answer');
    await onRung(proxy, NATIVE);
    client.send(', second');
    await until(() => Buffer.concat(client.messages).toString().endsWith('first, second'), 'the echo');
  });

  test('does so on the endpoint’s side, and on both', async (t) => {
    const server = await serveStream(t, answering('stream', {}));
    const destination = at(onTcp(server.port), server.port);
    const both = await proxyFrom(t, onTcp, destination);
    const one = await proxyFrom(t, tcp, destination);
    const greeted = await greet(await connectStream(t, { port: both.ports.l }), 'stream', {});
    const plain = await connectStream(t, { port: one.ports.l });
    for (const [{ proxy }, client] of [
      [both, greeted],
      [one, plain],
    ] as const) {
      await onRung(proxy, NATIVE);
      assert.equal(await ask(client, 'hello'), 'hello');
      client.reset();
      await proxy.noSession('l');
    }
  });

  test('ends with its endpoint, in order', async (t) => {
    const server = await serveStream(t);
    const { proxy, ports } = await proxyFrom(t, onTcp, at(tcp(server.port), server.port));
    const client = await greet(await connectStream(t, { port: ports.l }), 'stream', {});
    await onRung(proxy, NATIVE);
    server.peers[0]?.send('the last');
    server.peers[0]?.end();
    assert.equal((await received(client, 8)).toString(), 'the last');
    client.end();
    await proxy.noSession('l');
    assert.equal(client.closed, 'end');
  });
});

describe('a session that has lost its endpoint', { skip }, () => {
  const retry = { retry_on: 'always', num_retries: 1000, timeout: 20 };
  const kinds = [
    ['TCP', tcp, serveStream, (t: TestContext, port: number) => connectStream(t, { port })],
    ['UDP', (port: number) => ({ protocol: 'UDP', port }), serveDatagram, connectDatagram],
  ] as const;

  for (const [name, spec, serve, connect] of kinds) {
    test(`goes on at the next one from socket to socket (${name})`, async (t) => {
      const [first, second] = [await serve(t), await serve(t)];
      const { proxy, ports } = await proxyFrom(t, spec, at(spec(1), first.port, second.port), retry);
      const client = await connect(t, ports.l);
      assert.equal(await ask(client, 'one'), 'one');
      await onRung(proxy, NATIVE);
      await proxy.ok('DELETE', `endpoints/e${first.port}?recursive=true`);
      await until(() => {
        client.send('.');
        return second.peers.length > 0;
      }, 'the other endpoint');
      await onRung(proxy, NATIVE);
      client.messages.length = 0;
      client.send('two');
      await until(() => Buffer.concat(client.messages).toString().endsWith('two'), 'the echo');
    });
  }

  test('hands on what came meanwhile, and goes on from socket to socket', async (t) => {
    const port = await freePort();
    const server = await serveStream(t, { port, allowHalfOpen: false });
    const { proxy, ports } = await proxyFrom(t, tcp, at(tcp(port), port), retry);
    const client = await connectStream(t, { port: ports.l });
    assert.equal(await ask(client, 'one'), 'one');
    await server.stop();
    await proxy.session('l', 'DISCONNECTED').catch(() => undefined);
    client.send('two');
    await serveStream(t, { port });
    assert.equal(await next(client), 'two');
    await onRung(proxy, NATIVE);
  });
});
