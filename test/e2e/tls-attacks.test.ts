/** Clients of TLS that do what costs a server much, or what it has no use for. */
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { readFile, writeFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import * as net from 'node:net';
import { join } from 'node:path';
import { after, describe, type TestContext, test } from 'node:test';
import * as tls from 'node:tls';
import { engines } from '../../src/io/testing.ts';
import { SslContext } from '../../src/openssl/context.ts';
import { openssl } from '../../src/openssl/openssl.ts';
import { Ssl } from '../../src/openssl/ssl.ts';
import { until } from '../../src/testing/until.ts';
import { Authority } from '../support/certificates.ts';
import { program } from '../support/programs.ts';
import { listener, startProxy } from '../support/proxy.ts';

const HOST = '127.0.0.1';
const ECHO = { destination: { spec: { protocol: 'Echo' } } };
/** Type, version and length of a record. */
const CLIENT_HELLO_RECORD = [22, 3, 1, 0x40, 0];
const SSL_KEY_UPDATE_REQUESTED = 1;
const ROOM = 1 << 20;

const authority = await Authority.make(after);
const own = await authority.issue();

async function serve(t: TestContext, admin: object, more: object = {}) {
  const spec = (port: number) => ({ protocol: 'TCP', port, address: HOST, tls: { ...own, ...more } });
  return startProxy(t, ['l'], ({ l }) => ({ admin, listeners: [listener('l', spec(l), ECHO)] }));
}

async function connect(t: TestContext, port: number, options: tls.ConnectionOptions = {}): Promise<tls.TLSSocket> {
  const socket = tls.connect({ host: HOST, port, ca: authority.text, servername: 'localhost', ...options });
  t.after(() => socket.destroy());
  socket.on('error', () => {});
  await once(socket, 'secureConnect');
  return socket;
}

async function echoes(socket: tls.TLSSocket, text: string): Promise<void> {
  socket.write(text);
  assert.equal(String((await once(socket, 'data'))[0]), text);
}

/** What comes of a connection that sends such bytes: all that was received until its end. */
async function answerTo(t: TestContext, port: number, sent: Uint8Array): Promise<Buffer> {
  const socket = net.connect({ host: HOST, port });
  t.after(() => socket.destroy());
  const received: Buffer[] = [];
  let closed = false;
  socket.on('error', () => {});
  socket.on('data', (data: Buffer) => received.push(data));
  socket.on('close', () => {
    closed = true;
  });
  socket.write(sent);
  await until(() => closed, 'the end');
  return Buffer.concat(received);
}

for (const { name, admin, skip } of engines()) {
  describe(`Attacks on TLS with ${name} I/O`, { skip }, () => {
    test('a client of TLS 1.2 may not shake hands again', async (t) => {
      const { ports } = await serve(t, admin);
      const socket = await connect(t, ports.l, { maxVersion: 'TLSv1.2' });
      await echoes(socket, 'before');
      const error = await new Promise<Error | null>((done) => {
        socket.renegotiate({}, done);
        socket.once('error', done);
      });
      assert.match(String(error), /NO_RENEGOTIATION|no renegotiation/i);
      await echoes(await connect(t, ports.l), 'others are served');
    });

    test('keys that are changed a thousand times leave the session and others as they are', async (t) => {
      const { ports } = await serve(t, admin);
      const client = await Changing.connect(t, ports.l);
      for (let n = 0; n < 1000; n++) client.changeKeys();
      await echoes(await connect(t, ports.l), 'others are served');
      assert.equal(await client.ask('still here'), 'still here');
    });

    test('a chain of certificates without end is not read to it', async (t) => {
      const { proxy, ports } = await serve(t, admin, { ca: authority.cert, client_auth: 'request' });
      const { cert, key } = await authority.issue({ commonName: 'client' });
      const [first, keyText] = [await readFile(cert, 'utf8'), await readFile(key)];
      // More than the 100 KiB that OpenSSL takes.
      const socket = tls.connect({
        ...{ host: HOST, port: ports.l, ca: authority.text, servername: 'localhost' },
        ...{ cert: first + authority.text.repeat(300), key: keyText },
      });
      t.after(() => socket.destroy());
      let closed = false;
      socket.on('error', () => {});
      socket.on('close', () => {
        closed = true;
      });
      await until(() => closed, 'the end');
      assert.deepEqual(await proxy.sessions('l'), []);
    });

    test('a ClientHello of 64 KiB, and records of nothing, are the end', async (t) => {
      const { proxy, ports } = await serve(t, admin);
      const head = Buffer.from([1, 0, 0xff, 0xff]);
      const first = Buffer.concat([Buffer.from(CLIENT_HELLO_RECORD), head, Buffer.alloc(0x4000 - head.length)]);
      await answerTo(t, ports.l, first);
      await answerTo(t, ports.l, Buffer.from([22, 3, 1, 0, 0]));
      assert.deepEqual(await proxy.sessions('l'), []);
    });

    test('nothing is compressed, and nothing taken before a handshake is over', async (t) => {
      const { ports } = await serve(t, admin);
      const [session, early] = ['session', 'early'].map((file) => join(authority.directory, `${file}-${name}`)) as [
        string,
        string,
      ];
      await writeFile(early, 'early\n');
      const first = await sClient(ports.l, '-tls1_2', '-comp');
      assert.match(first, /^Compression: NONE/m);
      await sClient(ports.l, '-tls1_3', '-sess_out', session);
      assert.ok(existsSync(session));
      const second = await sClient(ports.l, '-tls1_3', '-sess_in', session, '-early_data', early);
      assert.match(second, /^Reused, .*Early data was not sent/ms);
    });
  });
}

/** What openssl s_client says, having sent a line and got it back. */
async function sClient(port: number, ...args: string[]): Promise<string> {
  const child = spawn(program('openssl'), ['s_client', '-connect', `${HOST}:${port}`, '-no_ign_eof', ...args]);
  let text = '';
  for (const stream of [child.stdout, child.stderr]) stream.on('data', (data) => (text += data));
  child.stdin.on('error', () => {});
  child.stdin.write('x\n');
  await until(() => /^x$/m.test(text) || child.exitCode !== null, 'an answer, or an end');
  child.stdin.end();
  if (child.exitCode === null) await once(child, 'exit');
  return text;
}

/** A client that can have keys changed, which node's cannot. */
class Changing {
  readonly #socket: net.Socket;
  readonly #library = openssl();
  readonly #context = new SslContext({ role: 'client', verify: 'none', stream: { minVersion: '1.3' } });
  readonly #arriving = this.#library.c.BIO_new(this.#library.c.BIO_s_mem());
  readonly #leaving = this.#library.c.BIO_new(this.#library.c.BIO_s_mem());
  readonly #ssl = new Ssl(
    this.#context,
    { library: this.#library, arriving: this.#arriving, leaving: this.#leaving },
    { servername: 'localhost' },
  );
  readonly #update = createRequire(import.meta.url)('koffi')
    .load(null)
    .func('SSL_key_update', 'int', ['intptr_t', 'int']) as (ssl: number, kind: number) => number;
  #text = '';
  #shaken = false;

  static async connect(t: TestContext, port: number): Promise<Changing> {
    const socket = net.connect({ host: HOST, port });
    const client = new Changing(socket);
    t.after(() => client.#close());
    client.#go();
    await until(() => client.#shaken, 'the handshake');
    return client;
  }

  private constructor(socket: net.Socket) {
    this.#socket = socket;
    socket.on('error', () => {});
    socket.on('data', (data: Buffer) => {
      this.#library.c.BIO_write(this.#arriving, data, data.length);
      this.#go();
    });
  }

  changeKeys(): void {
    this.#update(this.#ssl.pointer, SSL_KEY_UPDATE_REQUESTED);
    this.#ssl.handshake();
    this.#flush();
  }

  async ask(text: string): Promise<string> {
    const bytes = Buffer.from(text);
    this.#library.c.SSL_write(this.#ssl.pointer, bytes, bytes.length);
    this.#flush();
    await until(() => this.#text.length >= text.length || this.#socket.closed, 'an answer');
    return this.#text;
  }

  #go(): void {
    if (!this.#shaken) this.#shaken = this.#ssl.handshake() === 1;
    const room = Buffer.alloc(ROOM);
    for (let size = 1; this.#shaken && size > 0; ) {
      size = this.#ssl.read(room);
      if (size > 0) this.#text += room.toString('utf8', 0, size);
    }
    this.#flush();
  }

  #flush(): void {
    const room = Buffer.alloc(ROOM);
    const size = this.#library.c.BIO_read(this.#leaving, room, ROOM);
    if (size > 0) this.#socket.write(room.subarray(0, size));
  }

  #close(): void {
    this.#socket.destroy();
    this.#ssl.free();
    this.#context.free();
    for (const bio of [this.#arriving, this.#leaving]) this.#library.c.BIO_free(bio);
  }
}
