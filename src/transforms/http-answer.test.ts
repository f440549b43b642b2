import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import type { L7mpError } from '../core/errors.ts';
import { GatheringLimit } from '../core/gathering.ts';
import type { Json, Metadata } from '../core/metadata.ts';
import type { ApiRequest } from '../core/protocol.ts';
import { type Collector, collect, hold } from '../testing/collector.ts';
import { attempt, dialLocal, fakeClusterHost, openCluster } from '../testing/fake-cluster-host.ts';
import { turn, until } from '../testing/until.ts';
import { controller } from './controller/index.ts';
import { prometheus } from './prometheus/index.ts';

const CLOSE = { kind: 'end', message: '' } as const;

function http(method = 'GET', path: Json = '/api/v1/config?x=1', headers: Json = { host: 'h' }): Metadata {
  return { HTTP: { version: '1.1', method, url: { url: 'http://h/raw', path }, headers } };
}

/** An API that notes what it is asked. */
function api(body = '{"a":"ő"}') {
  const host = fakeClusterHost();
  const requests: ApiRequest[] = [];
  host.services.api = async (request) => {
    requests.push(request);
    return { status: 200, headers: { 'content-type': 'application/json' }, body };
  };
  return { host, requests };
}

/** Parts that note when they are made, and when no more of them are. */
async function* note(made: string[], parts: readonly string[], error?: Error): AsyncIterable<string> {
  try {
    for (const part of parts) {
      made.push(part);
      yield part;
    }
    if (error) throw error;
  } finally {
    made.push('over');
  }
}

async function ask(metadata: Metadata, host = api().host, protocol = controller): Promise<Collector> {
  return collect(dialLocal(await openCluster(protocol, {}, host), metadata));
}

/** An error answer's status, and its body. */
function failure(end: Collector): [number | undefined, { status: number; message: string; content: string }] {
  return [end.heads[0]?.status, JSON.parse(end.bytes.toString())];
}

