import assert from 'node:assert/strict';
import { once } from 'node:events';
import { describe, type TestContext, test } from 'node:test';
import type { WebSocket } from 'ws';
import { closed, echoing, standing } from '../../../test/support/accepted.ts';
import { listenTo, Raw } from '../../../test/support/http.ts';
import { connect } from '../../../test/support/websocket.ts';
import { BINARY, TEXT } from '../../core/channel.ts';
import { L7mpError } from '../../core/errors.ts';
import { GatheringLimit } from '../../core/gathering.ts';
import type { FakeHostOptions } from '../../testing/fake-host.ts';
import { turn, until } from '../../testing/until.ts';
import { websocket } from './index.ts';

const HANDSHAKE = `GET / HTTP/1.1\r\nHost: h\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13
Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\n\n`.replaceAll(/\r?\n/g, '\r\n');

/** A client, and the session that it has. */
async function pair(t: TestContext, options: FakeHostOptions = {}, fields = {}) {
  const { host, port } = await listenTo(t, websocket, options, fields);
  const peer = connect(t, port);
  const session = standing(await host.next());
  await once(peer.ws, 'open');
  return { peer, session, channel: session.channel };
}

describe('WebSocket messages', () => {
  test('stay whole, and text stays text', async (t) => {
    const { peer, session, channel } = await pair(t);
    peer.ws.send('täxt');
    peer.ws.send(Buffer.from([0, 255]));
    await until(() => session.messages.length === 2);
    assert.deepEqual(session.messages, [Buffer.from('täxt'), Buffer.from([0, 255])]);
    assert.deepEqual(session.attributes, [TEXT, BINARY]);
    channel.write(Buffer.from('täxt'), TEXT);
    channel.write(Buffer.from('bytes'));
    await until(() => peer.messages.length === 2);
    assert.deepEqual(peer.messages, [
      { text: 'täxt', binary: false },
      { text: 'bytes', binary: true },
    ]);
  });

  test('may be empty', async (t) => {
    const { peer, session, channel } = await pair(t);
    peer.ws.send('');
    peer.ws.send(Buffer.alloc(0));
    await until(() => session.messages.length === 2);
    assert.deepEqual(session.attributes, [TEXT, BINARY]);
    channel.write(Buffer.alloc(0), TEXT);
    channel.write(Buffer.alloc(0));
    await until(() => peer.messages.length === 2);
    assert.deepEqual([peer.messages[0]?.binary, peer.messages[1]?.binary], [false, true]);
  });

  test('come in fragments as one', async (t) => {
    const { peer, session } = await pair(t);
    peer.ws.send('one', { fin: false });
    peer.ws.send('two', { fin: true });
    await until(() => session.messages.length === 1);
    assert.deepEqual(session.texts, ['onetwo']);
  });

  test('are copied where the writer keeps the bytes', async (t) => {
    const { peer, channel } = await pair(t);
    const bytes = Buffer.from('before');
    channel.write(bytes, TEXT, false);
    bytes.write('after!');
    await until(() => peer.messages.length === 1);
    assert.equal(peer.messages[0]?.text, 'before');
  });

  test('that are too large close the connection with 1009', async (t) => {
    const { peer, session } = await pair(t, {}, { max_message_size: 100 });
    peer.ws.send('x'.repeat(100));
    peer.ws.send('x'.repeat(101));
    assert.equal((await closed(session)).kind, 'error');
    await until(() => peer.closed);
    assert.deepEqual([peer.closed?.code, session.messages.length], [1009, 1]);
  });

  test('that are too large to send are dropped and counted', async (t) => {
    const { peer, channel } = await pair(t, {}, { max_message_size: 100 });
    channel.write(Buffer.alloc(101));
    channel.write(Buffer.from('next'), TEXT);
    await until(() => peer.messages.length === 1);
    assert.equal(peer.messages[0]?.text, 'next');
    assert.equal(channel.drops?.get('too-large'), 1);
  });

  test('that are text and no UTF-8 close the connection with 1007', async (t) => {
    const { peer, session } = await pair(t);
    peer.ws.send(Buffer.from([0xff]), { binary: false });
    assert.equal((await closed(session)).kind, 'error');
    await until(() => peer.closed);
    assert.equal(peer.closed?.code, 1007);
  });

  test('leave room for pings, which are answered', async (t) => {
    const { peer } = await pair(t);
    peer.ws.ping('are you there');
    const [data] = await once(peer.ws, 'pong');
    assert.equal(String(data), 'are you there');
  });

  test('do not wait for pings to be no silence', async (t) => {
    const { peer, session } = await pair(t);
    peer.ws.ping();
    await until(() => session.actives === 1);
    assert.equal(session.messages.length, 0);
  });
});

