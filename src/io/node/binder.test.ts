import assert from 'node:assert/strict';
import * as dgram from 'node:dgram';
import { once } from 'node:events';
import * as net from 'node:net';
import { type TestContext, test } from 'node:test';
import { DEFAULT_LIMITS } from '../../core/channel.ts';
import { Connections } from '../../core/connections.ts';
import type { Acceptor, Engine } from '../../core/engine.ts';
import { freePort } from '../../testing/ports.ts';
import { until } from '../../testing/until.ts';
import type { Binder } from '../binder.ts';
import { PortableBinder, sharesAddresses } from './binder.ts';
import { createNodeEngine } from './index.ts';

const HOST = '127.0.0.1';
const skip = sharesAddresses() ? false : 'sockets cannot share an address here';

/** An engine of one of two data planes. */
function startEngine(t: TestContext, binder: PortableBinder, n: number): Engine {
  const own: Binder = {
    bindStream: (at) => binder.bindStream(at),
    bindMessages: () => binder.bindMessages(),
    bindDatagram: (at) => binder.bindDatagram(at, n),
  };
  const engine = createNodeEngine(new Connections(), undefined, own);
  t.after(() => engine.close());
  return engine;
}

function countPeers(): { acceptor: Acceptor; readonly peers: number } {
  let peers = 0;
  const acceptor: Acceptor = {
    limits: DEFAULT_LIMITS,
    admit: () => true,
    accept: () => void peers++,
    describe: () => ({}),
  };
  return {
    acceptor,
    get peers() {
      return peers;
    },
  };
}

test('streams of one address come to all who listen there', { skip }, async (t) => {
  const binder = new PortableBinder(2);
  const at = { host: HOST, port: await freePort() };
  const counts = [countPeers(), countPeers()];
  const source = { ...(await binder.bindStream(at)) };
  for (const { acceptor } of counts) {
    const engine = createNodeEngine(new Connections(), undefined, {
      bindStream: async () => source,
      bindMessages: () => assert.fail(),
      bindDatagram: () => assert.fail(),
    });
    t.after(() => engine.close());
    await engine.listenStream(at, acceptor);
  }
  const clients = Array.from({ length: 40 }, () => net.connect(at));
  t.after(() => clients.map((client) => client.destroy()));
  await until(() => counts.reduce((all, { peers }) => all + peers, 0) === 40, 'all were accepted');
  assert.ok(
    counts.every(({ peers }) => peers > 0),
    'by both',
  );
});

test('datagrams of one address come to one of those who listen there', { skip }, async (t) => {
  const binder = new PortableBinder(2);
  const at = { host: HOST, port: await freePort() };
  const counts = [countPeers(), countPeers()];
  for (const [n, { acceptor }] of counts.entries()) await startEngine(t, binder, n).listenDatagram(at, acceptor);
  const clients = Array.from({ length: 10 }, () => dgram.createSocket('udp4'));
  t.after(() => clients.map((client) => client.close()));
  for (const client of clients) client.send('x', at.port, at.host);
  await until(() => counts.some(({ peers }) => peers === 10), 'all were accepted');
});

test('an address that somebody else has is refused', { skip }, async (t) => {
  const stream = net.createServer().listen({ port: 0, host: HOST });
  t.after(() => stream.close());
  await once(stream, 'listening');
  const { port } = stream.address() as net.AddressInfo;
  await assert.rejects(new PortableBinder(2).bindStream({ host: HOST, port }), { code: 'E_BIND' });
});
