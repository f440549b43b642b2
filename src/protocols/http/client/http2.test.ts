import assert from 'node:assert/strict';
import { once } from 'node:events';
import * as http2 from 'node:http2';
import * as net from 'node:net';
import { describe, type TestContext, test } from 'node:test';
import { block, codeOf, END_HEADERS, END_STREAM, FramePeer, frame, TYPES } from '../../../../test/support/http2.ts';
import type { Headers, Tail } from '../../../core/channel.ts';
import { attempt, openCluster } from '../../../testing/fake-cluster-host.ts';
import { turn, until } from '../../../testing/until.ts';
import { tcp } from '../../tcp/index.ts';
import { CANCEL, REFUSED_STREAM } from '../codes.ts';
import { beginHttp2, type Http2Connection } from './http2.ts';
import type { AnswerReader, ConnectionOwner, Failure, RequestHead } from './upstream.ts';

/** What a pool hears of a connection. */
class Owner implements ConnectionOwner {
  frees = 0;
  gones = 0;

  free(): void {
    this.frees++;
  }

  gone(): void {
    this.gones++;
  }
}

/** What a session's channel hears of an answer. */
class Reader implements AnswerReader {
  readonly informations: number[] = [];
  status: number | undefined;
  headers: Headers = {};
  text = '';
  size = 0;
  over = false;
  trailers: Tail | undefined;
  drains = 0;
  failure: Failure | undefined;

  informed(status: number): void {
    this.informations.push(status);
  }

  answered(status: number, headers: Headers): void {
    this.status = status;
    this.headers = headers;
  }

  received(bytes: Uint8Array): void {
    assert.ok(this.status, 'the head comes first');
    this.size += bytes.length;
    if (this.size < 1000) this.text += String(bytes);
  }

  ended(trailers?: Tail): void {
    this.over = true;
    this.trailers = trailers;
  }

  switched(): void {
    assert.fail('HTTP/2 does not');
  }

  drained(): void {
    this.drains++;
  }

  failed(failure: Failure): void {
    this.failure = failure;
  }
}

const HEAD: RequestHead = { method: 'GET', target: '/', scheme: 'http', authority: 'h:80', headers: {} };
const POST: RequestHead = { ...HEAD, method: 'POST' };

async function listening(t: TestContext, server: net.Server): Promise<number> {
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  t.after(() => server.close());
  return (server.address() as net.AddressInfo).port;
}

async function connected(t: TestContext, port: number, interval = 0) {
  const owner = new Owner();
  const dialer = await openCluster(tcp, { port });
  const to = attempt({}, 's', '127.0.0.1');
  const lower = await dialer.dial(to);
  const connection = await beginHttp2(lower, owner, to, () => interval);
  t.after(() => connection.close());
  return { owner, connection };
}

/** A connection to node's server, whose streams `handle` answers. */
async function withNode(
  t: TestContext,
  handle: (stream: http2.ServerHttp2Stream, headers: http2.IncomingHttpHeaders) => void,
  options: http2.ServerOptions = {},
) {
  const server = http2.createServer(options);
  server.on('session', (session) => t.after(() => session.destroy()));
  server.on('stream', handle);
  return connected(t, await listening(t, server));
}

/** A connection to a server that says what the test says. */
async function withFrames(t: TestContext, settings = Buffer.alloc(0), interval = 0) {
  const server = net.createServer();
  const port = await listening(t, server);
  const accepted = once(server, 'connection').then(([socket]) => {
    const peer = new FramePeer(t, socket as net.Socket);
    peer.send(frame(TYPES.settings, 0, 0, settings));
    return peer;
  });
  const [{ owner, connection }, peer] = await Promise.all([connected(t, port, interval), accepted]);
  return { owner, connection, peer };
}

function get(connection: Http2Connection, head = HEAD) {
  const reader = new Reader();
  return { reader, exchange: connection.request(head, true, reader) };
}

const ok = (id: number, flags: number = END_HEADERS) => frame(TYPES.headers, flags, id, block([[':status', '200']]));
const goaway = (last: number) => frame(TYPES.goaway, 0, 0, Buffer.of(0, 0, 0, last, 0, 0, 0, 0));
const reset = (id: number, code: number) => frame(TYPES.reset, 0, id, Buffer.of(0, 0, 0, code));

