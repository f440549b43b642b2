import assert from 'node:assert/strict';
import { test } from 'node:test';
import { TEXT } from '../../core/channel.ts';
import { collect, hold } from '../../testing/collector.ts';
import { dialLocal, openCluster } from '../../testing/fake-cluster-host.ts';
import { echo } from './index.ts';

test('what goes in comes out, with its boundaries, attributes and ownership', async () => {
  const channel = dialLocal(await openCluster(echo));
  const end = collect(channel);
  channel.write(Buffer.from('a'), TEXT, true);
  channel.write(Buffer.from(''));
  channel.write(Buffer.from('bc'));
  assert.deepEqual(end.texts, ['a', '', 'bc']);
  assert.deepEqual(end.attributes, [TEXT, {}, {}]);
  assert.deepEqual(end.owned, [true, false, false]);
});

test('the end is answered by the end, after what came before it', async () => {
  const end = hold(dialLocal(await openCluster(echo)));
  end.write('a');
  end.channel.end({ trailer: 't' });
  assert.equal(end.ends, 0);
  end.read();
  assert.deepEqual([end.texts, end.ends, end.tail], [['a'], 1, { trailer: 't' }]);
});

test('no more fits while nobody takes what comes out', async () => {
  const end = hold(dialLocal(await openCluster(echo)));
  assert.equal(end.write('a'), false);
  end.read();
  assert.equal(end.drains, 1);
  assert.equal(end.write('b'), true);
  end.channel.pause();
  assert.equal(end.write('c'), false);
  end.channel.resume();
  assert.deepEqual([end.texts, end.drains], [['a', 'b', 'c'], 2]);
});

test('a message that waits is not the writer’s buffer', async () => {
  const end = hold(dialLocal(await openCluster(echo)));
  const buffer = new Uint8Array(Buffer.from('keep'));
  end.channel.write(buffer);
  buffer.fill(0x21);
  assert.deepEqual(end.read().texts, ['keep']);
});
