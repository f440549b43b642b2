/**
 * What "works" means for a protocol: every protocol passes these cases, between its own two sides, or names the reason
 * why one cannot be passed. They are about channels, whatever is behind them; sessions have tests of their own.
 */
import assert from 'node:assert/strict';
import { createHash, randomBytes } from 'node:crypto';
import { describe, type TestContext, test } from 'node:test';
import type { Channel } from '../../src/core/channel.ts';
import { L7mpError } from '../../src/core/errors.ts';
import { Collector } from '../support/collector.ts';
import { until } from '../support/until.ts';
import { type Answer, type CaseName, openSubject, type Subject } from './pair.ts';

const GREETING = 'hello';

interface Ends {
  readonly client: Collector;
  readonly server: Collector;
}

/** Both ends of a new connection, reading. A first message has gone through, which lets UDP's listener know of it. */
async function connect(t: TestContext, subject: Subject, options: Record<string, unknown> = {}): Promise<Ends> {
  const { accepted, dial } = await openSubject(t, subject, undefined, options);
  const client = new Collector(await dial());
  client.read().write(GREETING);
  const server = new Collector(await until(() => accepted[0], 'a channel'));
  server.read();
  await until(() => server.bytes.length === GREETING.length, 'the greeting');
  server.messages.length = 0;
  server.attributes.length = 0;
  return { client, server };
}

