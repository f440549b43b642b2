import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { after, describe, test } from 'node:test';
import { Authority, texts } from '../../test/support/certificates.ts';
import { helloIn, helloVerifyRequest } from '../layers/dtls/record.ts';
import { SslContext, type SslSettings } from './context.ts';
import { DtlsConnection } from './dtls-connection.ts';
import type { ServerName } from './ssl.ts';

const authority = await Authority.make(after);
const own = texts(await authority.issue());
const another = texts(await authority.issue());
const stranger = await Authority.make(after, 'another authority');

const server = (more: Partial<SslSettings> = {}) => new SslContext({ role: 'server', verify: 'none', ...own, ...more });
const client = (more: Partial<SslSettings> = {}) =>
  new SslContext({ role: 'client', verify: 'require', ca: authority.text, ...more });

const LOCAL: ServerName = { servername: 'localhost', verifyName: 'localhost' };

interface Pair {
  readonly near: DtlsConnection;
  readonly far: DtlsConnection;
}

/** Shakes hands in memory. Throws what either side says. */
function connect(ofClient = client(), ofServer = server(), name: ServerName = LOCAL, mtu = 1200): Pair {
  const near = new DtlsConnection(ofClient, mtu, name);
  const far = new DtlsConnection(ofServer, mtu);
  ofClient.free();
  ofServer.free();
  try {
    near.shake();
    const hello = helloIn(near.take()[0] as Uint8Array);
    assert.ok(hello);
    near.shake(helloVerifyRequest(hello, randomBytes(32)));
    assert.equal(far.listen(near.take()[0] as Uint8Array), true);
    far.shake();
    const over = { near: false, far: false };
    for (let toNear = far.take(); toNear.length > 0; ) {
      for (const datagram of toNear) over.near = near.shake(datagram);
      const toFar = near.take();
      for (const datagram of toFar) over.far = far.shake(datagram);
      toNear = far.take();
    }
    assert.deepEqual(over, { near: true, far: true });
    for (const one of [near, far])
      assert.equal(
        one.readRest(() => assert.fail('nothing was sent')),
        true,
      );
    return { near, far };
  } catch (error) {
    near.free();
    far.free();
    throw error;
  }
}

function free({ near, far }: Pair): void {
  near.free();
  far.free();
}

/** What comes out where a datagram goes in. */
function read(connection: DtlsConnection, datagram: Uint8Array): Buffer[] {
  const messages: Buffer[] = [];
  assert.equal(connection.isWhole(datagram), true);
  assert.equal(
    connection.read(datagram, (bytes) => messages.push(Buffer.from(bytes))),
    true,
  );
  return messages;
}

const sealed = (connection: DtlsConnection, bytes: Uint8Array): Buffer =>
  Buffer.from(connection.write(bytes) as Uint8Array);