describe('a connection of HTTP/2 to an upstream', () => {
  test('carries heads, bodies and trailers both ways', async (t) => {
    let asked: http2.IncomingHttpHeaders = {};
    const { connection } = await withNode(t, (stream, headers) => {
      asked = headers;
      stream.additionalHeaders({ ':status': 103, link: 'x' });
      stream.respond({ ':status': 201, 'x-a': 'b' }, { waitForTrailers: true });
      stream.once('trailers', ({ 'x-sum': sum }) => {
        stream.on('wantTrailers', () => stream.sendTrailers({ 'x-sum': `${sum}!` }));
      });
      stream.pipe(stream);
    });
    const reader = new Reader();
    const exchange = connection.request({ ...POST, headers: { 'x-b': 'c' } }, false, reader);
    exchange.write(Buffer.from('body'));
    exchange.end({ 'x-sum': '4' });
    await until(() => reader.over, 'the answer');
    assert.deepEqual([reader.informations, reader.status, reader.text], [[103], 201, 'body']);
    assert.deepEqual([reader.headers['x-a'], reader.trailers], ['b', { 'x-sum': '4!' }]);
    const { ':method': method, ':authority': authority, ':scheme': scheme, te } = asked;
    assert.deepEqual([method, authority, scheme, te, asked['x-b']], ['POST', 'h:80', 'http', 'trailers', 'c']);
  });

  test('carries as many requests at a time as the upstream takes, and says when there is room', async (t) => {
    const streams: http2.ServerHttp2Stream[] = [];
    const settings = { settings: { maxConcurrentStreams: 3 } };
    const { owner, connection } = await withNode(t, (stream) => streams.push(stream), settings);
    assert.equal(connection.room, 3);
    const readers = [0, 1, 2].map(() => get(connection).reader);
    assert.deepEqual([connection.room, connection.busy], [0, 3]);
    await until(() => streams.length === 3, 'the requests');
    streams[1]?.respond({}, { endStream: true });
    await until(() => owner.frees > 0, 'room');
    assert.deepEqual([readers[1]?.over, readers[0]?.over, connection.room], [true, false, 1]);
  });

  test('tells the end of an answer with its head', async (t) => {
    const { connection, peer } = await withFrames(t);
    const { reader } = get(connection);
    await peer.frame(TYPES.headers, 1);
    peer.send(ok(1, END_HEADERS | END_STREAM));
    await until(() => reader.over, 'the end');
    assert.equal(reader.trailers, undefined);
  });

  test('takes an answer that comes in one piece for whole', async (t) => {
    const { connection, peer } = await withFrames(t);
    const { reader } = get(connection);
    await peer.frame(TYPES.headers, 1);
    peer.send(ok(1), frame(TYPES.data, END_STREAM, 1, 'whole'));
    await until(() => reader.over || reader.failure, 'the end');
    assert.deepEqual([reader.over, reader.text], [true, 'whole']);
  });

  test('a held answer waits at the upstream, and stalls no other one', async (t) => {
    const large = 4 << 20;
    const { connection } = await withNode(t, (stream) => {
      stream.respond();
      stream.end(Buffer.alloc(large));
    });
    const held = get(connection);
    held.exchange.hold();
    const { reader } = get(connection);
    await until(() => reader.over, 'the other answer');
    assert.deepEqual([reader.size, held.reader.size], [large, 0]);
    held.exchange.release();
    await until(() => held.reader.over, 'the answer');
    assert.equal(held.reader.size, large);
  });

  test('a request that the upstream does not take yet is held', async (t) => {
    const { connection } = await withNode(t, (stream) => void setImmediate(() => stream.respond()));
    const reader = new Reader();
    const exchange = connection.request(POST, false, reader);
    let sent = 0;
    while (exchange.write(Buffer.alloc(64 << 10))) sent += 64 << 10;
    assert.ok(sent < 1 << 20);
    exchange.abort();
  });
});

