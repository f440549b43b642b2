/** gRPC through the proxy, HTTP/2 on both sides, with the client and the server of @grpc/grpc-js. */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { describe, type TestContext, test } from 'node:test';
import * as grpc from '@grpc/grpc-js';
import { freePort } from '../../src/testing/ports.ts';
import { until } from '../../src/testing/until.ts';
import { Authority, type Certificate } from '../support/certificates.ts';
import { listener, startProxy, type TestProxy } from '../support/proxy.ts';

const text = { serialize: (value: string) => Buffer.from(value), deserialize: (bytes: Buffer) => bytes.toString() };
const TEXTS = {
  requestSerialize: text.serialize,
  requestDeserialize: text.deserialize,
  responseSerialize: text.serialize,
  responseDeserialize: text.deserialize,
};

/** Without a compiler of protocol buffers: messages are texts. */
const SERVICE = {
  Say: { path: '/test.Echo/Say', requestStream: false, responseStream: false, ...TEXTS },
  Chat: { path: '/test.Echo/Chat', requestStream: true, responseStream: true, ...TEXTS },
} satisfies grpc.ServiceDefinition;

type Call = grpc.ServerDuplexStream<string, string>;

interface Served {
  readonly proxy: TestProxy;
  readonly client: grpc.Client;
  /** Streams that the server has seen. */
  readonly calls: Call[];
}

/** Whose certificates are shown. */
interface Secure {
  readonly authority: Authority;
  readonly own: Certificate;
}

async function serving(
  t: TestContext,
  handlers: Partial<grpc.UntypedServiceImplementation> = {},
  secure?: Secure,
): Promise<Served> {
  const calls: Call[] = [];
  const server = new grpc.Server();
  const chat = (call: Call): void => {
    calls.push(call);
    call.on('error', () => {});
    call.on('data', (message: string) => call.write(`${message}!`));
    call.on('end', () => call.end());
  };
  const say: grpc.handleUnaryCall<string, string> = ({ request }, answer) => answer(null, `hello ${request}`);
  server.addService(SERVICE, { Say: say, Chat: chat, ...handlers });
  const port = await freePort();
  await new Promise<void>((resolve, reject) => {
    const bound = (error: Error | null): void => (error ? reject(error) : resolve());
    server.bindAsync(`127.0.0.1:${port}`, serverCredentials(secure), bound);
  });
  t.after(() => server.forceShutdown());
  const tls = secure && { ca: secure.authority.cert, servername: 'localhost' };
  const { proxy, ports } = await startProxy(t, ['grpc'], ({ grpc: at }) => ({
    listeners: [
      listener(
        'grpc',
        { protocol: 'HTTP', port: at, address: '127.0.0.1', ...(secure && { tls: secure.own }) },
        { destination: 'servers' },
      ),
    ],
    clusters: [
      {
        name: 'servers',
        spec: { protocol: 'HTTP', version: '2', port, ...(tls && { tls }) },
        endpoints: [{ spec: { address: '127.0.0.1' } }],
      },
    ],
  }));
  const credentials = secure
    ? grpc.credentials.createSsl(readFileSync(secure.authority.cert))
    : grpc.credentials.createInsecure();
  const client = new grpc.Client(`localhost:${ports.grpc}`, credentials);
  t.after(() => client.close());
  return { proxy, client, calls };
}

function serverCredentials(secure: Secure | undefined): grpc.ServerCredentials {
  if (!secure) return grpc.ServerCredentials.createInsecure();
  const pair = { cert_chain: readFileSync(secure.own.cert), private_key: readFileSync(secure.own.key) };
  return grpc.ServerCredentials.createSsl(null, [pair]);
}

interface Said {
  readonly error: grpc.ServiceError | null;
  readonly value: string | undefined;
}

function say(client: grpc.Client, message: string, metadata = new grpc.Metadata(), options: grpc.CallOptions = {}) {
  const { path, requestSerialize, responseDeserialize } = SERVICE.Say;
  return new Promise<Said>((resolve) => {
    client.makeUnaryRequest(path, requestSerialize, responseDeserialize, message, metadata, options, (error, value) =>
      resolve({ error, value }),
    );
  });
}

function chat(client: grpc.Client, options: grpc.CallOptions = {}) {
  const { path, requestSerialize, responseDeserialize } = SERVICE.Chat;
  const call = client.makeBidiStreamRequest(path, requestSerialize, responseDeserialize, options);
  const received: string[] = [];
  call.on('data', (message: string) => received.push(message));
  call.on('error', () => {});
  const status = new Promise<grpc.StatusObject>((resolve) => call.once('status', resolve));
  return { call, received, status };
}