describe('L7mpController', () => {
  test('the whole request goes to the API, and the answer comes head, body, end', async () => {
    const { host, requests } = api();
    const end = await ask(
      http('POST', '/api/v1/config?x=1', { 'content-type': 'text/yaml', via: ['a', 'b'], bad: 7 }),
      host,
    );
    end.write('{"a', '":1}');
    await turn();
    assert.equal(requests.length, 0);
    end.channel.end();
    await until(() => end.ends === 1);
    const [{ method, url, headers, body }] = requests as [ApiRequest];
    assert.deepEqual([method, url, Buffer.from(body).toString()], ['POST', '/api/v1/config?x=1', '{"a":1}']);
    assert.deepEqual(headers, { 'content-type': 'text/yaml', via: ['a', 'b'] });
    assert.deepEqual(end.heads, [
      { status: 200, headers: { 'content-type': 'application/json', 'content-length': '10' } },
    ]);
    assert.equal(end.bytes.toString(), '{"a":"ő"}');
  });

  test('the target is its text where there is nothing else', async () => {
    const { host, requests } = api();
    const end = await ask({ HTTP: { method: 'GET', url: '/plain' } }, host);
    end.channel.end();
    await until(() => end.ends === 1);
    assert.deepEqual([requests[0]?.url, requests[0]?.headers], ['/plain', {}]);
  });

  test('an answer to HEAD has the length and no body', async () => {
    const end = await ask(http('HEAD'));
    end.channel.end();
    await until(() => end.ends === 1);
    assert.deepEqual([end.heads[0]?.headers?.['content-length'], end.messages], ['10', []]);
  });

  test('a body that is too large is answered at once, and its rest swallowed', async () => {
    const { host, requests } = api();
    host.services.limit = 4;
    const end = await ask(http('POST'), host);
    assert.equal(end.write('1234'), true);
    assert.equal(end.heads.length, 0);
    assert.equal(end.write('5', '6'), true);
    const [status, body] = failure(end);
    assert.deepEqual([status, body.status, body.content], [413, 413, 'the request body is larger than 4 bytes']);
    assert.equal(end.ends, 1);
    end.channel.end();
    await turn();
    assert.deepEqual([end.heads.length, requests.length], [1, 0]);
  });

  test('a body of just the limit is taken', async () => {
    const { host, requests } = api();
    host.services.limit = 4;
    const end = await ask(http('POST'), host);
    end.write('1234');
    end.channel.end();
    await until(() => end.ends === 1);
    assert.equal(requests[0]?.body.length, 4);
  });

  test('a body of one-byte pieces costs no more than twice its bytes, and is answered', async () => {
    const { host, requests } = api();
    const end = await ask(http('POST'), host);
    const byte = Buffer.from('x');
    for (let n = 0; n < 1 << 20; n++) end.channel.write(byte, undefined, true);
    assert.ok(host.gathering.bytes <= 2 << 20, `${host.gathering.bytes} bytes are held`);
    end.channel.end();
    await until(() => end.ends === 1);
    assert.deepEqual([requests[0]?.body.length, host.gathering.bytes], [1 << 20, 0]);
  });

  test('bodies that become too much in all give way to later ones, with a 503', async () => {
    const host = { ...api().host, gathering: new GatheringLimit(10_000) };
    const ends = await Promise.all([1, 2, 3].map(() => ask(http('POST'), host)));
    for (const end of ends) end.channel.write(Buffer.alloc(4000));
    assert.deepEqual(
      ends.map(({ heads }) => heads[0]?.status),
      [503, undefined, undefined],
    );
    for (const { channel } of ends) channel.close(CLOSE);
    assert.equal(host.gathering.bytes, 0);
  });

  test('a body that does not become whole in time is a 408', async (t) => {
    const { host, requests } = api();
    const end = await ask(http('POST'), host);
    t.mock.timers.enable({ apis: ['setTimeout'] });
    end.write('begun');
    t.mock.timers.tick(29_999);
    end.write('and not ended');
    assert.equal(end.heads.length, 0);
    t.mock.timers.tick(1);
    t.mock.timers.reset();
    assert.deepEqual([failure(end)[0], end.ends, requests.length, host.gathering.bytes], [408, 1, 0, 0]);
  });

  for (const [what, fail] of [
    ['rejects', () => Promise.reject(new Error('boom'))],
    [
      'throws',
      () => {
        throw new Error('boom');
      },
    ],
  ] as const) {
    test(`an API that ${what} is a 500`, async () => {
      const { host } = api();
      host.services.api = fail;
      const end = await ask(http(), host);
      end.channel.end();
      await until(() => end.ends === 1);
      assert.deepEqual(failure(end), [500, { status: 500, message: 'Internal Server Error', content: 'boom' }]);
    });
  }

  test('the answer to a session that has ended meanwhile is dropped', async () => {
    const { host } = api();
    let answer = (): void => {};
    host.services.api = () =>
      new Promise((resolve) => {
        answer = () => resolve({ status: 200, headers: {}, body: 'late' });
      });
    const end = await ask(http(), host);
    end.channel.end();
    end.channel.close(CLOSE);
    answer();
    await turn();
    assert.deepEqual([end.heads, end.messages, end.closings], [[], [], []]);
  });

  test('a head that cannot be sent breaks the session, and nothing else', async () => {
    const end = await ask(http());
    end.head = () => {
      throw new Error('invalid header');
    };
    end.channel.end();
    await until(() => end.closings.length === 1);
    assert.deepEqual(end.closings, [{ kind: 'error', message: 'invalid header' }]);
  });

  test('an answer waits for who reads it', async () => {
    const end = hold(dialLocal(await openCluster(controller, {}, api().host), http()));
    end.channel.end();
    await until(() => end.heads.length === 1);
    assert.deepEqual([end.messages.length, end.ends], [0, 0]);
    end.read();
    assert.deepEqual([end.texts, end.ends], [['{"a":"ő"}'], 1]);
  });

  test('an answer in parts is made as it is read, and has no length', async () => {
    const { host } = api();
    const made: string[] = [];
    host.services.api = async () => ({ status: 200, headers: {}, body: note(made, ['a', 'b', 'c']) });
    const end = hold(dialLocal(await openCluster(controller, {}, host), http()));
    end.channel.end();
    await until(() => made.length === 1);
    await turn();
    assert.deepEqual([made, end.heads[0]?.headers], [['a'], {}]);
    end.read();
    await until(() => end.ends === 1);
    assert.equal(end.texts.join(''), 'abc');
  });

  test('an answer in parts that breaks off is a reset, and one that nobody reads any more ends', async () => {
    const { host } = api();
    const made: string[] = [];
    host.services.api = async () => ({ status: 200, headers: {}, body: note(made, ['a', 'b'], new Error('gone')) });
    const broken = await ask(http(), host);
    broken.channel.end();
    await until(() => broken.closings.length === 1);
    assert.deepEqual([broken.closings, broken.ends], [[{ kind: 'reset', message: 'gone' }], 0]);
    made.length = 0;
    const left = hold(dialLocal(await openCluster(controller, {}, host), http()));
    left.channel.end();
    await until(() => made.length === 1);
    left.channel.close(CLOSE);
    await until(() => made.length === 2);
    assert.deepEqual(made, ['a', 'over']);
  });

  const OTHERS: Readonly<Record<string, Metadata>> = {
    'without HTTP': { UDP: { src_port: 1 } },
    'whose HTTP is a text': { HTTP: 'GET' },
    'without a method': { HTTP: { url: '/' } },
    'without a target': { HTTP: { method: 'GET', url: {} } },
    'of a WebSocket': http('GET', '/', { upgrade: 'WebSocket' }),
  };
  for (const [what, metadata] of Object.entries(OTHERS)) {
    test(`a session ${what} is refused`, async () => {
      const dialer = await openCluster(controller, {}, api().host);
      assert.throws(
        () => dialer.dial(attempt(metadata)),
        (error: L7mpError) => {
          assert.deepEqual([error.code, error.message], ['E_NO_ROUTE', 'serves HTTP sessions only']);
          return true;
        },
      );
    });
  }
});

