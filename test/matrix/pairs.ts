/** Listener protocols with cluster protocols, through a whole proxy, with real peers on both sides. */
import assert from 'node:assert/strict';
import { createHash, randomBytes } from 'node:crypto';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, type TestContext, test } from 'node:test';
import { engines, type TestedEngine } from '../../src/io/testing.ts';
import { freePort } from '../../src/testing/ports.ts';
import { until } from '../../src/testing/until.ts';
import { bytes, type Peer } from '../support/peers.ts';
import { listener, startProxy, type TestProxy } from '../support/proxy.ts';
import type { Destination, Served } from './destinations.ts';
import { DATAGRAM_MAX, type Place, type Source } from './sources.ts';

/** Messages that are sent one upon the other, the first ones before the session stands. */
const BURST = [1, 1200, 2, 700, 16, 1199, 3, 100, 1024, 1, 512, 255, 256, 64, 1100, 7, 1000, 8, 500, 1200];
/** Messages that are sent one by one. */
const SIZES = [0, 1, 1472, 9000, 16_384, 0];

const MEBIBYTE = randomBytes(1 << 20);
const PIECE = 16 << 10;

const folder = mkdtempSync(join(tmpdir(), 'l7mp-matrix-'));
after(() => rmSync(folder, { recursive: true }));
let files = 0;
const newPath = () => join(folder, `${++files}`);

/** One listener, and the cluster that it leads to. */
interface Pair {
  readonly source: Source;
  readonly destination: Destination;
  readonly place: Place;
  readonly served: Served;
  readonly proxy: TestProxy;
}

// -------------------------------------------------------------------- the cases

/** A case, for the pairs to which it applies. */
interface Case {
  readonly applies: (source: Source, destination: Destination) => boolean;
  readonly run: (t: TestContext, pair: Pair) => Promise<void>;
}

