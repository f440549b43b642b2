/** A layer that answers the first datagrams of its peers before there is anything of them, as DTLS does with its cookies. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { listenOnLayer } from '../../src/core/handshakes.ts';
import { LayerChannel } from '../../src/core/layer.ts';
import { defineProtocol, type Spec } from '../../src/core/protocol.ts';
import { strict, TransportSpec } from '../../src/core/schema.ts';
import { engines } from '../../src/io/testing.ts';
import { until } from '../../src/testing/until.ts';
import { ask, connectDatagram } from '../support/peers.ts';
import { listener, startProxy } from '../support/proxy.ts';

class PlainLayer extends LayerChannel {}

const cookies = defineProtocol({
  name: 'Cookies',
  title: 'Cookies',
  listener: {
    schema: strict({ transport: TransportSpec }),
    standsOn: { field: 'transport', kind: 'datagram' },
    kind: 'datagram',
    sessionName: ({ n }) => `cookies-${n}`,
    listen: ({ transport }, host) =>
      listenOnLayer(host, transport as Spec, (lower) => new PlainLayer(lower), {
        first: (_peer, bytes, reply) => {
          const text = Buffer.from(bytes).toString();
          if (text === 'bad') throw new Error('no such thing');
          if (text !== 'cookie') reply(Buffer.from('a cookie'));
          return text === 'cookie';
        },
      }),
  },
});

for (const { name, admin, skip } of engines()) {
  test(`a peer has no session before it has shown its cookie, with ${name} I/O`, { skip }, async (t) => {
    const spec = (port: number): object => ({
      protocol: 'Cookies',
      transport: { protocol: 'UDP', port, address: '127.0.0.1' },
    });
    const { proxy, ports } = await startProxy(
      t,
      ['in'],
      ({ in: port }) => ({
        admin,
        listeners: [listener('l', spec(port), { destination: { spec: { protocol: 'Echo' } } })],
      }),
      { plugins: [cookies] },
    );
    const peer = await connectDatagram(t, ports.in);
    peer.send('bad');
    assert.equal(await ask(peer, 'hello'), 'a cookie');
    assert.deepEqual(await proxy.sessions('l'), []);
    assert.equal(await ask(peer, 'cookie'), 'cookie');
    assert.equal(await ask(peer, 'hello'), 'hello');
    await until(async () => (await proxy.sessions('l')).length === 1);
  });
}
