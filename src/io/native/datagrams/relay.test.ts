import { deepEqual, equal, ok } from 'node:assert/strict';
import { after, afterEach, before, describe, it } from 'node:test';
import { DEFAULT_LIMITS } from '../../../core/channel.ts';
import type { Engine, Relay, SocketChannel } from '../../../core/engine.ts';
import { until } from '../../../testing/until.ts';
import { attempt, closePeers, datagramPeer, engines, takeDatagrams } from '../../testing.ts';
import { createNativeEngine } from '../index.ts';

const skip = engines().find(({ name }) => name === 'native')?.skip ?? false;
const END = { kind: 'end', message: 'over' } as const;

describe('two datagram channels that are joined', { skip }, () => {
  let engine: Engine;

  before(() => {
    engine = createNativeEngine();
  });

  after(() => engine.close());
  afterEach(closePeers);

  /** A client and its channel, which has received `texts`, and a channel to a server. */
  async function ends(texts: readonly string[]) {
    const server = await datagramPeer();
    const { port, channels } = await takeDatagrams(engine);
    const client = await datagramPeer();
    for (const text of texts) client.socket.send(text, port, '127.0.0.1');
    const source = await until(() => channels[0]?.messagesIn === texts.length && channels[0]);
    const to = { host: '127.0.0.1', port: server.port };
    const destination = await engine.connectDatagram(to, attempt(), DEFAULT_LIMITS);
    const toServer = (text: string) => client.socket.send(text, port, '127.0.0.1');
    const toClient = (text: string) => server.socket.send(text, destination.ends?.localPort, '127.0.0.1');
    return { client, server, source, destination, toServer, toClient };
  }

  function join(a: SocketChannel, b: SocketChannel): Relay {
    const relay = engine.relay?.(a, b);
    ok(relay);
    return relay;
  }

  it('have what waited on its way at once: what goes another way then is behind it', async () => {
    const { client, server, source, destination } = await ends(['one', 'two']);
    join(source, destination);
    client.socket.send('three', server.port, '127.0.0.1');
    await until(() => server.received.length === 3);
    deepEqual(server.received.map(String), ['one', 'two', 'three']);
    for (const channel of [source, destination]) channel.close(END);
  });

  /** Has JavaScript forward what one receives. Returns what it has. */
  function forward(from: SocketChannel, to: SocketChannel): string[] {
    const passed: string[] = [];
    from.read({
      message: (bytes) => {
        passed.push(Buffer.from(bytes).toString());
        to.write(bytes);
      },
      end: () => {},
    });
    return passed;
  }

  it('are read as before when they are parted, or queue, or are joined anew, and lose nothing', async () => {
    const { client, server, source, destination, toServer, toClient } = await ends(['0']);
    const sent = ['0'];
    const sendSome = (): void => {
      for (const end = sent.length + 7; sent.length < end; sent.push(`${sent.length}`)) toServer(`${sent.length}`);
    };
    let relay = join(source, destination);
    for (let round = 0; round < 20; round++) {
      sendSome();
      toClient(`${round}`);
      if (round % 3 === 0) await until(() => server.received.length === sent.length);
      relay.part();
      deepEqual([source.open, destination.open], [true, true]);
      source.pause();
      sendSome();
      await until(() => source.queued > 0);
      if (round % 2 === 0) {
        forward(source, destination);
        forward(destination, source);
        source.resume();
        sendSome();
        await until(() => server.received.length === sent.length);
      }
      relay = join(source, destination);
      await until(() => client.received.length === round + 1);
    }
    await until(() => server.received.length === sent.length);
    deepEqual(server.received.map(String), sent);
    equal(source.drops, undefined);
    deepEqual([source.messagesIn, destination.messagesOut], [sent.length, sent.length]);
    for (const channel of [source, destination]) channel.close(END);
    relay.part();
  });

  it('keep their readers, who hear nothing meanwhile', async () => {
    const { server, source, destination, toServer } = await ends(['one']);
    const passed = forward(source, destination);
    const relay = join(source, destination);
    toServer('two');
    await until(() => server.received.length === 2);
    relay.part();
    toServer('three');
    await until(() => server.received.length === 3);
    deepEqual(passed, ['one', 'three']);
    for (const channel of [source, destination]) channel.close(END);
  });

  it('say when something last passed, also when one of them is gone', async () => {
    const { client, server, source, destination, toServer } = await ends(['hello']);
    const relay = join(source, destination);
    const before = performance.now();
    toServer('again');
    await until(() => server.received.length === 2);
    destination.close(END);
    ok(relay.lastActive() >= Math.floor(before));
    equal(source.open, true);
    toServer('for later');
    await until(() => source.queued === 1);
    equal(client.received.length, 0);
    source.close(END);
    deepEqual([...(source.drops ?? [])], [['closed', 1]]);
  });
});
