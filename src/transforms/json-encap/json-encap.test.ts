import assert from 'node:assert/strict';
import { test } from 'node:test';
import { TEXT } from '../../core/channel.ts';
import { collect } from '../../testing/collector.ts';
import { dialLocal, openCluster } from '../../testing/fake-cluster-host.ts';
import { jsonEncap } from './index.ts';

const METADATA = { IP: { src_addr: '192.0.2.1' }, 'a "quoted" key': [1, null, 'ő'] };

test('each message becomes text with the metadata and the payload in base64', async () => {
  const end = collect(dialLocal(await openCluster(jsonEncap), METADATA));
  end.channel.write(new Uint8Array([0, 255, 10]));
  end.channel.write(new Uint8Array([9, 8, 7, 6]).subarray(1, 3));
  end.channel.write(new Uint8Array(0));
  const wrapped = end.texts.map((text) => JSON.parse(text));
  assert.deepEqual(wrapped, [
    { metadata: METADATA, payload: 'AP8K' },
    { metadata: METADATA, payload: 'CAc=' },
    { metadata: METADATA, payload: '' },
  ]);
  assert.deepEqual(end.attributes, [TEXT, TEXT, TEXT]);
});

test('the end is passed on', async () => {
  const end = collect(dialLocal(await openCluster(jsonEncap)));
  end.channel.end();
  assert.equal(end.ends, 1);
});
