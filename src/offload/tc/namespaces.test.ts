import assert from 'node:assert/strict';
import { after, afterEach, before, describe, it } from 'node:test';
import { later, libc, noNamespaces, PATIENCE, pseudoHeader, sendRaw, sum16 } from './testing.ts';
import { assertKernel, FAMILIES, Stage } from './testing-stage.ts';

describe('offload between namespaces', { skip: noNamespaces() }, () => {
  let stage: Stage;
  let spaces: Stage['spaces'];

  before(() => {
    stage = new Stage();
    spaces = stage.spaces;
  });
  afterEach(() => stage.clear());
  after(() => stage.remove());

  for (const addresses of FAMILIES) {
    const { family, header } = addresses;
    describe(`IPv${family}`, () => {
      it('forwards both ways between interfaces, counts, and takes a hop off', async () => {
        const sent = await stage.scene(addresses);
        const seen = stage.tap(spaces.server, 'vs');
        await assertKernel(sent);
        const { in: came, out, lastSeen } = sent.flow.counters();
        assert.deepEqual(
          [came, out],
          [
            { packets: 1, bytes: 4 },
            { packets: 1, bytes: 4 },
          ],
        );
        assert.ok(Math.abs(performance.now() - lastSeen) < PATIENCE);
        const packet = seen
          .packets()
          .find((p) => p.length === header + 12 && p.readUInt16BE(header + 2) === sent.server.end.port);
        assert.equal(packet?.[family === 4 ? 8 : 7], 63);
      });

      it('leaves partial checksums right', async () => {
        const sent = await stage.scene(addresses);
        const seen = stage.tap(spaces.server, 'vs');
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
        const { client, listen, server, local, flow } = await stage.scene(addresses);
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
        const { client, listen, server, flow } = await stage.scene(addresses);
        client.send(listen, 'x'.repeat(4000));
        assert.equal((await listen.got(1))[0]?.text.length, 4000);
        assert.deepEqual([server.received, flow.counters().in.packets], [[], 0]);
      });

      it('gives packets with options or extension headers to the socket', async () => {
        const { client, listen, server } = await stage.scene(addresses);
        // IPv4: no-ops. IPv6: destination options, of padding (PadN), before UDP.
        const options = family === 4 ? Buffer.from([1, 1, 1, 1]) : Buffer.from([17, 0, 1, 4, 0, 0, 0, 0]);
        spaces.client.enter(() => sendRaw({ from: client.end, to: listen.end, payload: 'odd', options }));
        assert.equal((await listen.got(1))[0]?.text, 'odd');
        assert.deepEqual(server.received, []);
      });

      it('gives packets on their last hop to the socket', async () => {
        const { client, listen, server } = await stage.scene(addresses);
        spaces.client.enter(() => sendRaw({ from: client.end, to: listen.end, payload: 'last', ttl: 1 }));
        assert.equal((await listen.got(1))[0]?.text, 'last');
        assert.deepEqual(server.received, []);
      });

      it('gives packets that the next interface does not take to the socket', async () => {
        spaces.proxy.ip('link', 'set', 'vp2', 'mtu', '1400');
        try {
          const { client, listen, server, flow } = await stage.scene(addresses);
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
        const { client, listen, server } = await stage.scene(addresses);
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
        const { client, listen, server, flow } = await stage.scene(addresses);
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
        const sent = await stage.scene(addresses);
        await assertKernel(sent);
        sent.flow.remove();
        sent.client.send(sent.listen, 'one');
        sent.server.send(sent.local, 'two');
        assert.equal((await sent.listen.got(1))[0]?.text, 'one');
        assert.equal((await sent.local.got(1))[0]?.text, 'two');
        assert.deepEqual(sent.flow.counters().in, { packets: 1, bytes: 4 });
      });

      it('moves off without reordering, and neither loses nor doubles', async () => {
        const { client, listen, local, server, flow } = await stage.scene(addresses);
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
        const { client, listen, local, flow } = await stage.scene(addresses);
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
          await stage.scene({ ...addresses, local: loopback, server: loopback }, stage.engine(), {
            server: spaces.proxy,
          }),
        );
      });

      it('serves a client on the loopback of the proxy’s host', async () => {
        const { loopback } = addresses;
        await assertKernel(
          await stage.scene({ ...addresses, client: loopback, listen: loopback }, stage.engine(), {
            client: spaces.proxy,
          }),
        );
      });

      it('serves a server on the client’s own network', async () => {
        const { client, listen } = addresses;
        await assertKernel(
          await stage.scene({ client, listen, local: listen, server: client }, stage.engine(), {
            server: spaces.client,
          }),
        );
      });
    });
  }
});

function ends(ip: Buffer): [Buffer, Buffer] {
  return ip.length === 20 ? [ip.subarray(12, 16), ip.subarray(16)] : [ip.subarray(8, 24), ip.subarray(24)];
}