describe('a WebSocket message that is not whole', () => {
  const begun = (peer: { ws: WebSocket }, bytes: number) => peer.ws.send(Buffer.alloc(bytes), { fin: false });

  test('counts to the bound of all, with what its fragments may cost, until it is whole', async (t) => {
    const gathering = new GatheringLimit();
    const { peer, session } = await pair(t, { gathering });
    begun(peer, 200_000);
    await until(() => gathering.bytes >= 200_000);
    assert.ok(gathering.bytes < 200_000 + (5120 + 1) * 256, `${gathering.bytes}`);
    peer.ws.send('', { fin: true });
    await until(() => session.messages.length === 1);
    assert.equal(gathering.bytes, 0);
  });

  test('is the oldest that gives way, with 1013, when all together are too many', async (t) => {
    const gathering = new GatheringLimit(3 << 20);
    const { host, port } = await listenTo(t, websocket, { gathering });
    const peers = [connect(t, port), connect(t, port)] as const;
    const sessions = [standing(await host.next()), standing(await host.next())];
    for (const peer of peers) {
      if (peer.ws.readyState !== peer.ws.OPEN) await once(peer.ws, 'open');
      begun(peer, 1 << 20);
      await until(() => gathering.bytes > 0);
    }
    await until(() => peers[0].closed);
    assert.equal(peers[0].closed?.code, 1013);
    assert.ok(gathering.bytes <= 3 << 20);
    peers[1].ws.send('', { fin: true });
    await until(() => sessions.some(({ messages }) => messages.length === 1));
  });

  test('in too many fragments closes the connection', async (t) => {
    const { peer, session } = await pair(t, {}, { max_message_size: 4096 });
    for (let n = 0; n <= 1025; n++) peer.ws.send('x', { fin: false });
    assert.equal((await closed(session)).kind, 'error');
    await until(() => peer.closed);
    assert.ok(session.messages.length === 0 && [1008, 1009].includes(peer.closed?.code ?? 0), `${peer.closed?.code}`);
  });

  test('is held no longer when its connection goes', async (t) => {
    const gathering = new GatheringLimit();
    const { peer, session } = await pair(t, { gathering });
    begun(peer, 200_000);
    await until(() => gathering.bytes > 0);
    peer.ws.terminate();
    await closed(session);
    assert.equal(gathering.bytes, 0);
  });
});

describe('back-pressure on WebSocket', () => {
  const message = Buffer.alloc(64 << 10, 'x');

  test('a slow reader pauses the client, and loses nothing', async (t) => {
    const { peer, session, channel } = await pair(t);
    let most = 0;
    session.onMessage = () => {
      most = Math.max(most, channel.queued);
      channel.pause();
      setImmediate(() => channel.resume());
    };
    for (let n = 0; n < 20_000; n++) peer.ws.send(String(n));
    await until(() => session.messages.length === 20_000);
    assert.deepEqual(
      session.texts,
      Array.from({ length: 20_000 }, (_, n) => String(n)),
    );
    // No more than one piece that node has read at once, 64 KiB, of at least 7 bytes each.
    assert.ok(most <= (64 << 10) / 7, `${most} messages were waiting`);
    assert.equal(channel.drops, undefined);
  });

  test('a slow client makes the channel full, and drained when it reads again', async (t) => {
    const limits = { bytes: 256 << 10, messages: 1024 };
    const { peer, session, channel } = await pair(t, { limits });
    peer.ws.pause();
    let written = 1;
    while (channel.write(message) && written < 4096) written++;
    assert.ok(channel.full);
    assert.equal(session.drains, 0);
    peer.ws.resume();
    await until(() => session.drains === 1);
    await until(() => peer.messages.length === written);
    assert.ok(!channel.full);
  });

  test('an echo with a slow client keeps the order', async (t) => {
    const { port } = await listenTo(t, websocket, { begin: echoing, limits: { bytes: 1024, messages: 16 } });
    const peer = connect(t, port);
    await once(peer.ws, 'open');
    for (let n = 0; n < 1000; n++) peer.ws.send(`${n} ${'x'.repeat(500)}`);
    await until(() => peer.messages.length === 1000);
    assert.deepEqual(
      peer.messages.map(({ text }) => Number.parseInt(text, 10)),
      Array.from({ length: 1000 }, (_, n) => n),
    );
  });
});