describe('gRPC through HTTP/2 on both sides', () => {
  test('a call and its answer', async (t) => {
    const { client } = await serving(t);
    const { error, value } = await say(client, 'you');
    assert.deepEqual([error, value], [null, 'hello you']);
  });

  test('a call and a stream over TLS on both sides', async (t) => {
    const authority = await Authority.make((end) => t.after(end));
    const { client } = await serving(t, {}, { authority, own: await authority.issue() });
    const { error, value } = await say(client, 'you');
    assert.deepEqual([error, value], [null, 'hello you']);
    const { call, received, status } = chat(client);
    call.write('a');
    await until(() => received.length === 1, 'the echo');
    call.end();
    assert.deepEqual([(await status).code, received], [grpc.status.OK, ['a!']]);
  });

  test('many calls at once share a connection to the server', async (t) => {
    const { client } = await serving(t);
    const all = await Promise.all(Array.from({ length: 300 }, (_, n) => say(client, `${n}`)));
    assert.deepEqual(
      all.map(({ value }) => value),
      all.map((_, n) => `hello ${n}`),
    );
  });

  test('a stream both ways, message by message, and its status', async (t) => {
    const { client } = await serving(t);
    const { call, received, status } = chat(client);
    for (let n = 0; n < 5; n++) {
      call.write(`${n}`);
      await until(() => received.length === n + 1, 'the echo');
    }
    call.end();
    assert.equal((await status).code, grpc.status.OK);
    assert.deepEqual(received, ['0!', '1!', '2!', '3!', '4!']);
  });

  test('metadata both ways, binary ones too, and in the trailers', async (t) => {
    const handler: grpc.handleUnaryCall<string, string> = (call, answer) => {
      const head = new grpc.Metadata();
      head.set('x-head', String(call.metadata.get('x-asked')[0]));
      call.sendMetadata(head);
      const trailer = new grpc.Metadata();
      trailer.set('x-sum-bin', call.metadata.get('x-asked-bin')[0] as Buffer);
      answer(null, 'ok', trailer);
    };
    const { client } = await serving(t, { Say: handler as grpc.UntypedHandleCall });
    const asked = new grpc.Metadata();
    asked.set('x-asked', 'a');
    asked.set('x-asked-bin', Buffer.of(0, 255, 10));
    const { path, requestSerialize, responseDeserialize } = SERVICE.Say;
    const call = client.makeUnaryRequest(path, requestSerialize, responseDeserialize, 'x', asked, () => {});
    const [head, status] = await Promise.all([
      new Promise<grpc.Metadata>((resolve) => call.once('metadata', resolve)),
      new Promise<grpc.StatusObject>((resolve) => call.once('status', resolve)),
    ]);
    assert.deepEqual([head.get('x-head'), status.metadata.get('x-sum-bin')], [['a'], [Buffer.of(0, 255, 10)]]);
  });

  test('a status that is an error, with and without a message before it', async (t) => {
    const refuse: grpc.handleUnaryCall<string, string> = (_call, answer) =>
      answer({ code: grpc.status.FAILED_PRECONDITION, details: 'not now' });
    const half = (call: Call): void => {
      call.write('half');
      call.emit('error', { code: grpc.status.DATA_LOSS, details: 'gone' });
    };
    const { client } = await serving(t, {
      Say: refuse as grpc.UntypedHandleCall,
      Chat: half as grpc.UntypedHandleCall,
    });
    const { error } = await say(client, 'x');
    assert.deepEqual([error?.code, error?.details], [grpc.status.FAILED_PRECONDITION, 'not now']);
    const { received, status } = chat(client);
    const { code, details } = await status;
    assert.deepEqual([code, details, received], [grpc.status.DATA_LOSS, 'gone', ['half']]);
  });

  test('a method that is not there', async (t) => {
    const { client } = await serving(t);
    const { requestSerialize, responseDeserialize } = SERVICE.Say;
    const error = await new Promise<grpc.ServiceError | null>((resolve) => {
      client.makeUnaryRequest('/test.Echo/None', requestSerialize, responseDeserialize, '', resolve);
    });
    assert.equal(error?.code, grpc.status.UNIMPLEMENTED);
  });

  test('a deadline that passes ends the call at both ends', async (t) => {
    const calls: Call[] = [];
    const silent = (call: Call): void => void calls.push(call);
    const { client, proxy } = await serving(t, { Chat: silent as grpc.UntypedHandleCall });
    // Where there is a connection, half a second is enough for the call to reach the server.
    assert.equal((await say(client, 'you')).value, 'hello you');
    const { status } = chat(client, { deadline: Date.now() + 1000 });
    assert.equal((await status).code, grpc.status.DEADLINE_EXCEEDED);
    await until(() => calls[0]?.cancelled, 'the server hears of it');
    await proxy.noSession('grpc');
  });

  test('a call that the client cancels ends at the server', async (t) => {
    const { client, calls, proxy } = await serving(t);
    const { call, received, status } = chat(client);
    call.write('a');
    await until(() => received.length === 1, 'the echo');
    call.cancel();
    assert.equal((await status).code, grpc.status.CANCELLED);
    await until(() => calls[0]?.cancelled, 'the server hears of it');
    await proxy.noSession('grpc');
  });

  test('a session that is ended by the API is a call that has failed', async (t) => {
    const { client, calls, proxy } = await serving(t);
    const { received, call, status } = chat(client);
    call.write('a');
    await until(() => received.length === 1, 'the echo');
    const { name } = await proxy.session('grpc');
    await proxy.ok('DELETE', `sessions/${encodeURIComponent(name)}`);
    assert.equal((await status).code, grpc.status.CANCELLED);
    await until(() => calls[0]?.cancelled, 'the server hears of it');
  });

  test('a server that is not there is UNAVAILABLE', async (t) => {
    const { client, proxy } = await serving(t);
    const nowhere = { protocol: 'HTTP', version: '2', port: await freePort() };
    const cluster = { name: 'servers', spec: nowhere, endpoints: [{ spec: { address: '127.0.0.1' } }] };
    await proxy.ok('PUT', 'clusters/servers', { cluster });
    const { error } = await say(client, 'x');
    assert.equal(error?.code, grpc.status.UNAVAILABLE);
  });
});
