import assert from 'node:assert/strict';
import { join } from 'node:path';
import { test } from 'node:test';
import { startWith } from '../../test/support/command.ts';
import { connectStream, received } from '../../test/support/peers.ts';

test('what is sent comes back in capitals', async (t) => {
  const { port } = await startWith(t, join(import.meta.dirname, 'config.yaml'));
  const client = await connectStream(t, { port: port(5200) });
  client.send('Hello, “wörld”!');
  assert.equal(String(await received(client, Buffer.byteLength('Hello, “wörld”!'))), 'HELLO, “WöRLD”!');
});
