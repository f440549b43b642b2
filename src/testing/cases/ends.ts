/** Cases about how a connection ends, or does not begin. */
import assert from 'node:assert/strict';
import type { Channel, CloseReason } from '../../core/channel.ts';
import { L7mpError } from '../../core/errors.ts';
import { Collector } from '../collector.ts';
import { GREETING, type Trial } from '../trial.ts';
import { GENTLE } from './reasons.ts';

const DONE: CloseReason = { kind: 'end', message: 'done' };

/** An end closes its own direction only, after all that came before it. */
export async function halfClose(trial: Trial): Promise<void> {
  const { client, server } = await trial.connect();
  client.write('last');
  client.channel.end();
  if (client.channel.halfClose) {
    await trial.until(() => server.ends === 1, 'the end');
    assert.equal(server.bytes.toString(), 'last', 'all comes before the end');
  }
  server.write('answer');
  await trial.until(() => client.bytes.toString() === 'answer', 'the other direction is open');
  client.write('too late');
  assert.equal(client.channel.drops?.get('closed'), 1, 'nothing is sent after the end');
  if (!client.channel.halfClose) return;
  server.channel.end();
  await trial.until(() => client.ends === 1, 'the end of the other direction');
  assert.equal(server.bytes.toString(), 'last');
}

/** A close in order is told to the other side once, as an end, and to nobody on this side. */
export async function closeReason(trial: Trial): Promise<void> {
  const { client, server } = await trial.connect();
  client.write('before');
  client.channel.close(DONE);
  client.channel.close({ kind: 'end', message: 'again' });
  await trial.until(() => server.ends === 1, 'the end');
  assert.equal(server.bytes.toString(), 'before', 'what was written still arrives');
  server.channel.end();
  const [reason] = await trial.until(() => server.closings.length > 0 && server.closings, 'the close');
  assert.equal(reason?.kind, 'end');
  assert.equal(server.closings.length, 1);
  assert.equal(client.closings.length, 0, 'who closes is not told');
}

/** Whichever end closes, and for whatever reason but a reset: what it has written arrives, and the other side is told. */
export async function eachReason(trial: Trial): Promise<void> {
  const opened = await trial.open();
  for (const kind of GENTLE) {
    for (const closes of ['client', 'server'] as const) {
      const ends = await trial.connectTo(opened);
      const [closer, other] = closes === 'client' ? [ends.client, ends.server] : [ends.server, ends.client];
      const what = `the ${closes} closes: ${kind}`;
      closer.write('one', 'two', 'three');
      closer.channel.close({ kind, message: what });
      await trial.until(() => other.bytes.toString() === 'onetwothree' || other.closings.length > 0, what);
      assert.equal(other.bytes.toString(), 'onetwothree', `${what}: what was written arrives`);
      if (!other.channel.lossy) await trial.until(() => other.ends === 1, `${what}: the end after it`);
      assert.deepEqual(closer.closings, [], `${what}: who closes is not told`);
      other.channel.close(DONE);
    }
  }
}

/** A connection that breaks is never taken for one that ended. */
export async function peerDeath(trial: Trial): Promise<void> {
  const { client, server } = await trial.connect();
  client.channel.close({ kind: 'reset', message: 'broken' });
  const [reason] = await trial.until(() => server.closings.length > 0 && server.closings, 'the other side is told');
  assert.equal(reason?.kind, 'reset');
  assert.equal(server.ends, 0, 'it is no end');
  assert.ok(!server.channel.open);
}

/** A client that is not taken is told so, one way or another. */
export async function refusal(trial: Trial): Promise<void> {
  const answer = (channel: Channel) => channel.refuse(new L7mpError('E_NO_ROUTE', 'no route'));
  const opened = await trial.open({ answer });
  let channel: Channel;
  try {
    channel = await opened.dial();
  } catch (error) {
    assert.ok(error instanceof L7mpError, 'the dialler says why');
    return;
  }
  const client = new Collector(channel);
  client.read().write(GREETING);
  await trial.until(() => opened.accepted.length > 0, 'it was asked for');
  assert.ok(!opened.accepted[0]?.open);
  if (client.channel.lossy) return;
  await trial.until(() => client.ends + client.closings.length > 0, 'the client is told');
}

/** Of a layer: a peer that ends in place of shaking hands is not waited for, on either side. */
export async function endInHandshake(trial: Trial): Promise<void> {
  if (!(await trial.isLayer())) {
    trial.t.skip('it stands on no other protocol');
    return;
  }
  if (!(await clientEnds(trial))) {
    trial.t.skip('the transport does not tell of an end');
    return;
  }
  await serverEnds(trial);
}

/** The client has the transport only. Returns whether that can tell of an end. */
async function clientEnds(trial: Trial): Promise<boolean> {
  const { accepted, dial } = await raw(trial, 'cluster');
  const client = new Collector(await dial()).read();
  if (client.channel.lossy) return false;
  // The side that closes is told nothing: a transport without half-close is tried from the other side.
  if (!client.channel.halfClose) return true;
  client.channel.end();
  // A layer without a handshake has a session by now, which sees the end.
  const ended = () =>
    accepted.map((channel) => (channel.owner as Collector | undefined) ?? new Collector(channel).read());
  await trial.until(
    () => client.ends + client.closings.length > 0 || ended().some(({ ends }) => ends > 0),
    'the listening side sees the end in the handshake',
  );
  return true;
}

/** The server has the transport only. */
async function serverEnds(trial: Trial): Promise<void> {
  const { dial } = await raw(trial, 'listener', (channel) => {
    channel.accept();
    if (channel.halfClose) channel.end();
    else channel.close(DONE);
  });
  let settled: Collector | Error | undefined;
  const settling = dial().then(
    (channel) => {
      settled = new Collector(channel).read();
    },
    (error: Error) => {
      settled = error;
    },
  );
  await trial.until(() => settled, 'the dialling side sees the end in the handshake');
  await settling;
  if (!(settled instanceof Collector)) return;
  const client = settled;
  await trial.until(() => client.ends + client.closings.length > 0, 'the end, where there is no handshake');
}

async function raw(trial: Trial, below: 'listener' | 'cluster', answer?: (channel: Channel) => void) {
  const opened = await trial.open({ below, ...(answer && { answer }) });
  return { accepted: opened.accepted, dial: () => opened.dial() };
}
