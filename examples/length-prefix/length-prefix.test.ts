import assert from 'node:assert/strict';
import { randomBytes, randomUUID } from 'node:crypto';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import type { Spec } from '../../src/core/protocol.ts';
import { L7mp } from '../../src/proxy.ts';
import { runCompliance } from '../../src/testing/compliance.ts';
import { freePort } from '../../src/testing/ports.ts';
import { turn, until } from '../../src/testing/until.ts';
import { startWith } from '../../test/support/command.ts';
import { bytes, connectDatagram, connectStream, received, serveDatagram } from '../../test/support/peers.ts';
import { importPlugin } from '../../test/support/plugin.ts';

const CONFIG = join(import.meta.dirname, 'config.yaml');

/** The ports of config.yaml. */
const UDP_IN = 5100;
const TUNNEL = 8100;
const UDP_OUT = 6100;

const plugin = await importPlugin(join(import.meta.dirname, 'length-prefix.js'));

function framed(...texts: string[]): Buffer {
  const frames = texts.map((text) => {
    const header = Buffer.alloc(4);
    header.writeUInt32BE(text.length);
    return Buffer.concat([header, Buffer.from(text)]);
  });
  return Buffer.concat(frames);
}

test('datagrams of every size cross the TCP connection with their boundaries, both ways', async (t) => {
  const { port } = await startWith(t, CONFIG);
  await serveDatagram(t, { port: port(UDP_OUT) });
  const client = await connectDatagram(t, port(UDP_IN));
  for (const size of [0, 1, 3, 4, 5, 1472, 9000, 65_507]) {
    const sent = randomBytes(size);
    client.send(sent);
    await until(() => client.messages.length > 0, `${size} bytes come back`);
    assert.ok(client.messages.shift()?.equals(sent), `${size} bytes`);
  }
});

test('datagrams sent back to back come out one by one, in order', async (t) => {
  const { port } = await startWith(t, CONFIG);
  const server = await serveDatagram(t, { port: port(UDP_OUT), reply: () => undefined });
  const client = await connectDatagram(t, port(UDP_IN));
  const sent = Array.from({ length: 50 }, (_, n) => `message ${n}`);
  for (const text of sent) client.send(text);
  await until(() => server.peers[0]?.messages.length === sent.length, 'all of them');
  assert.deepEqual(server.peers[0]?.messages.map(String), sent);
});

test('frames are found wherever the stream cuts or joins them', async (t) => {
  const { port } = await startWith(t, CONFIG);
  const server = await serveDatagram(t, { port: port(UDP_OUT) });
  const client = await connectStream(t, { port: port(TUNNEL) });
  const texts = ['one', '', 'three'];
  const stream = framed(...texts);
  client.socket.setNoDelay();
  for (const byte of stream) {
    client.send(Uint8Array.of(byte));
    await turn();
  }
  client.send(stream);
  assert.deepEqual(await received(client, 2 * stream.length), Buffer.concat([stream, stream]));
  assert.deepEqual(server.peers[0]?.messages.map(String), [...texts, ...texts]);
});

test('a peer that announces more than the limit is cut off', async (t) => {
  const { port } = await startWith(t, CONFIG);
  const client = await connectStream(t, { port: port(TUNNEL) });
  client.send(Uint8Array.of(0xff, 0xff, 0xff, 0xff));
  await until(() => client.ended || client.closed !== undefined, 'the end');
  assert.equal(bytes(client).length, 0);
});

test('it stands on byte streams only, and the field is named', () => {
  const spec = { protocol: 'LengthPrefix', transport: { protocol: 'UDP', port: 1 } };
  const config = { listeners: [{ name: 'l', spec, rules: [] }] };
  assert.throws(
    () => new L7mp({ plugins: [plugin] }).check(config),
    /^L7mpError: \/listeners\/0\/spec\/transport\/protocol: /,
  );
});

function subject(transport: string, ends: () => Promise<{ listener: object; cluster: object; address: string }>) {
  const stacked = (fields: object): Spec => ({
    protocol: 'LengthPrefix',
    transport: { protocol: transport, ...fields },
  });
  return {
    name: `LengthPrefix on ${transport}`,
    protocols: [plugin],
    specs: async () => {
      const { listener, cluster, address } = await ends();
      return { listener: stacked(listener), cluster: stacked(cluster), address };
    },
  };
}

runCompliance(
  subject('TCP', async () => {
    const port = await freePort();
    return { listener: { port, address: '127.0.0.1' }, cluster: { port }, address: '127.0.0.1' };
  }),
);

runCompliance({
  ...subject('UnixDomainSocket', async () => {
    const filename = join(tmpdir(), `l7mp-${randomUUID()}`);
    return { listener: { filename }, cluster: {}, address: filename };
  }),
  skips: { 'peer death': 'UNIX sockets tell of a reset only where data was left unread' },
});