describe('a connection of DTLS', () => {
  test('agrees on a version and a cipher, and each message is one datagram', () => {
    const pair = connect();
    const { near, far } = pair;
    assert.partialDeepStrictEqual(far.agreed(), { version: 'DTLSv1.2', alpn: undefined, certificate: undefined });
    assert.equal(near.agreed().flaw, undefined);
    assert.equal(near.timeout(), undefined);
    for (const size of [1, 100, near.maxMessage()]) {
      const bytes = randomBytes(size);
      assert.deepEqual(read(far, sealed(near, bytes)), [bytes]);
      assert.deepEqual(read(near, sealed(far, bytes)), [bytes]);
    }
    assert.equal(sealed(near, randomBytes(near.maxMessage())).length, 1200);
    free(pair);
  });

  test('reads several records of one datagram, and none twice', () => {
    const pair = connect();
    const { near, far } = pair;
    const records = ['one', 'two'].map((text) => sealed(near, Buffer.from(text)));
    const datagram = Buffer.concat(records);
    assert.deepEqual(read(far, datagram).map(String), ['one', 'two']);
    assert.deepEqual(read(far, datagram), []);
    free(pair);
  });

  test('may be freed by whoever hears a message', () => {
    const { near, far } = connect();
    const datagram = Buffer.concat(['one', 'two'].map((text) => sealed(near, Buffer.from(text))));
    const messages: string[] = [];
    far.read(datagram, (bytes) => {
      messages.push(Buffer.from(bytes).toString());
      far.free();
    });
    assert.deepEqual(messages, ['one']);
    near.free();
  });

  test('hears close_notify', () => {
    const pair = connect();
    pair.near.shutdown();
    const [goodbye] = pair.near.take();
    assert.equal(
      pair.far.read(goodbye as Uint8Array, () => {}),
      false,
    );
    free(pair);
  });

  test('knows its peer by its name or address, its authority and its time', async () => {
    free(connect(client(), server(), { verifyName: '127.0.0.1' }));
    assert.throws(() => connect(client(), server(), { verifyName: '127.0.0.2' }), /IP address mismatch/);
    assert.throws(() => connect(client(), server(), { verifyName: 'else.example' }), /hostname mismatch/);
    assert.throws(() => connect(client({ ca: stranger.text })), /unable to get local issuer certificate/);
    const old = texts(await authority.issue({ days: -1 }));
    assert.throws(() => connect(client(), server(old)), /certificate has expired/);
    free(connect(client({ verify: 'none' }), server(old)));
  });

  test('asks for a certificate of the client', async () => {
    const demanding = () => server({ ca: authority.text, verify: 'require' });
    assert.throws(() => connect(client(), demanding()), /peer did not return a certificate/);
    const pair = connect(client(texts(await authority.issue({ names: 'DNS:me.example' }))), demanding());
    assert.ok(pair.far.agreed().certificate?.includes('me.example'));
    free(pair);
  });

  test('chooses a protocol by ALPN, as the server prefers', () => {
    const pair = connect(client({ alpn: ['a', 'b'] }), server({ alpn: ['b', 'a'] }));
    assert.equal(pair.near.agreed().alpn, 'b');
    assert.equal(pair.far.agreed().alpn, 'b');
    free(pair);
    assert.throws(() => connect(client({ alpn: ['c'] }), server({ alpn: ['a'] })), /no application protocol/);
  });

  test('goes on whatever strangers send', () => {
    const pair = connect();
    const { near, far } = pair;
    for (let n = 0; n < 20_000; n++) {
      const datagram = forged(sealed(near, randomBytes(1 + (n % 50))), n);
      if (!far.isWhole(datagram)) continue;
      assert.equal(
        far.read(datagram, () => assert.fail('it was not the peer’s')),
        true,
        datagram.toString('hex'),
      );
      far.take();
    }
    assert.deepEqual(read(far, sealed(near, Buffer.from('still there'))).map(String), ['still there']);
    free(pair);
  });
});

/** A record with a byte of its head or its body changed, or cut, or longer. */
function forged(record: Buffer, n: number): Buffer {
  const copy = Buffer.from(record);
  if (n % 3 === 0) {
    const at = n % 13;
    copy[at] = (copy[at] as number) ^ (1 + (n % 255));
  } else if (n % 3 === 1) {
    const cut = copy.subarray(0, 13 + ((n * 7) % (copy.length - 13)));
    cut.writeUInt16BE(cut.length - 13, 11);
    return cut;
  }
  const at = 13 + (n % (copy.length - 13));
  copy[at] = (copy[at] as number) ^ (1 + (n % 255));
  // Most of the numbers that follow, so that none is one that has come.
  if (n % 2 === 0) copy[6] = n % 256;
  return copy;
}

describe('contexts of DTLS', () => {
  test('are not made of texts that are of no use', async () => {
    assert.throws(() => server({ cert: 'nothing' }), /no certificate in PEM/);
    assert.throws(() => server({ key: own.cert }), /no private key in PEM/);
    assert.throws(() => server({ key: another.key }), /key values mismatch/);
    assert.throws(
      () => client({ ca: '-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n' }),
      /certificate/,
    );
  });
});

describe('memory of OpenSSL', () => {
  test('is given back by connections and contexts', () => {
    const resident = (): number => process.memoryUsage.rss();
    const some = (count: number): void => {
      for (let n = 0; n < count; n++) {
        const pair = connect();
        read(pair.far, sealed(pair.near, Buffer.from('hello')));
        free(pair);
      }
    };
    some(300);
    const before = resident();
    some(1000);
    // What one pair has is 120 KB: had each left a fifth behind, it would be 24 MB.
    const grown = resident() - before;
    assert.ok(grown < 16 << 20, `${grown} bytes more after 1,000 connections`);
  });
});
