/** Sessions through several stages: what one of them does in order must cost the others nothing. */
import assert from 'node:assert/strict';
import * as net from 'node:net';
import { test } from 'node:test';
import { until } from '../../src/testing/until.ts';
import { ask, bytes, connectStream, serveStream } from '../support/peers.ts';
import { listener, startProxy } from '../support/proxy.ts';

const HOST = '127.0.0.1';
const tcp = (port: number) => ({ spec: { protocol: 'TCP', port }, endpoints: [{ spec: { address: HOST } }] });
const DATA = Buffer.alloc(1 << 20, 'data');

/** A stage that echoes, and ends when it has been ended. */
const echoing = {
  onPeer: (peer: { ended: boolean; end: () => void }) => void until(() => peer.ended, 'its end').then(() => peer.end()),
};

test('a remote stage that has ended in order leaves the answer its time', async (t) => {
  const stage = await serveStream(t, echoing);
  const server = await serveStream(t, {
    reply: () => undefined,
    onPeer: (peer) =>
      void until(() => peer.ended, 'the client’s end')
        .then(() => peer.send(DATA))
        .then(() => peer.end()),
  });
  const { proxy, ports } = await startProxy(t, ['l'], ({ l }) => ({
    listeners: [
      listener('l', { protocol: 'TCP', port: l }, { destination: tcp(server.port), ingress: [tcp(stage.port)] }),
    ],
  }));
  const client = await connectStream(t, { port: ports.l });
  client.send('question');
  client.end();
  await until(() => client.ended, 'the answer has ended');
  assert.ok(bytes(client).equals(DATA));
  assert.equal(server.peers[0] && bytes(server.peers[0]).toString(), 'question');
  await proxy.noSession('l');
});

test('a remote stage on the way back that has ended leaves the question its time', async (t) => {
  const stage = await serveStream(t, echoing);
  const server = await serveStream(t, {
    reply: () => undefined,
    onPeer: (peer) => {
      peer.send('bye');
      peer.end();
    },
  });
  const { proxy, ports } = await startProxy(t, ['l'], ({ l }) => ({
    listeners: [
      listener('l', { protocol: 'TCP', port: l }, { destination: tcp(server.port), egress: [tcp(stage.port)] }),
    ],
  }));
  const client = await connectStream(t, { port: ports.l });
  await until(() => client.ended, 'the server’s end');
  assert.equal(bytes(client).toString(), 'bye');
  client.send(DATA);
  client.end();
  await until(() => server.peers[0]?.ended, 'the client’s end');
  assert.ok(server.peers[0] && bytes(server.peers[0]).equals(DATA));
  await proxy.noSession('l');
});

test('clients that reset before they are accepted leave nothing behind', async (t) => {
  const server = await serveStream(t);
  for (const io of ['node', 'auto']) {
    const { proxy, ports } = await startProxy(t, ['l'], ({ l }) => ({
      admin: { io },
      listeners: [
        listener(
          'l',
          { protocol: 'TCP', port: l },
          { destination: tcp(server.port) },
          { options: { max_sessions: 5 } },
        ),
      ],
    }));
    for (let n = 0; n < 50; n++) {
      await new Promise<void>((resolve) => {
        const socket = net.connect(ports.l, HOST, () => socket.resetAndDestroy());
        socket.once('close', () => resolve());
        socket.on('error', () => {});
      });
    }
    // Those that wait to be accepted count too until they have been seen to be gone.
    await until(async () => {
      const client = await connectStream(t, { port: ports.l });
      return (await ask(client, 'still there')) === 'still there';
    }, 'a new client is served');
    await until(async () => (await proxy.sessions('l')).length === 1, 'only its session is left');
  }
});

test('a client that resets while its session is set up ends it', async (t) => {
  const { proxy, ports } = await startProxy(t, ['l'], ({ l }) => ({
    admin: { io: 'node' },
    listeners: [
      listener(
        'l',
        { protocol: 'TCP', port: l },
        {
          destination: tcp(9),
          retry: { retry_on: 'always', num_retries: 1_000_000, timeout: 50 },
        },
      ),
    ],
  }));
  const client = await connectStream(t, { port: ports.l });
  await proxy.session('l', 'INIT');
  client.reset();
  await proxy.noSession('l');
});
