/** Cases about who is slower than the other. */
import assert from 'node:assert/strict';
import { createHash, type Hash, randomBytes } from 'node:crypto';
import type { Collector } from '../collector.ts';
import type { Trial } from '../trial.ts';
import { GENTLE } from './reasons.ts';

const CHUNK = randomBytes(16_384);

/** Turns of the event loop after which a writer that was not told to go on is taken to be held up. */
const STUCK = 100;

/** What a writer may be taken from while nobody reads, in bytes: kernels buffer some megabytes on either side. */
const MOST = 128 << 20;

/** Writes until no more fits, and nothing changes that any more. Returns how many bytes went, and their hash. */
async function fill(trial: Trial, { channel }: Collector): Promise<{ sent: number; hash: string }> {
  const hash: Hash = createHash('sha256');
  let sent = 0;
  const fillUp = (): void => {
    do {
      assert.ok(sent < MOST, `the writer is held up before ${MOST} bytes wait`);
      hash.update(CHUNK);
      sent += CHUNK.length;
    } while (channel.write(CHUNK, undefined, false));
  };
  let turns = 0;
  const isStuck = (): boolean => {
    if (channel.full) return ++turns > STUCK;
    turns = 0;
    fillUp();
    return false;
  };
  await trial.until(isStuck, 'the writer is held up');
  return { sent, hash: hash.digest('hex') };
}

function sha256(bytes: Buffer): string {
  return createHash('sha256').update(bytes).digest('hex');
}

/** A reader that takes nothing holds the writer up; when it goes on so does the writer, and nothing is lost. */
export async function backPressure(trial: Trial): Promise<void> {
  const { client, server } = await trial.connect();
  if (client.channel.lossy) {
    trial.t.skip('the peer cannot be held up: see "bounded queue"');
    return;
  }
  server.channel.pause();
  const { sent, hash } = await fill(trial, client);
  const before = client.drains;
  assert.ok(client.channel.full);
  assert.equal(server.messages.length, 0, 'who is paused is handed nothing');
  server.channel.resume();
  await trial.until(() => client.drains > before, 'the writer is told to go on');
  await trial.until(() => server.size >= sent, 'everything arrives');
  assert.equal(sha256(server.bytes), hash);
  assert.equal(server.channel.drops?.size ?? 0, 0);
}

/** What cannot be held up is dropped beyond the queue's limits, and counted. */
export async function boundedQueue(trial: Trial): Promise<void> {
  const { client, server } = await trial.connect({ options: { queue_messages: 3 } });
  if (!client.channel.lossy) {
    trial.t.skip('the peer is held up instead: nothing is dropped');
    return;
  }
  server.channel.pause();
  for (let n = 0; n < 10; n++) client.write(`${n}`);
  await trial.until(() => server.channel.drops?.get('queue-full') === 7, 'what does not fit is dropped and counted');
  server.channel.resume();
  assert.deepEqual(server.texts, ['0', '1', '2']);
}

/** What came while the reader was paused is read in order, then the end; a close in order waits for it. */
export async function heldReader(trial: Trial): Promise<void> {
  const opened = await trial.open();
  const { client, server } = await trial.connectTo(opened);
  server.channel.pause();
  client.write('1', '2', '3');
  if (!client.channel.lossy) client.channel.close({ kind: 'end', message: 'done' });
  await trial.connectTo(opened);
  assert.deepEqual([server.texts, server.ends, server.closings], [[], 0, []], 'who is paused is handed nothing');
  server.channel.resume();
  await trial.until(() => server.bytes.toString() === '123', 'all of it, in order');
  if (client.channel.lossy) return;
  await trial.until(() => server.ends === 1, 'the end after it');
}

/** A writer that is full, and closes, has its last bytes delivered all the same, whatever it closes for. */
export async function fullThenClosed(trial: Trial): Promise<void> {
  const opened = await trial.open();
  for (const kind of GENTLE) {
    const { client, server } = await trial.connectTo(opened);
    if (client.channel.lossy) {
      trial.t.skip('the peer cannot be held up');
      return;
    }
    server.channel.pause();
    const { sent, hash } = await fill(trial, client);
    client.channel.close({ kind, message: 'closed while full' });
    server.channel.resume();
    await trial.until(() => server.size >= sent || server.closings.length > 0, `everything (${kind})`);
    assert.equal(server.size, sent, `all that was written before a close (${kind}) arrives`);
    assert.equal(sha256(server.bytes), hash);
    await trial.until(() => server.ends === 1, `the end (${kind})`);
    server.channel.close({ kind: 'end', message: 'done' });
  }
}
