import assert from 'node:assert/strict';
import * as net from 'node:net';
import { test } from 'node:test';
import { DEFAULT_LIMITS } from '../../core/channel.ts';
import { collect } from '../../testing/collector.ts';
import { until } from '../../testing/until.ts';
import { receiveAll, server } from '../testing.ts';
import { ReadBuffers } from './read-buffers.ts';
import { NodeStreamChannel } from './stream.ts';

test('few pieces wait in a socket, however small they are', async (t) => {
  const peer = await server(() => {});
  t.after(() => peer.server.close());
  // Nothing is taken by the kernel before it is connected.
  const socket = new net.Socket();
  socket.connect({ host: '127.0.0.1', port: peer.port });
  const channel = new NodeStreamChannel(DEFAULT_LIMITS);
  channel.setSocket(socket, new ReadBuffers());
  const end = collect(channel);
  const byte = Buffer.from('x');
  let written = 1;
  while (channel.write(byte, undefined, true)) written++;
  assert.ok(written < 1000, `${written} pieces were taken`);
  await until(() => end.drains > 0);
  assert.ok(!channel.full);
  channel.end();
  const received = await receiveAll(await until(() => peer.sockets[0]));
  assert.equal(received.length, written);
  socket.destroy();
});
