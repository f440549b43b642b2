/** A client, a proxy's host and a server, in network namespaces of their own. The proxy's sockets are the slow path. */
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { after, afterEach, before, describe, it } from 'node:test';
import type { OffloadedFlow } from '../engine.ts';
import { TcOffload, type TcOptions } from './index.ts';
import { loadNative } from './libbpf.ts';
import { cable, later, libc, Namespace, noNamespaces, Peer, pseudoHeader, sendRaw, sum16, Tap } from './testing.ts';

const FAMILIES = [
  {
    family: 4,
    client: '10.1.0.1',
    listen: '10.1.0.2',
    local: '10.2.0.2',
    server: '10.2.0.1',
    header: 20,
    loopback: '127.0.0.1',
  },
  { family: 6, client: 'fd01::1', listen: 'fd01::2', local: 'fd02::2', server: 'fd02::1', header: 40, loopback: '::1' },
] as const;

/** Where the four sockets are. */
interface Addresses {
  readonly client: string;
  readonly listen: string;
  readonly local: string;
  readonly server: string;
}

/** Four sockets, and the flow between them. */
interface Scene {
  readonly client: Peer;
  readonly listen: Peer;
  readonly local: Peer;
  readonly server: Peer;
  readonly flow: OffloadedFlow;
}