describe('Prometheus', () => {
  function metrics() {
    const host = fakeClusterHost();
    host.services.metrics = async () => ({ type: 'text/plain; version=0.0.4', text: 'up 1\n' });
    return host;
  }

  test('GET gives the metrics', async () => {
    const end = await ask(http('GET', '/metrics'), metrics(), prometheus);
    end.channel.end();
    await until(() => end.ends === 1);
    const headers = { 'content-type': 'text/plain; version=0.0.4', 'content-length': '5' };
    assert.deepEqual([end.heads, end.texts], [[{ status: 200, headers }], ['up 1\n']]);
  });

  test('HEAD gives their head', async () => {
    const end = await ask(http('HEAD', '/metrics'), metrics(), prometheus);
    end.channel.end();
    await until(() => end.ends === 1);
    assert.deepEqual([end.heads[0]?.status, end.texts], [200, []]);
  });

  test('other methods are a 405 that says which there are', async () => {
    const end = await ask(http('POST', '/metrics'), metrics(), prometheus);
    end.channel.end();
    await until(() => end.ends === 1);
    assert.deepEqual([failure(end)[0], end.heads[0]?.headers?.allow], [405, 'GET, HEAD']);
  });

  test('metrics that cannot be had are a 500', async () => {
    const end = await ask(http('GET', '/metrics'), fakeClusterHost(), prometheus);
    end.channel.end();
    await until(() => end.ends === 1);
    assert.equal(failure(end)[0], 500);
  });
});
