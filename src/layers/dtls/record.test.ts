import assert from 'node:assert/strict';
import { test } from 'node:test';
import { SslContext } from '../../openssl/context.ts';
import { DtlsConnection } from '../../openssl/dtls-connection.ts';
import { helloIn, helloVerifyRequest, isRecord } from './record.ts';

/** OpenSSL's own ClientHello. */
function hello(servername?: string, alpn?: readonly string[]): { client: DtlsConnection; datagram: Uint8Array } {
  const context = new SslContext({ role: 'client', verify: 'none', alpn });
  const client = new DtlsConnection(context, 1200, { servername });
  context.free();
  client.shake();
  return { client, datagram: client.take()[0] as Uint8Array };
}

test('a ClientHello says what its client wants', () => {
  const { client, datagram } = hello('one.example', ['a', 'b']);
  assert.ok(isRecord(datagram));
  const found = helloIn(datagram);
  assert.deepEqual(found?.offered, { servername: 'one.example', alpn: ['a', 'b'] });
  assert.equal(found.cookie.length, 0);
  client.free();
});

test('a client that is given a cookie sends it back, and nothing else is different', () => {
  const { client, datagram } = hello();
  const first = helloIn(datagram);
  assert.ok(first);
  const cookie = Buffer.alloc(32, 7);
  client.shake(helloVerifyRequest(first, cookie));
  const second = helloIn(client.take()[0] as Uint8Array);
  assert.deepEqual(second?.cookie, cookie);
  assert.deepEqual([second.random, second.vouched], [first.random, first.vouched]);
  client.free();
});

test('what is cut short, or something else, is no ClientHello', () => {
  const { client, datagram } = hello('one.example');
  client.free();
  for (let size = 0; size < datagram.length; size++) {
    const cut = datagram.subarray(0, size);
    const found = helloIn(cut);
    // A part of it may be enough, where what has come with it says so.
    assert.ok(found === undefined || found.offered.servername === undefined, `${size} bytes`);
  }
  for (const [at, byte] of [
    [0, 23],
    [3, 1],
    [13, 2],
    [21, 1],
  ] as const) {
    const changed = Uint8Array.from(datagram);
    changed[at] = byte;
    assert.equal(helloIn(changed), undefined, `byte ${at}`);
  }
});

test('records of DTLS are told by their heads', () => {
  const record = (...bytes: number[]): Uint8Array => Uint8Array.of(...bytes, ...Array(13 - bytes.length).fill(0));
  for (const type of [20, 21, 22, 23, 24]) assert.ok(isRecord(record(type, 0xfe, 0xfd)));
  assert.equal(isRecord(record(25, 0xfe)), false);
  assert.equal(isRecord(record(19, 0xfe)), false);
  assert.equal(isRecord(record(22, 3, 3)), false);
  assert.equal(isRecord(record(22, 0xfe, 0xfd).subarray(0, 12)), false);
});
