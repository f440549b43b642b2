import assert from 'node:assert/strict';
import { randomBytes, randomUUID } from 'node:crypto';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import type { ClusterSide, Spec } from '../../src/core/protocol.ts';
import { engines } from '../../src/io/testing.ts';
import { tcp } from '../../src/protocols/tcp/index.ts';
import { L7mp } from '../../src/proxy.ts';
import { runCompliance } from '../../src/testing/compliance.ts';
import { attempt, fakeClusterHost } from '../../src/testing/fake-cluster-host.ts';
import { freePort } from '../../src/testing/ports.ts';
import { until } from '../../src/testing/until.ts';
import { startWith } from '../../test/support/command.ts';
import { bytes, connectStream, received, serveStream } from '../../test/support/peers.ts';
import { importPlugin } from '../../test/support/plugin.ts';

const SECRET = 'sixteen or more of them';
const HOST = '127.0.0.1';

const plugin = await importPlugin(join(import.meta.dirname, 'toy-tls.js'));

const sealed = (transport: Spec, secret = SECRET): Spec => ({ protocol: 'ToyTLS', secret, transport });

test('what is sent crosses the WebSocket and comes back, and so does the end', async (t) => {
  const { port } = await startWith(t, join(import.meta.dirname, 'config.yaml'));
  const client = await connectStream(t, { port: port(5300) });
  const sent = randomBytes(1 << 20);
  client.send(sent);
  client.end();
  assert.ok((await received(client, sent.length)).equals(sent));
  await until(() => client.ended, 'the end');
});

test('a client that does not shake hands is not taken, and told so', async (t) => {
  const { port } = await startWith(t, join(import.meta.dirname, 'config.yaml'));
  const client = await connectStream(t, { port: port(8300) });
  client.send('GET / HTTP/1.1\r\nHost: x\r\n\r\n');
  await until(() => client.ended || client.closed !== undefined, 'the end');
  assert.match(String(bytes(client)), /^HTTP\/1.1 426 /);
});

test('it is refused on UDP, with the path', () => {
  const config = { listeners: [{ name: 'l', spec: sealed({ protocol: 'UDP', port: 1 }), rules: [] }] };
  assert.throws(
    () => new L7mp({ plugins: [plugin] }).check(config),
    /^L7mpError: \/listeners\/0\/spec\/transport\/protocol: UDP cannot carry ToyTLS: it loses messages/,
  );
});

test('a server that does not know the secret is left, with E_HANDSHAKE', async (t) => {
  const server = await serveStream(t, { reply: () => randomBytes(64) });
  const host = fakeClusterHost({
    dialerOn: async (spec) => (tcp.cluster as ClusterSide).open(spec, fakeClusterHost({ io: host.io })),
  });
  t.after(() => host.io.close());
  const dialer = await plugin.cluster?.open(sealed({ protocol: 'TCP', port: server.port }), host);
  assert.ok(dialer);
  await assert.rejects(Promise.resolve(dialer.dial(attempt({}, 's', HOST))), {
    code: 'E_HANDSHAKE',
    message: /does not know the secret/,
  });
  await until(
    () => server.peers.every((peer) => peer.ended || peer.closed !== undefined),
    'the connection is given back',
  );
});

for (const { name, create, skip } of engines()) {
  const common = { protocols: [plugin], engine: create, skip };
  for (const protocol of ['TCP', 'WebSocket']) {
    runCompliance({
      ...common,
      name: `ToyTLS on ${protocol} with ${name} I/O`,
      specs: async () => {
        const port = await freePort();
        return {
          listener: sealed({ protocol, port, address: HOST }),
          cluster: sealed({ protocol, port }),
          address: HOST,
        };
      },
    });
  }
  runCompliance({
    ...common,
    name: `ToyTLS on UnixDomainSocket with ${name} I/O`,
    specs: async () => {
      const protocol = 'UnixDomainSocket';
      const filename = join(tmpdir(), `l7mp-${randomUUID()}`);
      return { listener: sealed({ protocol, filename }), cluster: sealed({ protocol }), address: filename };
    },
  });
}
