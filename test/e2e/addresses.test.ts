/** The many ways to write an address: what is listened on, dialled, looked for and shown is the same, on every engine. */
import assert from 'node:assert/strict';
import * as dgram from 'node:dgram';
import { once } from 'node:events';
import { networkInterfaces } from 'node:os';
import { type TestContext, test } from 'node:test';
import { engines } from '../../src/io/testing.ts';
import { ask, connectStream } from '../support/peers.ts';
import { listener, startProxy } from '../support/proxy.ts';

const ECHO = { destination: { spec: { protocol: 'Echo' } } };

/** A link-local address of this machine, and its interface. */
function linkLocal(): { address: string; zone: string; scope: number } | undefined {
  for (const [zone, addresses] of Object.entries(networkInterfaces())) {
    const link = addresses?.find(({ address }) => address.startsWith('fe80:'));
    if (link) return { address: link.address, zone, scope: link.scopeid as number };
  }
  return undefined;
}

/** Sends from one address to another one and waits for the echo; where it came from. */
async function echo(t: TestContext, to: string, port: number, from?: string): Promise<string> {
  const socket = dgram.createSocket(to.includes(':') ? 'udp6' : 'udp4');
  t.after(() => socket.close());
  if (from !== undefined) await new Promise<void>((resolve) => socket.bind(0, from, resolve));
  socket.send('hello', port, to);
  const [bytes, { address }] = await once(socket, 'message');
  assert.equal(String(bytes), 'hello');
  return address;
}

for (const { name, admin, skip } of engines()) {
  const io = { ...admin };

  for (const [what, address, clients] of [
    ['a name', 'localhost', ['127.0.0.1']],
    ['an IPv6 address in brackets', '[::1]', ['::1']],
    ['another form of ::', '[0:0::0]', ['::1', '127.0.0.1']],
    ['an IPv4-mapped address', '::ffff:127.0.0.1', ['127.0.0.1']],
  ] as const) {
    test(`UDP and TCP listen on ${what} (${name})`, { skip }, async (t) => {
      const { ports } = await startProxy(t, ['udp', 'tcp'], ({ udp, tcp }) => ({
        admin: io,
        listeners: [
          listener('udp', { protocol: 'UDP', port: udp, address }, ECHO),
          listener('tcp', { protocol: 'TCP', port: tcp, address }, ECHO),
        ],
      }));
      for (const client of clients) {
        assert.equal((await echo(t, client, ports.udp)).replace('::ffff:', ''), client);
        assert.equal(await ask(await connectStream(t, { port: ports.tcp, host: client }), 'hello'), 'hello');
      }
    });
  }

  test(`a listener on :: takes the IPv4 peer that it names, and shows it in its own form (${name})`, {
    skip,
  }, async (t) => {
    for (const wanted of ['127.0.0.1', '::ffff:127.0.0.1', '[::FFFF:7f00:1]']) {
      const { proxy, ports } = await startProxy(t, ['l'], ({ l }) => ({
        admin: io,
        listeners: [listener('l', { protocol: 'UDP', port: l, address: '::', connect: { address: wanted } }, ECHO)],
      }));
      await echo(t, '127.0.0.1', ports.l);
      const session = await proxy.session('l');
      assert.equal(session.metadata.IP.src_addr, '127.0.0.1');
      assert.match(session.name, /^UDP:127\.0\.0\.1:\d+-/);
    }
  });

  test(`a listener on :: makes a session to the IPv4 peer that it names (${name})`, { skip }, async (t) => {
    const peer = dgram.createSocket('udp4');
    t.after(() => peer.close());
    await new Promise<void>((resolve) => peer.bind(0, '127.0.0.1', resolve));
    const { proxy, ports } = await startProxy(t, ['l'], ({ l }) => ({
      admin: io,
      listeners: [
        listener(
          'l',
          {
            protocol: 'UDP',
            port: l,
            address: '::',
            connect: { address: '::ffff:127.0.0.1', port: peer.address().port },
          },
          ECHO,
        ),
      ],
    }));
    peer.send('hello', ports.l, '127.0.0.1');
    const [bytes] = await once(peer, 'message');
    assert.equal(String(bytes), 'hello');
    assert.equal((await proxy.sessions('l')).length, 1);
  });

  test(`a zone of an address that needs none says nothing (${name})`, { skip }, async (t) => {
    const { ports } = await startProxy(t, ['l'], ({ l }) => ({
      admin: io,
      listeners: [listener('l', { protocol: 'UDP', port: l, address: '::', connect: { address: '[::1%lo]' } }, ECHO)],
    }));
    assert.equal(await echo(t, '::1', ports.l), '::1');
  });

  test(`a peer with a zone is taken where the zone is its own, or none is named (${name})`, { skip }, async (t) => {
    const link = linkLocal();
    if (!link) {
      t.skip('there is no link-local address here');
      return;
    }
    const { address, zone, scope } = link;
    const filters = {
      any: address,
      named: `${address}%${zone}`,
      numbered: `[${address}%${scope}]`,
      other: `${address}%lo`,
    };
    const names = Object.keys(filters) as (keyof typeof filters)[];
    const { proxy, ports } = await startProxy(t, names, (ports) => ({
      admin: io,
      listeners: names.map((name) =>
        listener(
          name,
          { protocol: 'UDP', port: ports[name], address: '::', connect: { address: filters[name] } },
          ECHO,
        ),
      ),
    }));
    for (const name of ['other', 'any', 'named', 'numbered'] as const) {
      if (name === 'other') {
        const socket = dgram.createSocket('udp6');
        t.after(() => socket.close());
        socket.send('hello', ports.other, `${address}%${zone}`);
        continue;
      }
      await echo(t, `${address}%${zone}`, ports[name]);
      const session = await proxy.session(name);
      assert.equal(session.metadata.IP.src_addr, `${address}%${zone}`);
    }
    assert.deepEqual(await proxy.sessions('other'), []);
  });

  test(`endpoints are dialled by an IPv6 address in brackets, from an address in any form (${name})`, {
    skip,
  }, async (t) => {
    const { ports } = await startProxy(t, ['u', 'n', 'w', 'udp', 'tcp', 'ws'], ({ u, n, w, udp, tcp, ws }) => {
      const to = (protocol: string, port: number) => ({
        destination: {
          spec: { protocol, port, bind: { address: '[0:0::1]' } },
          endpoints: [{ spec: { address: '[::1]' } }],
        },
      });
      return {
        admin: io,
        listeners: [
          listener('echo-udp', { protocol: 'UDP', port: u, address: '::1' }, ECHO),
          listener('echo-tcp', { protocol: 'TCP', port: n, address: '::1' }, ECHO),
          listener('echo-ws', { protocol: 'WebSocket', port: w, address: '[::1]' }, ECHO),
          listener('udp', { protocol: 'UDP', port: udp, address: '127.0.0.1' }, to('UDP', u)),
          listener('tcp', { protocol: 'TCP', port: tcp, address: '127.0.0.1' }, to('TCP', n)),
          listener('ws', { protocol: 'UDP', port: ws, address: '127.0.0.1' }, to('WebSocket', w)),
        ],
      };
    });
    assert.equal(await echo(t, '127.0.0.1', ports.udp), '127.0.0.1');
    assert.equal(await echo(t, '127.0.0.1', ports.ws), '127.0.0.1');
    assert.equal(await ask(await connectStream(t, { port: ports.tcp }), 'hello'), 'hello');
  });
}
