import assert from 'node:assert/strict';
import { after, afterEach, before, describe, it } from 'node:test';
import { program } from '../../../test/support/programs.ts';
import { later, noNamespaces, sendRaw } from './testing.ts';
import { assertKernel, FAMILIES, Stage } from './testing-stage.ts';

describe('the edges of the offload', { skip: noNamespaces() }, () => {
  let stage: Stage;
  let spaces: Stage['spaces'];

  before(() => {
    stage = new Stage();
    spaces = stage.spaces;
  });
  afterEach(() => stage.clear());
  after(() => stage.remove());

  it('keeps an IPv4 checksum that was left out left out', async () => {
    const { client, listen, server } = await stage.scene(FAMILIES[0]);
    const seen = stage.tap(spaces.server, 'vs');
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

  it('leaves checksums right on an interface that computes none', async () => {
    const tool = program('ethtool');
    spaces.proxy.exec(tool, '-K', 'vp2', 'tx', 'off');
    try {
      for (const addresses of FAMILIES) await assertKernel(await stage.scene(addresses));
    } finally {
      spaces.proxy.exec(tool, '-K', 'vp2', 'tx', 'on');
    }
  });

  it('serves a local IPv6 server at an address of the host, and refuses an IPv4 one', async () => {
    const offload = stage.engine();
    const [v4, v6] = FAMILIES;
    await assertKernel(await stage.scene({ ...v6, server: v6.local }, offload, { server: spaces.proxy }));
    const ends = { client: { address: v4.client, port: 1 }, listen: { address: v4.listen, port: 2 } };
    const local = { address: v4.local, port: 3 };
    const { refused } = offload.add({ ...ends, local, upstream: { ...local, port: 4 } });
    assert.match(refused ?? '', /10\.2\.0\.2 is local, but neither on the loopback/);
  });

  it('refuses what comes in on another interface, what has no route, and two families', () => {
    const offload = stage.engine({ interfaces: ['vp1'] });
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
    const offload = stage.engine({ interfaces: ['late'] });
    assert.deepEqual(offload.status().interfaces, [{ name: 'late', why: 'there is no such interface yet' }]);
    spaces.proxy.ip('link', 'add', 'late', 'type', 'veth', 'peer', 'name', 'later');
    try {
      await later(1200);
      assert.ok(offload.status().interfaces[0]?.attached);
    } finally {
      spaces.proxy.ip('link', 'del', 'late');
    }
  });
});
