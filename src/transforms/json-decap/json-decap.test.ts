import assert from 'node:assert/strict';
import { test } from 'node:test';
import { BINARY, TEXT } from '../../core/channel.ts';
import { collect } from '../../testing/collector.ts';
import { dialLocal, openCluster } from '../../testing/fake-cluster-host.ts';
import { jsonEncap } from '../json-encap/index.ts';
import { jsonDecap } from './index.ts';

test('what JSONEncap has wrapped comes out as it was, as binary messages', async () => {
  const inner = collect(dialLocal(await openCluster(jsonEncap), { labels: { a: 1 } }));
  const outer = collect(dialLocal(await openCluster(jsonDecap)));
  inner.onMessage = (bytes) => outer.channel.write(bytes, TEXT);
  const every = Buffer.from(Array.from({ length: 256 }, (_, n) => n));
  for (const message of [every, Buffer.alloc(0), Buffer.alloc(1 << 20, 'x')]) {
    inner.channel.write(message);
    assert.ok(outer.messages.at(-1)?.equals(message));
  }
  assert.deepEqual(outer.attributes, [BINARY, BINARY, BINARY]);
  assert.equal(outer.channel.drops, undefined);
});

test('members that it does not know are let be', async () => {
  const end = collect(dialLocal(await openCluster(jsonDecap)));
  end.write('{"payload":"aGk=","metadata":{},"more":1}');
  assert.deepEqual(end.texts, ['hi']);
});

const INVALID: Readonly<Record<string, string | Uint8Array>> = {
  'no JSON': 'hello',
  'nothing at all': '',
  'no object': '["aGk="]',
  null: 'null',
  'no metadata': '{"payload":"aGk="}',
  'metadata that is a list': '{"metadata":[],"payload":"aGk="}',
  'metadata that is a text': '{"metadata":"m","payload":"aGk="}',
  'no payload': '{"metadata":{}}',
  'a payload that is a number': '{"metadata":{},"payload":1}',
  'a payload by inheritance': '{"metadata":{},"__proto__":{"payload":"aGk="}}',
  'base64 without its padding': '{"metadata":{},"payload":"aGk"}',
  'base64 with a blank': '{"metadata":{},"payload":"aG k="}',
  'the URL-safe alphabet': '{"metadata":{},"payload":"-_8="}',
  'base64 with bits left over': '{"metadata":{},"payload":"aGl="}',
  'two objects': '{"metadata":{},"payload":"aGk="}{}',
  'a byte order mark': '\ufeff{"metadata":{},"payload":"aGk="}',
  'no UTF-8': Buffer.from('{"metadata":{"a":"\xff"},"payload":"aGk="}', 'latin1'),
  'a deep nest': '['.repeat(100_000),
};

for (const [what, message] of Object.entries(INVALID)) {
  test(`it drops and counts ${what}`, async () => {
    const end = collect(dialLocal(await openCluster(jsonDecap)));
    assert.equal(end.channel.write(Buffer.from(message as string)), true);
    end.write('{"metadata":{},"payload":"aGk="}');
    assert.deepEqual([end.texts, end.channel.drops?.get('invalid')], [['hi'], 1]);
  });
}