describe('pings of ours', () => {
  const pinging = { options: { ping_interval: 20 } };

  test('come to a client that is silent, and are answered', async (t) => {
    // On a busy machine an answer takes its time.
    const { peer, session } = await pair(t, { options: { ping_interval: 500 } });
    let pings = 0;
    peer.ws.on('ping', () => pings++);
    await until(() => pings > 2);
    assert.deepEqual([session.closings, session.actives], [[], 0]);
  });

  test('that are not answered are the end of the session', async (t) => {
    const { host, port } = await listenTo(t, websocket, pinging);
    const raw = new Raw(t, port).send(HANDSHAKE);
    const session = standing(await host.next());
    assert.deepEqual(await closed(session), { kind: 'reset', message: 'no answer to a ping' });
    assert.ok((await raw.untilEnd()).endsWith('\r\n\r\n\x89\0'));
  });

  test('do not pile up where the client reads nothing, nor do answers to its own', async (t) => {
    const limits = { bytes: 1000, messages: 16 };
    const { peer, channel } = await pair(t, { limits });
    peer.ws.pause();
    while (channel.write(Buffer.alloc(64 << 10)));
    const socket = (peer.ws as unknown as { _socket: { bytesWritten: number } })._socket;
    for (let n = 0; n < 1000; n++) peer.ws.ping('x'.repeat(100));
    await until(() => socket.bytesWritten > 100_000);
    await turn(20);
    let pongs = 0;
    peer.ws.on('pong', () => pongs++);
    peer.ws.resume();
    await until(() => !channel.full);
    channel.close({ kind: 'end', message: '' });
    await until(() => peer.closed);
    assert.ok(pongs < 20, `${pongs} pongs`);
  });
});

describe('the end of a WebSocket', () => {
  test('is passed on at once, though the client keeps its connection open', async (t) => {
    const { host, port } = await listenTo(t, websocket);
    const raw = new Raw(t, port).send(HANDSHAKE);
    const session = standing(await host.next());
    t.mock.timers.enable({ apis: ['setTimeout'] });
    raw.send('\x88\x82\0\0\0\0\x0f\xa0');
    for (let n = 0; n < 10_000 && session.closings.length === 0; n++) await turn();
    t.mock.timers.reset();
    assert.deepEqual(session.closings, [{ kind: 'end', code: 4000, message: '' }]);
    assert.ok((await raw.untilEnd()).endsWith('\x88\x02\x0f\xa0'));
  });

  test('passes the client’s close code on', async (t) => {
    const { peer, session } = await pair(t);
    peer.ws.send('last');
    peer.ws.close(4001, 'bye');
    assert.deepEqual(await closed(session), { kind: 'end', code: 4001, message: 'bye' });
    assert.deepEqual([session.texts, session.ends], [['last'], 1]);
  });

  test('by a client that vanishes is a reset', async (t) => {
    const { peer, session } = await pair(t);
    peer.ws.terminate();
    assert.equal((await closed(session)).kind, 'reset');
  });

  test('by a client that breaks the protocol is an error', async (t) => {
    const { host, port } = await listenTo(t, websocket);
    const raw = new Raw(t, port).send(HANDSHAKE);
    const session = standing(await host.next());
    // A frame with an opcode that there is not.
    raw.send('\x83\x80\x00\x00\x00\x00');
    assert.equal((await closed(session)).kind, 'error');
  });

  for (const [reason, code, text] of [
    [{ kind: 'end', message: 'both sides have ended' }, 1000, ''],
    [{ kind: 'end', code: 4002, message: 'bye' }, 4002, 'bye'],
    [{ kind: 'deleted', message: 'deleted' }, 1001, 'deleted'],
    [{ kind: 'reset', message: 'gone' }, 1011, 'gone'],
  ] as const) {
    test(`of ours, ${reason.kind}, is ${code} to the client, behind what was written`, async (t) => {
      const { peer, channel } = await pair(t);
      for (let n = 0; n < 100; n++) channel.write(Buffer.alloc(10_000));
      channel.close(reason);
      await until(() => peer.closed);
      assert.deepEqual([peer.closed, peer.messages.length], [{ code, text }, 100]);
    });
  }

  for (const [error, code] of [
    ['E_NO_ROUTE', 1008],
    ['E_LIMIT', 1008],
    ['E_CONNECT', 1011],
    ['E_TIMEOUT', 1011],
  ] as const) {
    test(`by ${error} after the upgrade is ${code}`, async (t) => {
      const { peer, channel } = await pair(t);
      channel.refuse(new L7mpError(error, 'why'));
      await until(() => peer.closed);
      assert.deepEqual(peer.closed, { code, text: 'why' });
    });
  }

  test('of ours reaches a client whose messages were held back', async (t) => {
    const { peer, channel } = await pair(t);
    channel.pause();
    for (let n = 0; n < 100; n++) peer.ws.send(Buffer.alloc(100_000));
    channel.close({ kind: 'end', message: '' });
    await until(() => peer.closed);
    assert.equal(peer.closed?.code, 1000);
  });

  test('is cut off where the client does not answer it', async (t) => {
    const { host, port } = await listenTo(t, websocket);
    const raw = new Raw(t, port).send(HANDSHAKE);
    const session = standing(await host.next());
    await raw.until(/^HTTP\/1\.1 101 /);
    t.mock.timers.enable({ apis: ['setTimeout'] });
    session.channel.close({ kind: 'end', message: '' });
    t.mock.timers.tick(10_000);
    t.mock.timers.reset();
    await raw.untilEnd();
  });
});