const CASES: Readonly<Record<string, Case>> = {
  'carries data both ways': {
    applies: () => true,
    run: async (t, pair) => {
      const { source, place } = pair;
      const before = arrived(pair).length;
      const client = await source.connect(t, place);
      const sent = BURST.map((size) => randomBytes(size));
      for (const message of sent) client.send(message);
      await echoed(pair, client, sent);
      // As much as either side takes; what takes any size is tried with what a datagram holds.
      const least = Math.max(source.smallest ?? 0, pair.destination.smallest ?? 0);
      const sizes = SIZES.filter((size) => size >= least);
      for (const size of [...sizes, Math.min(source.largest, pair.destination.largest, DATAGRAM_MAX)]) {
        sent.push(randomBytes(size));
        client.send(sent.at(-1) as Buffer);
        await echoed(pair, client, sent);
      }
      sameMessages(pair, client.messages, sent, 'what came back');
      if (pair.served.peers) sameMessages(pair, arrived(pair).slice(before), sent, 'what reached the endpoint');
    },
  },

  'shows the session': {
    // The session of the case before would have the answer: it has no end.
    applies: (source, destination) => !destination.single || source.connected || source.single === true,
    run: async (t, { source, destination, place, served, proxy }) => {
      const client = await source.connect(t, place);
      client.send('hello');
      await until(() => bytes(client).toString() === 'hello', 'the echo');
      const session = (await proxy.sessions(place.listener)).at(-1);
      const { name, metadata } = source.session(place, client.port);
      assert.match(session.name, name);
      assert.partialDeepStrictEqual(session, {
        status: 'CONNECTED',
        metadata,
        source: { origin: place.listener, status: 'READY' },
        destination: {
          origin: `to ${destination.name}`.replaceAll(' ', '-'),
          status: 'READY',
          endpoint: { spec: { address: served.address } },
        },
      });
      assert.equal(session.source.listener.protocol, source.spec(place).protocol);
      assert.deepEqual([session.ingress, session.egress], [[], []]);
      const events = session.events.map(({ event }: { event: string }) => event);
      // Boundaries are lost on the way there or on the way back.
      const warned = destination.kind !== 'same' && destination.kind !== source.kind;
      for (const event of ['INIT', 'LOOKUP SUCCESS', 'CONNECT']) assert.ok(events.includes(event), event);
      assert.equal(events.filter((event: string) => event === 'WARNING').length, warned ? 1 : 0);
      const read = await proxy.ok('GET', `sessions/${encodeURIComponent(session.name)}`);
      assert.equal(read.name, session.name);
    },
  },

  'ends with its client': {
    applies: ({ connected }) => connected,
    run: async (t, { source, place, proxy }) => {
      const client = await source.connect(t, place);
      client.send('hello');
      await until(() => bytes(client).toString() === 'hello', 'the echo');
      client.close();
      await proxy.noSession(place.listener);
    },
  },

  'carries 1 MiB, and the end after it': {
    applies: (source, destination) => source.connected && destination.connected,
    run: async (t, { source, place, proxy }) => {
      const client = await source.connect(t, place);
      for (let at = 0; at < MEBIBYTE.length; at += PIECE) client.send(MEBIBYTE.subarray(at, at + PIECE));
      await until(() => length(client) >= MEBIBYTE.length, 'all of it');
      client.end();
      await until(() => client.ended || client.closed !== undefined, 'the end');
      assert.equal(digest(bytes(client)), digest(MEBIBYTE));
      await proxy.noSession(place.listener);
    },
  },

  'keeps text and binary apart': {
    applies: (source, destination) => !!source.text && !!destination.text,
    run: async (t, { source, place, served }) => {
      const client = await source.connect(t, place);
      for (const message of ['täxt', Buffer.from([0, 255]), '', Buffer.alloc(0)]) client.send(message);
      await until(() => client.messages.length === 4, 'all of them');
      const expected = [true, false, true, false];
      assert.deepEqual(client.text, expected);
      if (served.peers) assert.deepEqual(served.peers.at(-1)?.text, expected);
    },
  },

  'drops what does not fit the endpoint, counts it, and goes on': {
    applies: (source, destination) =>
      losesSome(source, destination) && source.kind === 'datagram' && source.largest > destination.largest,
    run: async (t, { source, destination, place, proxy }) => {
      const client = await source.connect(t, place);
      client.send(Buffer.alloc(destination.largest + (destination.spare ?? 0) + 1));
      client.send('next');
      await until(() => client.messages.length > 0, 'the next one');
      assert.deepEqual(client.messages.map(String), ['next']);
      assert.deepEqual((await proxy.sessions(place.listener)).at(-1).destination.drops, { 'too-large': 1 });
    },
  },

  'ends with what does not fit its client, where nothing may be lost': {
    applies: (source, destination) =>
      !losesSome(source, destination) && destination.kind === 'datagram' && destination.largest > takenBy(source),
    run: async (t, { source, place, served, proxy }) => {
      const client = await source.connect(t, place);
      client.send('hello');
      await until(() => client.messages.length === 1, 'the echo');
      served.peers?.at(-1)?.send(Buffer.alloc(takenBy(source) + 1));
      await until(() => client.closed !== undefined, 'the end');
      assert.deepEqual(client.messages.map(String), ['hello']);
      await proxy.noSession(place.listener);
    },
  },

  'drops what does not fit the client, counts it, and goes on': {
    applies: (source, destination) =>
      losesSome(source, destination) && destination.kind === 'datagram' && destination.largest > takenBy(source),
    run: async (t, { source, place, served, proxy }) => {
      const client = await source.connect(t, place);
      client.send('hello');
      await until(() => client.messages.length === 1, 'the echo');
      const endpoint = served.peers?.at(-1);
      endpoint?.send(Buffer.alloc(takenBy(source) + 1));
      endpoint?.send('next');
      await until(() => client.messages.length > 1, 'the next one');
      assert.deepEqual(client.messages.map(String), ['hello', 'next']);
      assert.deepEqual((await proxy.sessions(place.listener)).at(-1).source.drops, { 'too-large': 1 });
    },
  },
};

// -------------------------------------------------------------------- what is looked at

/** The largest message that comes to a client. */
function takenBy({ largest, takes = largest }: Source): number {
  return takes;
}

