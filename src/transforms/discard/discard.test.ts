import assert from 'node:assert/strict';
import { test } from 'node:test';
import { collect, hold } from '../../testing/collector.ts';
import { dialLocal, openCluster } from '../../testing/fake-cluster-host.ts';
import { discard } from './index.ts';

test('nothing comes out, and the end is answered by the end', async () => {
  const end = collect(dialLocal(await openCluster(discard)));
  assert.equal(end.write('a', 'b'), true);
  end.channel.end();
  assert.deepEqual([end.texts, end.ends, end.channel.messagesOut], [[], 1, 2]);
});

test('it swallows on while the way out is held up', async () => {
  const end = hold(dialLocal(await openCluster(discard)));
  assert.equal(end.write('a', 'b'), true);
  assert.equal(end.channel.queued, 0);
});
