import assert from 'node:assert/strict';
import { describe, type TestContext, test } from 'node:test';
import { attemptTo, dialerOf, echoNext, failure, listenOn, Rig, reading } from './testing.ts';
import { HOST, PLACES, udpPeer } from './testing-peers.ts';

const HEADER = '{"JSONSocketVersion":1,"user":{"id":7}}';
const OK = '{"JSONSocketVersion":1,"JSONSocketStatus":200,"JSONSocketMessage":"OK"}';

const LIMIT = { timeout: 10_000 };

describe('a UDP client of JSONSocket', LIMIT, () => {
  async function client(t: TestContext) {
    const rig = new Rig(t);
    const { listener } = await PLACES.UDP(rig);
    const [server, peer] = [await listenOn(rig, listener), await udpPeer(rig)];
    const ask = async (text: string): Promise<string> => {
      peer.send(text, listener.port as number);
      return (await peer.inbox.next()).text;
    };
    return { server, peer, ask };
  }

  test('gets the same answer again when it repeats its header, and is one session', async (t) => {
    const { server, ask, peer } = await client(t);
    const session = echoNext(server);
    assert.equal(await ask(HEADER), OK);
    assert.equal(await ask(HEADER), OK);
    assert.equal(await ask('data'), 'data');
    const { IP, UDP, JSONSocket } = (await session).describe() as Record<string, Record<string, unknown>>;
    assert.deepEqual([IP?.src_addr, UDP?.src_port, JSONSocket], [HOST, peer.port, JSON.parse(HEADER)]);
    assert.equal(server.accepted.size, 0);
  });

  test('is told what is wrong with its header, each time, until it is right', async (t) => {
    const { server, ask } = await client(t);
    for (const [header, status] of [
      ['hello', 400],
      ['{"JSONSocketVersion":2}', 505],
    ] as const) {
      assert.equal(JSON.parse(await ask(header)).JSONSocketStatus, status);
      assert.equal(await server.rejected.next(), 'broken-handshake');
    }
    void echoNext(server);
    assert.equal(await ask(HEADER), OK);
  });

  test('starts anew from the same address and port when its session is over', async (t) => {
    const { server, ask } = await client(t);
    const first = echoNext(server);
    assert.equal(await ask(HEADER), OK);
    (await first).close({ kind: 'idle', message: 'no traffic' });
    void echoNext(server);
    assert.equal(await ask(HEADER.replace('7', '8')), OK);
  });
});

describe('a UDP server of JSONSocket', LIMIT, () => {
  async function dialling(t: TestContext) {
    const rig = new Rig(t);
    const server = await udpPeer(rig);
    const dialer = await dialerOf(rig, { transport: { protocol: 'UDP', port: server.port } });
    const attempt = attemptTo(HOST);
    return { server, attempt, dialled: dialer.dial(attempt) };
  }

  test('that did not get the header gets it again', async (t) => {
    const { server, dialled } = await dialling(t);
    await server.inbox.next();
    const { text, from } = await server.inbox.next();
    assert.equal(text, '{"JSONSocketVersion":1}');
    server.send(OK, from);
    server.send(OK, from);
    const channel = await dialled;
    server.send('data', from);
    assert.equal(await reading(channel).next(), 'data');
  });

  test('that never answers costs the attempt, and nothing more', async (t) => {
    const { server, attempt, dialled } = await dialling(t);
    await server.inbox.next();
    attempt.cancel();
    await assert.rejects(dialled, failure('E_TIMEOUT', /no handshake within 2000 ms/));
  });
});