const CASES: Readonly<Record<CaseName, (t: TestContext, subject: Subject) => Promise<void>>> = {
  open: async (t, subject) => {
    const { client, server } = await connect(t, subject);
    assert.ok(client.channel.open && server.channel.open);
    assert.equal(client.channel.kind, server.channel.kind);
    const metadata = server.channel.describe();
    assert.deepEqual(JSON.parse(JSON.stringify(metadata)), metadata, 'the metadata is plain JSON');
    assert.notEqual(server.channel.describe(), metadata, 'it is made anew each time');
  },

  echo: async (t, subject) => {
    const { client, server } = await connect(t, subject);
    server.onMessage = (bytes) => void server.channel.write(new Uint8Array(bytes), undefined, true);
    client.write('ping');
    await until(() => client.bytes.toString() === 'ping', 'the echo');
    assert.equal(client.channel.bytesIn, 4);
    assert.equal(client.channel.bytesOut, GREETING.length + 4);
    assert.equal(server.channel.bytesIn, GREETING.length + 4);
  },

  boundaries: async (t, subject) => {
    const { client, server } = await connect(t, subject);
    const messages = Array.from({ length: 50 }, (_, n) => randomBytes(1 + n * 20));
    for (const message of messages) client.channel.write(message, undefined, true);
    const total = Buffer.concat(messages);
    await until(() => server.bytes.length === total.length, 'all messages');
    assert.ok(server.bytes.equals(total), 'in order');
    if (client.channel.kind === 'stream') return;
    assert.deepEqual(
      server.messages.map(({ length }) => length),
      messages.map(({ length }) => length),
    );
  },

  sizes: async (t, subject) => {
    const { client, server } = await connect(t, subject);
    for (const size of [0, 1, 1472, 16_384, 65_507]) {
      if (size > client.channel.maxMessage || (size === 0 && client.channel.kind === 'stream')) continue;
      const data = randomBytes(size);
      server.messages.length = 0;
      client.channel.write(data, undefined, true);
      await until(() => server.messages.length > 0 && server.bytes.length >= size, `${size} bytes`);
      assert.ok(server.bytes.equals(data), `${size} bytes arrive as they were`);
    }
    const { maxMessage } = client.channel;
    if (maxMessage > 1 << 26) return;
    client.channel.write(new Uint8Array(maxMessage + 1), undefined, true);
    assert.equal(client.channel.drops?.get('too-large'), 1, 'what is too large is dropped and counted');
  },

  ownership: async (t, subject) => {
    const { client, server } = await connect(t, subject);
    const shared = Buffer.alloc(1000);
    for (let n = 1; n <= 20; n++) {
      shared.fill(n);
      client.channel.write(shared, undefined, false);
      shared.fill(0);
    }
    await until(() => server.bytes.length === 20 * shared.length, 'all messages');
    const expected = Buffer.concat(Array.from({ length: 20 }, (_, n) => Buffer.alloc(1000, n + 1)));
    assert.ok(server.bytes.equals(expected), 'what was lent was copied before it was overwritten');
  },

  'half-close': async (t, subject) => {
    const { client, server } = await connect(t, subject);
    client.write('last');
    client.channel.end();
    if (client.channel.halfClose) {
      await until(() => server.ends === 1, 'the end');
      assert.equal(server.bytes.toString(), 'last', 'all comes before the end');
    }
    server.write('answer');
    await until(() => client.bytes.toString() === 'answer', 'the other direction is open');
    client.write('too late');
    assert.equal(client.channel.drops?.get('closed'), 1, 'nothing is sent after the end');
    if (!client.channel.halfClose) return;
    server.channel.end();
    await until(() => client.ends === 1, 'the end of the other direction');
  },

  'back-pressure': async (t, subject) => {
    const { client, server } = await connect(t, subject);
    server.channel.pause();
    const chunk = randomBytes(16_384);
    const hash = createHash('sha256');
    let sent = 0;
    const send = (): boolean => {
      hash.update(chunk);
      sent++;
      return client.channel.write(chunk, undefined, true);
    };
    // The kernel's buffers on both sides take some megabytes before anything is held up.
    await until(() => !send(), 'the writer is held up');
    const before = client.drains;
    assert.ok(client.channel.full);
    server.channel.resume();
    await until(() => client.drains > before, 'it is told to go on');
    await until(() => server.bytes.length === sent * chunk.length, 'everything arrives');
    assert.equal(createHash('sha256').update(server.bytes).digest('hex'), hash.digest('hex'));
    assert.equal(server.channel.drops?.size ?? 0, 0);
  },

  'bounded queue': async (t, subject) => {
    const { client, server } = await connect(t, subject, { queue_messages: 3 });
    server.channel.pause();
    for (let n = 0; n < 10; n++) client.write(`${n}`);
    await until(() => server.channel.drops?.get('queue-full') === 7, 'what does not fit is dropped and counted');
    server.channel.resume();
    assert.deepEqual(server.texts, ['0', '1', '2']);
  },

  'peer death': async (t, subject) => {
    const { client, server } = await connect(t, subject);
    client.channel.close({ kind: 'reset', message: 'broken' });
    const [reason] = await until(() => server.closings.length > 0 && server.closings, 'the other side is told');
    assert.equal(reason?.kind, 'reset');
    assert.ok(!server.channel.open);
  },

  'close reason': async (t, subject) => {
    const { client, server } = await connect(t, subject);
    client.write('before');
    client.channel.close({ kind: 'end', message: 'done' });
    client.channel.close({ kind: 'end', message: 'again' });
    await until(() => server.ends === 1, 'the end');
    assert.equal(server.bytes.toString(), 'before', 'what was written still arrives');
    server.channel.end();
    const [reason] = await until(() => server.closings.length > 0 && server.closings, 'the close');
    assert.equal(reason?.kind, 'end');
    assert.equal(server.closings.length, 1);
    assert.equal(client.closings.length, 0, 'who closes is not told');
  },

  refusal: async (t, subject) => {
    const refuse: Answer = (channel) => channel.refuse(new L7mpError('E_NO_ROUTE', 'no route'));
    const { accepted, dial } = await openSubject(t, subject, refuse);
    let channel: Channel;
    try {
      channel = await dial();
    } catch (error) {
      assert.ok(error instanceof L7mpError, 'the dialler says why');
      return;
    }
    const client = new Collector(channel);
    client.read().write(GREETING);
    await until(() => accepted.length > 0, 'it was asked for');
    assert.ok(!accepted[0]?.open);
    if (client.channel.lossy) return;
    await until(() => client.ends + client.closings.length > 0, 'the client is told');
  },

  'early data': async (t, subject) => {
    const { accepted, dial } = await openSubject(t, subject);
    const client = new Collector(await dial());
    client.read().write('1', '2', '3');
    const channel = await until(() => accepted[0], 'a channel');
    const server = new Collector(channel).read();
    await until(() => server.bytes.toString() === '123', 'what came before anybody read, in order');
  },
};

/** Runs the cases on a protocol. */
export function runCompliance(subject: Subject): void {
  describe(`${subject.name} complies`, { skip: subject.skip ?? false }, () => {
    for (const [name, run] of Object.entries(CASES) as [CaseName, (typeof CASES)[CaseName]][]) {
      test(name, { skip: subject.skips?.[name] ?? false }, (t) => run(t, subject));
    }
  });
}
