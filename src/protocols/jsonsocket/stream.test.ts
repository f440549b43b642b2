import assert from 'node:assert/strict';
import { describe, type TestContext, test } from 'node:test';
import { attemptTo, dialerOf, listenOn, Rig, reading } from './testing.ts';
import { connectStream, HOST, PLACES, socketPath, streamServer } from './testing-peers.ts';

const HEADER = '{"JSONSocketVersion":1,"user":{"id":7}}';
const OK = '{"JSONSocketVersion":1,"JSONSocketStatus":200,"JSONSocketMessage":"OK"}';

const LIMIT = { timeout: 10_000 };

for (const name of ['TCP', 'UnixDomainSocket'] as const) {
  async function client(t: TestContext, options: { connect_timeout?: number } = {}) {
    const rig = new Rig(t);
    const { listener } = await PLACES[name](rig);
    const server = await listenOn(rig, listener, options);
    const to = listener.filename ? { path: listener.filename as string } : { port: listener.port as number };
    return { server, peer: await connectStream(rig, to) };
  }

  describe(`a ${name} client of JSONSocket`, LIMIT, () => {
    test('sends its line and the stream after it at once', async (t) => {
      const { server, peer } = await client(t);
      peer.socket.end(`${HEADER}\nquestion`);
      const channel = await server.accepted.next();
      channel.accept();
      const read = reading(channel);
      assert.deepEqual([await read.next(), await read.next()], ['question', '(end of data)']);
      channel.write(Buffer.from('answer'));
      channel.end();
      await peer.comes(`${OK}\nanswer`);
      await peer.ended;
    });

    test('is told what is wrong with its line, and is closed', async (t) => {
      const { server, peer } = await client(t);
      peer.socket.write('hello\nmore');
      await peer.ended;
      assert.equal(JSON.parse(peer.text).JSONSocketStatus, 400);
      assert.deepEqual([peer.text.endsWith('\n'), await server.rejected.next()], [true, 'broken-handshake']);
    });

    test('is told so when its line has no end', async (t) => {
      const { peer } = await client(t);
      peer.socket.write('x'.repeat(70_000));
      await peer.ended;
      assert.equal(JSON.parse(peer.text).JSONSocketStatus, 400);
    });

    test('is closed when its line does not come', async (t) => {
      const { server, peer } = await client(t, { connect_timeout: 20 });
      peer.socket.write('{"JSONSocket');
      await peer.ended;
      assert.deepEqual([peer.text, await server.rejected.next()], ['', 'handshake-timeout']);
    });

    test('is closed with the listener, unless it has a session', async (t) => {
      const { server, peer } = await client(t);
      peer.socket.write('{"JSONSocket');
      await server.listening.close();
      await peer.ended;
      assert.deepEqual([peer.text, server.rejected.size], ['', 0]);
    });
  });

  test(`a ${name} server of JSONSocket gets the line, and may answer in pieces`, LIMIT, async (t) => {
    const rig = new Rig(t);
    const path = name === 'TCP' ? undefined : socketPath(rig);
    const { peers, port } = await streamServer(rig, path ? { path } : { port: 0 });
    const dialer = await dialerOf(rig, { transport: path ? { protocol: name } : { protocol: name, port } });
    const dialled = dialer.dial(attemptTo(path ?? HOST));
    const peer = await peers.next();
    await peer.comes('\n');
    assert.equal(peer.text, '{"JSONSocketVersion":1}\n');
    for (const piece of [OK.slice(0, 20), OK.slice(20), '\r\nfirst ']) peer.socket.write(piece);
    const channel = await dialled;
    channel.write(Buffer.from('data'));
    await peer.comes('data');
    peer.socket.end('last');
    const read = reading(channel);
    let text = '';
    for (let part = await read.next(); part !== '(end of data)'; part = await read.next()) text += part;
    assert.equal(text, 'first last');
  });
}
