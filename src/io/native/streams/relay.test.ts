import { deepEqual, equal, ok } from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { after, afterEach, before, describe, it } from 'node:test';
import type { Engine, Relay, SocketChannel } from '../../../core/engine.ts';
import { until } from '../../../testing/until.ts';
import {
  client,
  closePeers,
  engines,
  forwardStreams,
  hash,
  receiveAll,
  server,
  type TestSession,
} from '../../testing.ts';
import { createNativeEngine } from '../index.ts';

const MIB = 1 << 20;
const skip = engines().find(({ name }) => name === 'native')?.skip ?? false;

describe('two streams that are joined', { skip }, () => {
  let engine: Engine;

  before(() => {
    engine = createNativeEngine();
  });

  after(() => engine.close());
  afterEach(closePeers);

  /** Parts and joins again, as often as it can until a time is over. Returns how often it did. */
  async function partAgainAndAgain(session: TestSession): Promise<number> {
    let parted = 0;
    const { source, destination } = session as { source: SocketChannel; destination: SocketChannel };
    for (const end = performance.now() + 300; performance.now() < end && source.open && destination.open; ) {
      session.relay?.part();
      parted++;
      await new Promise((resolve) => setTimeout(resolve, 1));
      session.relay = engine.relay?.(source, destination);
      await new Promise((resolve) => setTimeout(resolve, 1));
    }
    session.relay ??= engine.relay?.(source, destination);
    return parted;
  }

  it('part and join in the middle of traffic, and no byte is lost', async () => {
    const sent = randomBytes(40 * MIB);
    const answer = randomBytes(40 * MIB);
    const heard: Promise<Buffer>[] = [];
    const { port: to } = await server((socket) => {
      heard.push(receiveAll(socket));
      socket.end(answer);
    });
    const { port, sessions } = await forwardStreams(engine, { host: '127.0.0.1', port: to });
    const socket = client(port);
    const received = receiveAll(socket);
    await until(() => sessions[0]?.relay);
    socket.end(sent);
    const parted = await partAgainAndAgain(sessions[0] as TestSession);
    equal(hash(await received), hash(answer));
    equal(hash((await heard[0]) as Buffer), hash(sent));
    ok(parted > 3, `${parted} times`);
    await until(() => sessions[0]?.source.open === false);
    const { source, destination } = sessions[0] as TestSession;
    deepEqual([source.bytesIn, source.bytesOut], [sent.length, answer.length]);
    deepEqual([destination?.bytesIn, destination?.bytesOut], [answer.length, sent.length]);
  });

  it('are read by JavaScript once they are parted', async () => {
    const { port: to } = await server((socket) => socket.pipe(socket));
    const { port, sessions } = await forwardStreams(engine, { host: '127.0.0.1', port: to });
    const socket = client(port);
    const session = await until(() => sessions[0]?.relay && sessions[0]);
    (session.relay as Relay).part();
    const seen: string[] = [];
    const { source, destination } = session as { source: SocketChannel; destination: SocketChannel };
    source.read({
      message: (bytes) => {
        seen.push(Buffer.from(bytes).toString());
        destination.write(bytes);
      },
      end: () => destination.end(),
    });
    socket.end('hello');
    equal((await receiveAll(socket)).toString(), 'hello');
    deepEqual(seen, ['hello']);
  });

  it('are joined after a header that JavaScript has read and written, with what has come behind it', async () => {
    const { port: to } = await server((socket) => void receiveAll(socket).then((all) => socket.end(`heard ${all}`)));
    const { port, sessions } = await forwardStreams(engine, { host: '127.0.0.1', port: to });
    const socket = client(port);
    const session = await until(() => sessions[0]?.relay && sessions[0]);
    const { source, destination } = session as { source: SocketChannel; destination: SocketChannel };
    (session.relay as Relay).part();
    const header = new Promise<string>((resolve) => {
      source.read({
        message: (bytes) => {
          source.pause();
          resolve(Buffer.from(bytes).toString());
        },
        end: () => destination.end(),
      });
    });
    socket.write('header');
    equal(await header, 'header');
    destination.write(Buffer.from('changed '));
    socket.end('body');
    ok(engine.relay?.(source, destination));
    equal((await receiveAll(socket)).toString(), 'heard changed body');
  });
});
