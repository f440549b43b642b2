import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { L7mpError } from '../../core/errors.ts';
import type { Spec } from '../../core/protocol.ts';
import { attemptTo, CLUSTER, dialerOf, echoNext, failure, LISTENER, listenOn, Rig, reading } from './testing.ts';
import { PLACES } from './testing-peers.ts';

const LIMIT = { timeout: 10_000 };

describe('JSONSocket', () => {
  test('has an alias for its transport, a name for its sessions, a minute of patience', () => {
    assert.deepEqual([LISTENER.aliases, CLUSTER.standsOn], [{ transport_spec: 'transport' }, { field: 'transport' }]);
    assert.equal(LISTENER.sessionName({ listener: 'l', n: 3, metadata: {} }), 'JSONSocket:l-3');
    assert.deepEqual([LISTENER.idleTimeout, CLUSTER.idleTimeout], [60_000, 60_000]);
  });

  test('has the kind of its transport', () => {
    const kind = CLUSTER.kind as (spec: unknown, kindOf: (spec: Spec) => string) => string;
    assert.equal(
      kind({ transport: { protocol: 'X' } }, ({ protocol }) => `kind of ${protocol}`),
      'kind of X',
    );
  });
});

for (const [name, place] of Object.entries(PLACES)) {
  describe(`JSONSocket over ${name}`, LIMIT, () => {
    test('carries header and data from a cluster to a listener and back', async (t) => {
      const rig = new Rig(t);
      const { listener, cluster, address } = await place(rig);
      const server = await listenOn(rig, listener);
      const session = echoNext(server);
      const dialer = await dialerOf(rig, { transport: cluster, header: [{ path: '/labels' }] });
      const channel = await dialer.dial(attemptTo(address, { labels: { call: 'c1' } }));
      const answers = reading(channel);
      channel.write(Buffer.from('ping'));
      assert.equal(await answers.next(), 'ping');
      const { JSONSocket: header, ...transport } = (await session).describe();
      assert.deepEqual(header, { JSONSocketVersion: 1, call: 'c1' });
      assert.deepEqual(Object.keys(transport), name === 'UnixDomainSocket' ? ['UNIX'] : ['IP', name]);
      const kind = name === 'UDP' ? 'datagram' : 'stream';
      assert.deepEqual([channel.kind, (await session).kind, (await session).bytesIn], [kind, kind, 4]);
    });

    test('tells a refused client the status, and the dialler fails with it', async (t) => {
      const rig = new Rig(t);
      const { listener, cluster, address } = await place(rig);
      const server = await listenOn(rig, listener);
      const dialer = await dialerOf(rig, { transport: cluster });
      const dialled = dialer.dial(attemptTo(address));
      const failed = assert.rejects(dialled, failure('E_HANDSHAKE', /answered 404: no rule matches$/));
      (await server.accepted.next()).refuse(new L7mpError('E_NO_ROUTE', 'no rule matches'));
      await failed;
    });

    test('admits so many sessions and no more', async (t) => {
      const rig = new Rig(t);
      const { listener, cluster, address } = await place(rig);
      const server = await listenOn(rig, listener, { most: 1 });
      const dialer = await dialerOf(rig, { transport: cluster });
      const first = dialer.dial(attemptTo(address));
      await echoNext(server);
      await first;
      const attempt = attemptTo(address);
      const second = dialer.dial(attempt);
      const failed = assert.rejects(second);
      assert.equal(await server.rejected.next(), 'max-sessions');
      attempt.cancel();
      await failed;
      assert.deepEqual([server.accepted.size, server.rejected.size], [0, 0]);
    });
  });
}
