import assert from 'node:assert/strict';
import { once } from 'node:events';
import * as net from 'node:net';
import { describe, type TestContext, test } from 'node:test';
import * as tls from 'node:tls';
import { HelloReader, MAX_HELLO, NoHello } from './client-hello.ts';

/** What a real client says first. */
async function helloOf(t: TestContext, options: tls.ConnectionOptions): Promise<Buffer> {
  const server = net.createServer();
  server.listen(0, '127.0.0.1');
  t.after(() => server.close());
  await once(server, 'listening');
  const client = tls.connect({ port: (server.address() as net.AddressInfo).port, host: '127.0.0.1', ...options });
  client.on('error', () => {});
  const [socket] = (await once(server, 'connection')) as [net.Socket];
  const [bytes] = (await once(socket, 'data')) as [Buffer];
  client.destroy();
  return bytes;
}

/** The same message in records of so many bytes. */
function inRecords(hello: Buffer, size: number): Buffer {
  const message = hello.subarray(5);
  const records: Buffer[] = [];
  for (let at = 0; at < message.length; at += size) {
    const part = message.subarray(at, at + size);
    records.push(Buffer.from([22, 3, 1, part.length >> 8, part.length & 255]), part);
  }
  return Buffer.concat(records);
}

describe('a ClientHello', () => {
  for (const version of ['TLSv1.2', 'TLSv1.3'] as const) {
    test(`of ${version} says which server it wants, and which protocols it speaks`, async (t) => {
      const options = { servername: 'A.Example', ALPNProtocols: ['h2', 'http/1.1'] };
      const hello = await helloOf(t, { ...options, minVersion: version, maxVersion: version });
      assert.deepEqual(new HelloReader().take(hello), { servername: 'a.example', alpn: ['h2', 'http/1.1'] });
    });
  }

  test('may name nothing', async (t) => {
    const hello = await helloOf(t, { servername: '' });
    assert.deepEqual(new HelloReader().take(hello), { servername: undefined, alpn: [] });
  });

  test('may come byte by byte, in records of one byte, with more behind it', async (t) => {
    const hello = await helloOf(t, { servername: 'a.example' });
    const reader = new HelloReader();
    const slow = inRecords(hello, 1);
    for (const [n, byte] of slow.entries()) {
      const found = reader.take(Uint8Array.of(byte));
      assert.deepEqual(found, n === slow.length - 1 ? { servername: 'a.example', alpn: [] } : undefined);
    }
    const more = new HelloReader();
    assert.ok(more.take(Buffer.concat([inRecords(hello, 100), Buffer.from('more')])));
    assert.ok(more.bytes.toString('latin1').endsWith('more'));
  });

  test('that is cut anywhere is none yet, and with its last byte gone from its lengths is none at all', async (t) => {
    const hello = await helloOf(t, { servername: 'a.example' });
    for (let length = 0; length < hello.length; length++) {
      assert.equal(new HelloReader().take(hello.subarray(0, length)), undefined);
    }
    const short = inRecords(hello.subarray(0, -1), 16_384);
    short.writeUIntBE(short.readUIntBE(6, 3) - 1, 6, 3);
    assert.throws(() => new HelloReader().take(short), NoHello);
  });

  for (const [what, bytes] of [
    ['HTTP', Buffer.from('GET / HTTP/1.1\r\n')],
    ['an alert', Buffer.from([21, 3, 3, 0, 2, 2, 40])],
    ['SSL 2', Buffer.from([0x80, 0x2e, 1, 3, 1])],
    ['a ServerHello', Buffer.from([22, 3, 3, 0, 4, 2, 0, 0, 0])],
    ['an empty record', Buffer.from([22, 3, 3, 0, 0])],
    ['a record that is too large', Buffer.from([22, 3, 3, 0x40, 1])],
    ['a message that is too large', Buffer.from([22, 3, 3, 0, 4, 1, 1, 0, 0])],
  ] as const) {
    test(`is not ${what}`, () => {
      assert.throws(() => new HelloReader().take(bytes), NoHello);
    });
  }

  test('that never ends is given up', () => {
    const reader = new HelloReader();
    const record = Buffer.concat([Buffer.from([22, 3, 1, 0, 1]), Buffer.alloc(1, 1)]);
    assert.throws(() => {
      for (let n = 0; n < MAX_HELLO; n++) reader.take(record);
    }, NoHello);
  });

  for (const name of [
    'white space',
    'two..dots.x',
    '-begins-with',
    'é-is-not-ascii',
    'nul\0nul\0nul',
    `a.${'b'.repeat(252)}`,
  ]) {
    test(`may not ask for ${JSON.stringify(name.slice(0, 20))}`, async (t) => {
      const stands = 'x'.repeat(name.length);
      const hello = await helloOf(t, { servername: stands });
      hello.write(name, hello.indexOf(stands), 'latin1');
      assert.throws(() => new HelloReader().take(hello), NoHello);
    });
  }
});