/** Either side may lose messages: else a session ends with one that cannot be passed on. */
function losesSome(source: Source, destination: Destination): boolean {
  return !source.connected || !destination.connected;
}

/** Both sides are datagrams: every message is one, empty ones too. */
function keepsBoundaries({ source, destination }: Pair): boolean {
  return source.kind === 'datagram' && destination.kind !== 'stream';
}

/** All messages that have reached the endpoint. */
function arrived({ served }: Pair): Buffer[] {
  return (served.peers ?? []).flatMap(({ messages }) => messages);
}

function length({ messages }: Peer): number {
  return messages.reduce((sum, message) => sum + message.length, 0);
}

async function echoed(pair: Pair, client: Peer, sent: readonly Buffer[]): Promise<void> {
  const expected = sent.reduce((sum, message) => sum + message.length, 0);
  const whole = () => length(client) >= expected && (!keepsBoundaries(pair) || client.messages.length >= sent.length);
  const state = () => `${length(client)} of ${expected} bytes in ${client.messages.length} messages, ${client.closed}`;
  await until(whole, `the echo of ${sent.at(-1)?.length} bytes`).catch((error: Error) => {
    throw new Error(`${error.message}: ${state()}`);
  });
}

function sameMessages(pair: Pair, got: readonly Buffer[], sent: readonly Buffer[], what: string): void {
  if (keepsBoundaries(pair)) {
    assert.deepEqual(
      got.map((message) => message.length),
      sent.map((message) => message.length),
      `the sizes of ${what}`,
    );
  }
  assert.equal(digest(Buffer.concat(got)), digest(Buffer.concat(sent)), what);
}

function digest(data: Buffer): string {
  return createHash('sha256').update(data).digest('hex');
}

// -------------------------------------------------------------------- the matrix

async function setUp(
  t: TestContext,
  source: Source,
  all: readonly Destination[],
  admin: TestedEngine['admin'],
): Promise<Pair[]> {
  const destinations = all.filter(({ native }) => !native || admin.io === 'native');
  const servers = await Promise.all(destinations.map((destination) => destination.serve(t, newPath())));
  const own = await Promise.all(destinations.map(() => freePort()));
  const places: Place[] = [];
  const { proxy } = await startProxy(
    t,
    destinations.map(({ name }) => name),
    (ports) => {
      places.length = 0;
      const pairs = destinations.map(({ name }, n) => {
        const label = name.replaceAll(' ', '-');
        const place = { listener: label, port: ports[name] as number, from: own[n] as number, path: newPath() };
        places.push(place);
        const route = { destination: `to-${label}`, ...(source.single && { retry: { retry_on: 'connect-failure' } }) };
        return {
          cluster: { name: `to-${label}`, ...servers[n]?.cluster },
          listener: listener(label, source.spec(place), route),
        };
      });
      return {
        // Warnings of lost boundaries are expected; the sessions show them.
        admin: { ...admin, log_level: 'error' },
        listeners: pairs.map((pair) => pair.listener),
        clusters: pairs.map((pair) => pair.cluster),
      };
    },
  );
  return destinations.map((destination, n) => ({
    source,
    destination,
    place: places[n] as Place,
    served: servers[n] as Served,
    proxy,
  }));
}

/** Adds the tests of each of the sources with each of the destinations, on each engine that has both. */
export function runPairs(sources: readonly Source[], destinations: readonly Destination[]): void {
  for (const { name: io, admin, skip } of engines()) {
    const here = ({ native }: { native?: boolean }) => !native || io === 'native';
    if (!destinations.some(here)) continue;
    for (const source of sources.filter(here)) {
      test(`${source.name}, with ${io} I/O,`, { skip }, async (t) => {
        for (const pair of await setUp(t, source, destinations, admin)) {
          await t.test(`to ${pair.destination.name}`, async (tt) => {
            for (const [name, { applies, run }] of Object.entries(CASES)) {
              if (applies(source, pair.destination)) await tt.test(name, (ttt) => run(ttt, pair));
            }
          });
        }
      });
    }
  }
}
