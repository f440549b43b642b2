/** Cases about what arrives, and what is known of who sent it. */
import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import type { Channel } from '../../core/channel.ts';
import type { Json } from '../../core/metadata.ts';
import { Collector } from '../collector.ts';
import { GREETING, type Trial } from '../trial.ts';

/** Both ends are open, and of the kind that the definition promises to what may stand on them. */
export async function open(trial: Trial): Promise<void> {
  const opened = await trial.open();
  const { client, server } = await trial.connectTo(opened);
  assert.ok(client.channel.open && server.channel.open);
  const traits = ({ kind, lossy }: Channel) => ({ kind, lossy });
  const { listener, cluster } = opened.declared;
  assert.deepEqual(traits(client.channel), { kind: cluster.kind, lossy: cluster.lossy }, 'as the cluster side says');
  assert.deepEqual(traits(server.channel), { kind: listener.kind, lossy: listener.lossy }, 'as the listener side says');
}

/** Metadata is plain JSON, and made anew each time, in all of its parts: rules write into it. */
export async function metadata(trial: Trial): Promise<void> {
  const { client, server } = await trial.connect();
  for (const { channel } of [client, server]) {
    const [first, second] = [channel.describe(), channel.describe()];
    assert.deepEqual(JSON.parse(JSON.stringify(first)), first, 'the metadata is plain JSON');
    const parts = new Set(partsOf(first));
    assert.ok(!partsOf(second).some((part) => parts.has(part)), 'two calls have no object in common');
    const before = structuredClone(second);
    for (const part of parts) Object.assign(part, { 'written by a rule': true });
    assert.deepEqual(channel.describe(), before, 'what a rule writes into one does not show in the next');
  }
}

/** All objects of a tree. */
function partsOf(tree: Json): object[] {
  if (typeof tree !== 'object' || tree === null) return [];
  return [tree, ...Object.values(tree).flatMap(partsOf)];
}

/** A message goes there and back, and is counted on both sides. */
export async function echo(trial: Trial): Promise<void> {
  const { client, server } = await trial.connect();
  server.onMessage = (bytes) => void server.channel.write(new Uint8Array(bytes), undefined, true);
  client.write('ping');
  await trial.until(() => client.bytes.toString() === 'ping', 'the echo');
  assert.equal(client.channel.bytesIn, 4);
  assert.equal(client.channel.bytesOut, GREETING.length + 4);
  assert.equal(server.channel.bytesIn, GREETING.length + 4);
}

/** Messages keep their order and, where there are any, their boundaries. */
export async function boundaries(trial: Trial): Promise<void> {
  const { client, server } = await trial.connect();
  const messages = Array.from({ length: 50 }, (_, n) => randomBytes(1 + n * 20));
  for (const message of messages) client.channel.write(message, undefined, true);
  const total = Buffer.concat(messages);
  await trial.until(() => server.size >= total.length, 'all messages');
  assert.ok(server.bytes.equals(total), 'as they were, in order');
  if (client.channel.kind === 'stream') return;
  assert.deepEqual(
    server.messages.map(({ length }) => length),
    messages.map(({ length }) => length),
  );
}

/** A message of any size arrives; one that is larger than the largest is dropped and counted, never cut. */
export async function sizes(trial: Trial): Promise<void> {
  const { client, server } = await trial.connect();
  const { kind, maxMessage } = client.channel;
  for (const size of [0, 1, 1472, 16_384, 65_507]) {
    if (size > maxMessage || size < trial.smallest || (size === 0 && kind === 'stream')) continue;
    const data = randomBytes(size);
    server.messages.length = 0;
    client.channel.write(data, undefined, true);
    await trial.until(() => server.messages.length > 0 && server.size >= size, `${size} bytes`);
    assert.ok(server.bytes.equals(data), `${size} bytes arrive as they were`);
  }
  if (maxMessage > 1 << 26) return;
  server.messages.length = 0;
  client.channel.write(new Uint8Array(maxMessage + 1), undefined, true);
  assert.equal(client.channel.drops?.get('too-large'), 1, 'what is too large is dropped and counted');
  client.write('next');
  await trial.until(() => server.messages.length > 0, 'the next one');
  assert.equal(server.bytes.toString(), 'next', 'nothing of it is sent');
}

/** What is lent may be overwritten when the call is over. */
export async function ownership(trial: Trial): Promise<void> {
  const { client, server } = await trial.connect();
  const shared = Buffer.alloc(1000);
  for (let n = 1; n <= 20; n++) {
    shared.fill(n);
    client.channel.write(shared, undefined, false);
    shared.fill(0);
  }
  await trial.until(() => server.size >= 20 * shared.length, 'all messages');
  const expected = Buffer.concat(Array.from({ length: 20 }, (_, n) => Buffer.alloc(1000, n + 1)));
  assert.ok(server.bytes.equals(expected), 'what was lent was copied before it was overwritten');
}

/** What a client sends before anybody reads waits, in order. */
export async function earlyData(trial: Trial): Promise<void> {
  const opened = await trial.open();
  const client = new Collector(await opened.dial());
  client.read().write('1', '2', '3');
  const channel = await trial.until(() => opened.accepted[0], 'a channel');
  await trial.connectTo(opened);
  const server = new Collector(channel).read();
  await trial.until(() => server.size >= 3, 'what came before anybody read');
  assert.equal(server.bytes.toString(), '123', 'all of it, in order');
}

/** What the server says at once, before the client has said anything or reads, waits, in order. */
export async function serverFirst(trial: Trial): Promise<void> {
  const answer = (channel: Channel): void => {
    channel.accept();
    for (const text of ['1', '2', '3']) channel.write(Buffer.from(text));
  };
  const opened = await trial.open({ answer });
  const client = new Collector(await opened.dial());
  // A UDP listener knows of no client that has said nothing.
  if (client.channel.lossy) client.write(GREETING);
  await trial.until(() => opened.accepted.length > 0, 'a channel');
  await trial.connectTo(opened);
  client.read();
  await trial.until(() => client.size >= 3, 'what the server said first');
  assert.equal(client.bytes.toString(), '123', 'all of it, in order');
}
