import assert from 'node:assert/strict';
import { PassThrough } from 'node:stream';
import { type TestContext, test } from 'node:test';
import { MessageChannel } from 'node:worker_threads';
import { GatheringLimit } from '../core/gathering.ts';
import type { Dialer, Protocol } from '../core/protocol.ts';
import { Registry } from '../core/registry.ts';
import { type Collector, collect } from '../testing/collector.ts';
import { attempt, FakeLog, fakeClusterHost } from '../testing/fake-cluster-host.ts';
import { until } from '../testing/until.ts';
import { createStdio } from '../transforms/stdio/index.ts';
import { sync } from '../transforms/sync/index.ts';
import { Calls } from './calls.ts';
import { protocolInWorker } from './owned.ts';
import { OwnedClusters, type Owner } from './owner.ts';

const CLOSE = { kind: 'end', message: '' } as const;

interface FakeWorker {
  readonly dialer: Dialer;
  readonly leave: () => void;
}

/** So many workers, each with a cluster of the same definition. */
function start(t: TestContext, protocol: Protocol, fields: object, count: number): Promise<FakeWorker[]> {
  const owned = new OwnedClusters(new Registry([protocol]), new FakeLog(), new GatheringLimit());
  const workers = Array.from({ length: count }, async () => {
    const { port1, port2 } = new MessageChannel();
    t.after(() => port1.close());
    const owner = owned.forWorker();
    new Calls(port2, owner);
    const inWorker = protocolInWorker(protocol, new Calls<Owner>(port1, {}), count);
    const spec = { protocol: protocol.name, ...fields };
    const dialer = (await inWorker.cluster?.open(spec, fakeClusterHost())) as Dialer;
    return { dialer, leave: () => owner.leave() };
  });
  return Promise.all(workers);
}

let sessions = 0;

async function dial({ dialer }: FakeWorker, label = 'x'): Promise<Collector> {
  return collect(await dialer.dial(attempt({ label }, `s${++sessions}`)));
}

test('a room joins the sessions of all workers that have the label', async (t) => {
  const [one, other] = (await start(t, sync, { query: '/label' }, 2)) as [FakeWorker, FakeWorker];
  const [a, b, c, apart] = [await dial(one), await dial(one), await dial(other), await dial(other, 'y')];
  a.write('from a');
  c.write('from c');
  await until(() => b.texts.length === 2 && a.texts.length === 1 && c.texts.length === 1, 'they hear each other');
  assert.deepEqual([a.texts, [...b.texts].sort(), c.texts], [['from c'], ['from a', 'from c'], ['from a']]);
  assert.deepEqual(apart.texts, []);
  for (const { channel } of [a, b, c, apart]) channel.close(CLOSE);
});

test('an end and a close reach the others', async (t) => {
  const [one, other] = (await start(t, sync, { query: '/label' }, 2)) as [FakeWorker, FakeWorker];
  const [a, b] = [await dial(one), await dial(other)];
  a.channel.end();
  b.channel.close(CLOSE);
  await until(() => a.channel.endRead, 'nobody speaks any more');
  a.channel.close(CLOSE);
});

test('a refusal of the owner is the answer to who dials', async (t) => {
  const [one] = (await start(t, sync, { query: '/nothing' }, 2)) as [FakeWorker];
  await assert.rejects(dial(one), { code: 'E_NO_ROUTE' });
});

test('standard streams are shared by all workers, also by a single one', async (t) => {
  const [stdin, stdout] = [new PassThrough(), new PassThrough()];
  const stdio = createStdio({ stdin, stdout });
  const [one] = (await start(t, stdio, {}, 1)) as [FakeWorker];
  const end = await dial(one);
  stdin.write('in');
  end.write('out');
  await until(() => end.texts.join('') === 'in' && stdout.readableLength === 3, 'both have come');
  end.channel.close(CLOSE);
});

test('a room has gone when its workers have, and one of them may go before', async (t) => {
  const [one, other] = (await start(t, sync, { query: '/label' }, 2)) as [FakeWorker, FakeWorker];
  one.leave();
  await assert.rejects(dial(one), { code: 'E_NO_ENDPOINT' });
  const [a, b] = [await dial(other), await dial(other)];
  a.write('hello');
  await until(() => b.texts.length === 1, 'the other one is served');
  for (const { channel } of [a, b]) channel.close(CLOSE);
});