describe('an upstream of HTTP/2 that breaks off', () => {
  test('has not seen what it refuses', async (t) => {
    const { owner, connection, peer } = await withFrames(t);
    const { reader } = get(connection);
    await peer.frame(TYPES.headers, 1);
    peer.send(reset(1, REFUSED_STREAM));
    const { unseen, unanswered } = await until(() => reader.failure, 'the failure');
    assert.deepEqual([unseen, unanswered, owner.frees], [true, true, 1]);
  });

  test('takes no more than it carries, where it has refused one, until one of those is over', async (t) => {
    const { connection, peer } = await withFrames(t);
    const [first, second] = [get(connection).reader, get(connection).reader];
    await peer.frame(TYPES.headers, 3);
    peer.send(reset(3, REFUSED_STREAM));
    const { unseen, progress } = await until(() => second.failure, 'the failure');
    assert.deepEqual([unseen, progress, connection.busy, connection.room], [true, false, 1, 0]);
    peer.send(ok(1, END_HEADERS | END_STREAM));
    await until(() => first.over && connection.room > 0, 'room');
  });

  test('has not seen what comes behind its GOAWAY; what it has seen goes on', async (t) => {
    const { owner, connection, peer } = await withFrames(t);
    const first = get(connection).reader;
    const second = get(connection).reader;
    await peer.frame(TYPES.headers, 3);
    peer.send(goaway(1));
    const { unseen } = await until(() => second.failure, 'the failure');
    assert.deepEqual([unseen, connection.room, first.failure], [true, 0, undefined]);
    peer.send(ok(1), frame(TYPES.data, END_STREAM, 1, 'late'));
    await until(() => first.over, 'the answer');
    assert.equal(first.text, 'late');
    await until(() => owner.gones === 1, 'the end of the connection');
  });

  test('with a code of an error has not seen either what comes behind', async (t) => {
    const { connection, peer } = await withFrames(t);
    const readers = [get(connection).reader, get(connection).reader];
    await peer.frame(TYPES.headers, 3);
    peer.send(frame(TYPES.goaway, 0, 0, Buffer.of(0, 0, 0, 1, 0, 0, 0, 11)));
    const failures = await until(() => {
      const all = readers.map(({ failure }) => failure);
      return all.every(Boolean) && all;
    }, 'both failures');
    assert.deepEqual(
      failures.map((one) => one?.unseen),
      [false, true],
    );
  });

  test('by a reset, after the head or before, has failed the answer', async (t) => {
    const { connection, peer } = await withFrames(t);
    const { reader: before } = get(connection);
    const { reader: after } = get(connection);
    await peer.frame(TYPES.headers, 3);
    peer.send(reset(1, 2), ok(3), frame(TYPES.data, 0, 3, 'ha'));
    await until(() => after.text === 'ha', 'half of the answer');
    peer.send(reset(3, 2));
    await until(() => before.failure && after.failure, 'the failures');
    assert.deepEqual([before.failure?.unanswered, before.failure?.unseen], [true, false]);
    assert.deepEqual([after.failure?.unanswered, after.over], [false, false]);
    assert.match(after.failure?.message ?? '', /INTERNAL_ERROR/);
  });

  test('by the end of the connection has failed all that is not whole', async (t) => {
    const { owner, connection, peer } = await withFrames(t);
    const { reader: whole, exchange } = get(connection);
    exchange.hold();
    const { reader: half } = get(connection);
    await peer.frame(TYPES.headers, 3);
    peer.send(ok(1), ok(3), frame(TYPES.data, END_STREAM, 1, 'whole'), frame(TYPES.data, 0, 3, 'half'));
    await until(() => half.text === 'half' && whole.status, 'the heads');
    peer.socket.end();
    await until(() => owner.gones === 1, 'the end of the connection');
    assert.deepEqual([whole.text, whole.over, whole.failure], ['whole', true, undefined]);
    assert.deepEqual([half.over, half.failure?.kind, half.failure?.unseen], [false, 'reset', false]);
    assert.equal(connection.room, 0);
  });

  test('an answer that is complete before the request is an answer', async (t) => {
    const { connection, peer } = await withFrames(t);
    const reader = new Reader();
    const exchange = connection.request(POST, false, reader);
    exchange.write(Buffer.from('part'));
    await peer.frame(TYPES.headers, 1);
    peer.send(ok(1, END_HEADERS | END_STREAM), reset(1, 0));
    await until(() => reader.over, 'the answer');
    await until(() => reader.failure, 'the end of the request');
    assert.equal(exchange.write(Buffer.from('more')), true);
    exchange.end();
  });

  test('what is given up is reset', async (t) => {
    const { owner, connection, peer } = await withFrames(t);
    const { exchange, reader } = get(connection);
    await peer.frame(TYPES.headers, 1);
    exchange.abort();
    assert.equal(codeOf(await peer.frame(TYPES.reset, 1)), CANCEL);
    await until(() => owner.frees === 1, 'room');
    assert.equal(reader.failure, undefined);
  });

  test('that answers no ping while somebody waits is given up', async (t) => {
    const { owner, connection, peer } = await withFrames(t, undefined, 50);
    const { reader } = get(connection);
    await peer.frame(TYPES.ping);
    await until(() => reader.failure, 'the failure');
    await until(() => owner.gones === 1, 'the end of the connection');
  });

  test('that answers pings is waited for', async (t) => {
    const { connection, peer } = await withFrames(t, undefined, 50);
    const { reader } = get(connection);
    for (let n = 1; n <= 3; n++) {
      const ping = await until(() => peer.frames.filter(({ type }) => type === TYPES.ping)[n - 1], 'a ping');
      peer.send(frame(TYPES.ping, 1, 0, ping.payload));
    }
    peer.send(ok(1, END_HEADERS | END_STREAM));
    await until(() => reader.over, 'the answer');
  });
});

describe('what does not speak HTTP/2', () => {
  test('fails the handshake, and leaves nothing behind', async (t) => {
    const server = net.createServer((socket) => {
      socket.on('error', () => {});
      socket.end('HTTP/1.1 400 Bad Request\r\nConnection: close\r\n\r\n');
    });
    const port = await listening(t, server);
    await assert.rejects(connected(t, port), { code: 'E_HANDSHAKE', message: /does not speak HTTP\/2/ });
  });

  test('and says nothing, is waited for as long as the attempt has', async (t) => {
    const sockets: net.Socket[] = [];
    const server = net.createServer((socket) => sockets.push(socket.on('error', () => {})));
    const port = await listening(t, server);
    const to = attempt({}, 's', '127.0.0.1');
    const lower = await (await openCluster(tcp, { port })).dial(to);
    const begun = beginHttp2(lower, new Owner(), to, () => 0);
    await until(() => sockets.length === 1, 'the connection');
    await turn(3);
    to.cancel();
    await assert.rejects(begun, { code: 'E_TIMEOUT' });
    sockets[0]?.resume();
    await until(() => sockets[0]?.closed, 'the end of the connection');
  });
});
