import assert from 'node:assert/strict';
import { after, afterEach, before, describe, it } from 'node:test';
import type { OffloadedFlow, UdpFlow } from '../engine.ts';
import { TcOffload, type TcOptions } from './index.ts';
import { loadNative } from './libbpf.ts';
import { later, Namespace, noNamespaces, PATIENCE, Peer, sendRaw } from './testing.ts';

describe('offload on the loopback', { skip: noNamespaces() }, () => {
  let space: Namespace;
  const open: { close(): unknown }[] = [];

  before(() => {
    space = new Namespace('lo');
    space.stay();
  });

  afterEach(async () => {
    for (const one of open.splice(0).reverse()) await one.close();
  });

  after(() => space.remove());

  function engine(options: Partial<TcOptions> = {}): TcOffload {
    const offload = new TcOffload(loadNative(), { interfaces: ['lo'], ...options });
    open.push(offload);
    return offload;
  }

  async function peers(
    address: string,
  ): Promise<{ client: Peer; listen: Peer; local: Peer; upstream: Peer; flow: UdpFlow }> {
    const made = await Promise.all(Array.from({ length: 4 }, () => Peer.open(address)));
    open.push(...made);
    const [client, listen, local, upstream] = made as [Peer, Peer, Peer, Peer];
    return {
      client,
      listen,
      local,
      upstream,
      flow: { client: client.end, listen: listen.end, local: local.end, upstream: upstream.end },
    };
  }

  for (const [address, wildcard] of [
    ['127.0.0.1', '0.0.0.0'],
    ['127.0.0.1', '::'],
    ['::1', '::'],
  ] as const) {
    it(`forwards between ${address} and a socket that listens on ${wildcard}`, async () => {
      const { client, listen, local, upstream, flow } = await peers(address);
      const added = engine().add({ ...flow, listen: { address: wildcard, port: flow.listen.port } });
      assert.equal(added.refused, undefined);
      upstream.echo();
      client.send(listen, 'ping');
      client.send(listen, '');
      client.send(listen, 'x'.repeat(60_000));
      assert.deepEqual(
        (await client.got(3)).map(({ text, from }) => [text.length, from]),
        [4, 0, 60_000].map((n) => [n, listen.name]),
      );
      assert.deepEqual([listen.received, local.received], [[], []]);
      const { in: came, out } = (added as OffloadedFlow).counters();
      assert.deepEqual(
        [came, out],
        [
          { packets: 3, bytes: 60_004 },
          { packets: 3, bytes: 60_004 },
        ],
      );
    });

    it(`leaves checksums right that a receiver verifies, from ${address} to ${wildcard}`, async () => {
      const { client, listen, upstream, flow } = await peers(address);
      engine().add({ ...flow, listen: { address: wildcard, port: flow.listen.port } });
      for (let n = 0; n < 100; n++) sendRaw({ from: client.end, to: listen.end, payload: `${n}` });
      assert.equal((await upstream.got(100)).length, 100);
    });
  }

  it('takes mapped IPv4 addresses for what they are', async () => {
    const { client, listen, upstream, flow } = await peers('127.0.0.1');
    const mapped = Object.fromEntries(
      Object.entries(flow).map(([name, { address, port }]) => [name, { address: `::ffff:${address}`, port }]),
    );
    assert.equal(engine().add(mapped as unknown as UdpFlow).refused, undefined);
    client.send(listen, 'ping');
    assert.equal((await upstream.got(1)).length, 1);
  });

  for (const means of ['tcx', 'clsact'] as const) {
    it(`lets several engines have flows of their own, and one of them end (${means})`, async (t) => {
      const engines = [engine({ means }), engine({ means })] as const;
      const attached = engines.every((one) => one.status().interfaces.some((each) => each.attached === means));
      if (!attached) return t.skip(`this kernel has no ${means}`);
      const flows = await Promise.all(engines.map(() => peers('127.0.0.1')));
      for (const [n, { flow, upstream }] of flows.entries()) {
        assert.equal(engines[n]?.add(flow).refused, undefined);
        upstream.echo();
      }
      for (const { client, listen } of flows) client.send(listen, 'ping');
      for (const { client } of flows) assert.equal((await client.got(1)).length, 1);
      await engines[0].close();
      const [first, second] = flows as [(typeof flows)[number], (typeof flows)[number]];
      first.client.send(first.listen, 'to the socket');
      second.client.send(second.listen, 'again');
      assert.equal((await second.client.got(2)).length, 2);
      assert.equal((await first.listen.got(1)).length, 1);
      assert.deepEqual(second.listen.received, []);
    });
  }

  it('keeps flows apart', async () => {
    const offload = engine();
    const all = await Promise.all(Array.from({ length: 20 }, () => peers('127.0.0.1')));
    const flows = all.map(({ flow }) => offload.add(flow) as OffloadedFlow);
    for (const [n, { client, listen }] of all.entries()) for (let i = 0; i <= n; i++) client.send(listen, `${n}`);
    for (const [n, { upstream }] of all.entries()) {
      assert.deepEqual(
        (await upstream.got(n + 1)).map(({ text }) => text),
        Array(n + 1).fill(`${n}`),
      );
      assert.equal(flows[n]?.counters().in.packets, n + 1);
    }
    flows[3]?.remove();
    assert.equal(offload.status().flows, 19);
  });

  it('refuses a flow that does not fit, and leaves it to the sockets', async () => {
    const offload = engine({ capacity: 1 });
    const [one, two] = [await peers('127.0.0.1'), await peers('127.0.0.1')];
    const first = offload.add(one.flow) as OffloadedFlow;
    assert.deepEqual(offload.add(two.flow), { refused: 'the map of flows is full' });
    two.client.send(two.listen, 'slow');
    one.client.send(one.listen, 'fast');
    assert.equal((await two.listen.got(1))[0]?.text, 'slow');
    assert.equal((await one.upstream.got(1))[0]?.text, 'fast');
    first.remove();
    assert.equal(offload.add(two.flow).refused, undefined);
  });

  it('adds both directions or neither', async () => {
    const offload = engine();
    const [one, two] = [await peers('127.0.0.1'), await peers('127.0.0.1')];
    offload.add(one.flow);
    assert.equal(offload.add(one.flow).refused, 'there is such a flow already');
    // Its second direction is one that is there already.
    const half = { ...two.flow, local: one.flow.local, upstream: one.flow.upstream };
    assert.equal(offload.add(half).refused, 'there is such a flow already');
    two.client.send(two.listen, 'slow');
    assert.equal((await two.listen.got(1))[0]?.text, 'slow');
    assert.equal(offload.status().flows, 1);
  });

  it('begins to count anew in a place that was used before', async () => {
    const offload = engine({ capacity: 1 });
    const { client, listen, upstream, flow } = await peers('127.0.0.1');
    const first = offload.add(flow) as OffloadedFlow;
    client.send(listen, 'ping');
    await upstream.got(1);
    first.remove();
    first.remove();
    const second = offload.add(flow) as OffloadedFlow;
    assert.deepEqual([first.counters().in.packets, second.counters().in.packets], [1, 0]);
  });

  it('says when a packet last passed', async () => {
    const { client, listen, upstream, flow } = await peers('127.0.0.1');
    const added = engine().add(flow) as OffloadedFlow;
    const born = added.counters().lastSeen;
    // The same clock: the machine's own has run for longer than this process.
    assert.ok(Math.abs(performance.now() - born) < PATIENCE);
    await later(200);
    client.send(listen, 'ping');
    await upstream.got(1);
    assert.ok(added.counters().lastSeen - born > 150);
    assert.ok(added.counters().lastSeen <= performance.now());
  });

  it('gives all flows back when it is closed, and takes none', async () => {
    const offload = engine();
    const { client, listen, upstream, flow } = await peers('127.0.0.1');
    const added = offload.add(flow) as OffloadedFlow;
    client.send(listen, 'fast');
    await upstream.got(1);
    await offload.close();
    client.send(listen, 'slow');
    assert.equal((await listen.got(1))[0]?.text, 'slow');
    assert.deepEqual(added.counters().in, { packets: 1, bytes: 4 });
    added.remove();
    assert.deepEqual([offload.status().on, offload.status().flows], [false, 0]);
    assert.equal(offload.add(flow).refused, 'the offload engine is closed');
  });

  it('refuses addresses that need an interface beside them', async () => {
    const { flow } = await peers('127.0.0.1');
    const { refused } = engine().add({ ...flow, client: { address: 'fe80::1%lo', port: 1 } });
    assert.match(refused ?? '', /^fe80::1%lo: /);
  });
});