describe('offload between namespaces', { skip: noNamespaces() }, () => {
  let spaces: { client: Namespace; proxy: Namespace; server: Namespace };
  const open: { close(): unknown }[] = [];

  before(() => {
    spaces = { client: new Namespace('c'), proxy: new Namespace('p'), server: new Namespace('s') };
    const { client, proxy, server } = spaces;
    proxy.stay();
    cable(client, 'vc', ['10.1.0.1/24', 'fd01::1/64'], proxy, 'vp1', ['10.1.0.2/24', 'fd01::2/64']);
    cable(server, 'vs', ['10.2.0.1/24', 'fd02::1/64'], proxy, 'vp2', ['10.2.0.2/24', 'fd02::2/64']);
    // A proxy's host need not be a router.
    assert.equal(proxy.exec('cat', '/proc/sys/net/ipv4/ip_forward').trim(), '0');
  });

  afterEach(async () => {
    for (const one of open.splice(0).reverse()) await one.close();
  });

  after(() => {
    for (const space of Object.values(spaces)) space.remove();
  });

  function engine(options: Partial<TcOptions> = {}): TcOffload {
    const offload = spaces.proxy.enter(() => new TcOffload(loadNative(), { interfaces: 'all', ...options }));
    open.push(offload);
    return offload;
  }

  async function peer(space: Namespace, address: string): Promise<Peer> {
    const made = await space.enter(() => Peer.open(address));
    open.push(made);
    return made;
  }

  async function scene(addresses: Addresses, offload = engine(), at: Partial<typeof spaces> = {}): Promise<Scene> {
    const client = await peer(at.client ?? spaces.client, addresses.client);
    const listen = await peer(spaces.proxy, addresses.listen);
    const local = await peer(spaces.proxy, addresses.local);
    const server = await peer(at.server ?? spaces.server, addresses.server);
    const flow = offload.add({ client: client.end, listen: listen.end, local: local.end, upstream: server.end });
    assert.equal(flow.refused, undefined);
    return { client, listen, local, server, flow: flow as OffloadedFlow };
  }

  function tap(space: Namespace, name: string): Tap {
    const index = Number(space.exec('cat', `/sys/class/net/${name}/ifindex`));
    const made = space.enter(() => new Tap(index));
    open.push(made);
    return made;
  }

  /** Both ways below the sockets. */
  async function assertKernel({ client, listen, local, server }: Scene): Promise<void> {
    server.echo();
    client.send(listen, 'ping');
    assert.deepEqual(await client.got(1), [{ text: 'ping', from: listen.name }]);
    assert.deepEqual(server.received, [{ text: 'ping', from: local.name }]);
    assert.deepEqual([listen.received, local.received], [[], []]);
  }

  for (const addresses of FAMILIES) {
    const { family, header } = addresses;
    describe(`IPv${family}`, () => {
      it('forwards both ways between interfaces, counts, and takes a hop off', async () => {
        const sent = await scene(addresses);
        const seen = tap(spaces.server, 'vs');
        await assertKernel(sent);
        const { in: came, out, lastSeen } = sent.flow.counters();
        assert.deepEqual(
          [came, out],
          [
            { packets: 1, bytes: 4 },
            { packets: 1, bytes: 4 },
          ],
        );
        assert.ok(Math.abs(performance.now() - lastSeen) < 1000);
        const packet = seen
          .packets()
          .find((p) => p.length === header + 12 && p.readUInt16BE(header + 2) === sent.server.end.port);
        assert.equal(packet?.[family === 4 ? 8 : 7], 63);
      });

      it('leaves partial checksums right', async () => {
        const sent = await scene(addresses);
        const seen = tap(spaces.server, 'vs');
        await assertKernel(sent);
        const packet = seen
          .packets()
          .find((p) => p.length === header + 12 && p.readUInt16BE(header + 2) === sent.server.end.port) as Buffer;
        const [ip, udp] = [packet.subarray(0, header), packet.subarray(header)];
        const pseudo = pseudoHeader(...ends(ip), 12);
        if (family === 4) assert.equal(sum16(ip), 0xffff);
        // The sender's kernel leaves the rest to the network card (CHECKSUM_PARTIAL), or has done it itself.
        const check = udp.readUInt16BE(6);
        assert.ok(check === sum16(pseudo) || sum16(pseudo, udp) === 0xffff);
      });

      it('leaves complete checksums right: the receiving kernel verifies them', async () => {
        const { client, listen, server, local, flow } = await scene(addresses);
        const payloads = Array.from({ length: 300 }, (_, n) => `${n}`.padEnd(n % 7, '.'));
        for (const [n, payload] of payloads.entries()) {
          spaces.client.enter(() => sendRaw({ from: client.end, to: listen.end, payload }));
          // The server's socket holds some 250.
          if (n % 100 === 0) await server.got(n + 1);
        }
        assert.deepEqual(
          (await server.got(300)).map(({ text }) => text),
          payloads,
        );
        spaces.server.enter(() => sendRaw({ from: server.end, to: local.end, payload: 'back' }));
        assert.deepEqual(await client.got(1), [{ text: 'back', from: listen.name }]);
        assert.deepEqual([flow.counters().in.packets, flow.counters().out.packets], [300, 1]);
      });

      it('gives fragments to the socket', async () => {
        const { client, listen, server, flow } = await scene(addresses);
        client.send(listen, 'x'.repeat(4000));
        assert.equal((await listen.got(1))[0]?.text.length, 4000);
        assert.deepEqual([server.received, flow.counters().in.packets], [[], 0]);
      });

      it('gives packets with options or extension headers to the socket', async () => {
        const { client, listen, server } = await scene(addresses);
        // IPv4: no-ops. IPv6: destination options, of padding (PadN), before UDP.
        const options = family === 4 ? Buffer.from([1, 1, 1, 1]) : Buffer.from([17, 0, 1, 4, 0, 0, 0, 0]);
        spaces.client.enter(() => sendRaw({ from: client.end, to: listen.end, payload: 'odd', options }));
        assert.equal((await listen.got(1))[0]?.text, 'odd');
        assert.deepEqual(server.received, []);
      });

      it('gives packets on their last hop to the socket', async () => {
        const { client, listen, server } = await scene(addresses);
        spaces.client.enter(() => sendRaw({ from: client.end, to: listen.end, payload: 'last', ttl: 1 }));
        assert.equal((await listen.got(1))[0]?.text, 'last');
        assert.deepEqual(server.received, []);
      });

      it('gives packets that the next interface does not take to the socket', async () => {
        spaces.proxy.ip('link', 'set', 'vp2', 'mtu', '1400');
        try {
          const { client, listen, server, flow } = await scene(addresses);
          client.send(listen, 'x'.repeat(1401 - 8 - header));
          client.send(listen, 'y'.repeat(1400 - 8 - header));
          assert.match((await listen.got(1))[0]?.text ?? '', /^x/);
          assert.match((await server.got(1))[0]?.text ?? '', /^y/);
          assert.equal(flow.counters().in.packets, 1);
        } finally {
          spaces.proxy.ip('link', 'set', 'vp2', 'mtu', '1500');
        }
      });

      it('gives packets that the route does not take to the socket, also when the route changes', async () => {
        const { client, listen, server } = await scene(addresses);
        client.send(listen, 'x'.repeat(1350));
        await server.got(1);
        spaces.proxy.ip('route', 'add', addresses.server, 'dev', 'vp2', 'mtu', '1300');
        try {
          await later(1200);
          client.send(listen, 'y'.repeat(1350));
          assert.match((await listen.got(1))[0]?.text ?? '', /^y/);
          assert.equal(server.received.length, 1);
        } finally {
          spaces.proxy.ip('route', 'del', addresses.server, 'dev', 'vp2');
        }
      });

      it('forwards trains of segments, and counts them as what they become', async () => {
        const { client, listen, server, flow } = await scene(addresses);
        const [SOL_UDP, UDP_SEGMENT] = [17, 103];
        const size = Buffer.from([100, 0, 0, 0]);
        libc('setsockopt', 'int', 'int', 'int', 'int', 'void *', 'uint32')(client.fd, SOL_UDP, UDP_SEGMENT, size, 4);
        client.send(listen, 'z'.repeat(1050));
        assert.deepEqual(
          (await server.got(11)).map(({ text }) => text.length),
          [...Array(10).fill(100), 50],
        );
        assert.deepEqual(flow.counters().in, { packets: 11, bytes: 1050 });
      });

      it('gives everything back to the sockets when the flow is removed', async () => {
        const sent = await scene(addresses);
        await assertKernel(sent);
        sent.flow.remove();
        sent.client.send(sent.listen, 'one');
        sent.server.send(sent.local, 'two');
        assert.equal((await sent.listen.got(1))[0]?.text, 'one');
        assert.equal((await sent.local.got(1))[0]?.text, 'two');
        assert.deepEqual(sent.flow.counters().in, { packets: 1, bytes: 4 });
      });

      it('moves off without reordering, and neither loses nor doubles', async () => {
        const { client, listen, local, server, flow } = await scene(addresses);
        listen.socket.on('message', (bytes) => local.send(server, bytes));
        for (let n = 0; n < 200; n++) {
          client.send(listen, `${n}`);
          if (n % 20 === 0) await later(1);
          if (n === 100) flow.remove();
        }
        assert.deepEqual(
          (await server.got(200)).map(({ text }) => Number(text)),
          Array.from({ length: 200 }, (_, n) => n),
        );
        assert.ok(flow.counters().in.packets > 0 && listen.received.length > 0);
      });

      it('takes packets of a flow only from where the way back goes', async () => {
        const { client, listen, local, flow } = await scene(addresses);
        spaces.server.ip('route', 'add', addresses.listen, 'via', addresses.local);
        try {
          spaces.server.enter(() => sendRaw({ from: client.end, to: listen.end, payload: 'forged' }));
          await later(50);
          assert.deepEqual([flow.counters().in.packets, local.received], [0, []]);
        } finally {
          spaces.server.ip('route', 'del', addresses.listen, 'via', addresses.local);
        }
      });

      it('serves a server on the loopback of the proxy’s host', async () => {
        const { loopback } = addresses;
        await assertKernel(
          await scene({ ...addresses, local: loopback, server: loopback }, engine(), { server: spaces.proxy }),
        );
      });

      it('serves a client on the loopback of the proxy’s host', async () => {
        const { loopback } = addresses;
        await assertKernel(
          await scene({ ...addresses, client: loopback, listen: loopback }, engine(), { client: spaces.proxy }),
        );
      });

      it('serves a server on the client’s own network', async () => {
        const { client, listen } = addresses;
        await assertKernel(
          await scene({ client, listen, local: listen, server: client }, engine(), { server: spaces.client }),
        );
      });
    });
  }

  it('keeps an IPv4 checksum that was left out left out', async () => {
    const { client, listen, server } = await scene(FAMILIES[0]);
    const seen = tap(spaces.server, 'vs');
    spaces.client.enter(() => sendRaw({ from: client.end, to: listen.end, payload: 'free', unchecked: true }));
    await server.got(1);
    assert.equal(
      seen
        .packets()
        .find((p) => p.length === 32)
        ?.readUInt16BE(26),
      0,
    );
  });

  it('leaves checksums right on an interface that computes none', { skip: noEthtool() }, async () => {
    spaces.proxy.exec('ethtool', '-K', 'vp2', 'tx', 'off');
    try {
      for (const addresses of FAMILIES) await assertKernel(await scene(addresses));
    } finally {
      spaces.proxy.exec('ethtool', '-K', 'vp2', 'tx', 'on');
    }
  });

  it('serves a local IPv6 server at an address of the host, and refuses an IPv4 one', async () => {
    const offload = engine();
    const [v4, v6] = FAMILIES;
    await assertKernel(await scene({ ...v6, server: v6.local }, offload, { server: spaces.proxy }));
    const ends = { client: { address: v4.client, port: 1 }, listen: { address: v4.listen, port: 2 } };
    const local = { address: v4.local, port: 3 };
    const { refused } = offload.add({ ...ends, local, upstream: { ...local, port: 4 } });
    assert.match(refused ?? '', /10\.2\.0\.2 is local, but neither on the loopback/);
  });

  it('refuses what comes in on another interface, what has no route, and two families', () => {
    const offload = engine({ interfaces: ['vp1'] });
    const [a, b] = FAMILIES;
    const flow = {
      client: { address: a.client, port: 1 },
      listen: { address: '0.0.0.0', port: 2 },
      local: { address: a.local, port: 3 },
      upstream: { address: a.server, port: 4 },
    };
    assert.match(offload.add(flow).refused ?? '', /come in on vp2, which is not an interface of the offload/);
    assert.match(
      offload.add({ ...flow, upstream: { address: '203.0.113.1', port: 4 } }).refused ?? '',
      /no route to 203.0.113.1: ENETUNREACH/,
    );
    const upstream = { address: b.server, port: 4 };
    const local = { address: b.local, port: 3 };
    assert.match(
      offload.add({ ...flow, local, upstream }).refused ?? '',
      /one side is IPv4, the other IPv6|come in on/,
    );
  });

  it('takes up an interface that appears later', async () => {
    const offload = engine({ interfaces: ['late'] });
    assert.deepEqual(offload.status().interfaces, [
      { name: 'late', attached: undefined, why: 'there is no such interface yet' },
    ]);
    spaces.proxy.ip('link', 'add', 'late', 'type', 'veth', 'peer', 'name', 'later');
    try {
      await later(1200);
      assert.ok(offload.status().interfaces[0]?.attached);
    } finally {
      spaces.proxy.ip('link', 'del', 'late');
    }
  });
});

function ends(ip: Buffer): [Buffer, Buffer] {
  return ip.length === 20 ? [ip.subarray(12, 16), ip.subarray(16)] : [ip.subarray(8, 24), ip.subarray(24)];
}

function noEthtool(): string | false {
  try {
    execFileSync('ethtool', ['--version'], { stdio: 'ignore' });
    return false;
  } catch {
    return 'ethtool is not installed';
  }
}
