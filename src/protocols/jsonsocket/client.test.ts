import assert from 'node:assert/strict';
import { describe, type TestContext, test } from 'node:test';
import { TEXT } from '../../core/channel.ts';
import { L7mpError } from '../../core/errors.ts';
import { begun, FakeChannel, type FakeOptions, watch } from '../../core/testing.ts';
import { ClientChannel } from './client.ts';
import { encodeHeader, MAX_HEADER } from './header.ts';
import { ServerChannel } from './server.ts';

const UDP: FakeOptions = { lossy: true, halfClose: false };
const TCP: FakeOptions = { kind: 'stream' };
const WEBSOCKET: FakeOptions = { halfClose: false };

const HEADER = '{"JSONSocketVersion":1,"n":5}';
const OK = '{"JSONSocketVersion":1,"JSONSocketStatus":200,"JSONSocketMessage":"OK"}';

/** Milliseconds of an attempt, by default. */
const TIMEOUT = 2000;

function client(options: FakeOptions, { header = HEADER, timeout = TIMEOUT } = {}) {
  const lower = new FakeChannel(options);
  return { lower, ...begun(new ClientChannel(lower, encodeHeader(JSON.parse(header), lower.kind), timeout)) };
}

/** A client that was answered. */
function connected(options: FakeOptions) {
  const all = client(options);
  all.lower.receive(options.kind === 'stream' ? `${OK}\n` : OK);
  assert.deepEqual(all.outcome, ['completed']);
  return all;
}

function mockTimers(t: TestContext): void {
  t.mock.timers.enable({ apis: ['setTimeout'] });
}

describe('a JSONSocket client', () => {
  test('sends its header, and is connected when it is answered', (t) => {
    mockTimers(t);
    for (const [options, line] of [
      [UDP, ''],
      [WEBSOCKET, ''],
      [TCP, '\n'],
    ] as const) {
      const { lower, outcome } = client(options);
      assert.deepEqual([lower.sent, lower.attributes, outcome], [[HEADER + line], [TEXT], []]);
      lower.receive(OK + line);
      assert.deepEqual([outcome, lower.open], [['completed'], true]);
    }
  });

  test('has the metadata of its transport', () => {
    assert.deepEqual(connected(WEBSOCKET).layer.describe(), { Fake: { side: 'lower' } });
  });

  test('passes data on, both ways, with its attributes', () => {
    const { lower, layer } = connected(WEBSOCKET);
    const told = watch(layer);
    layer.write(Buffer.from('up'), TEXT);
    lower.receive('down', TEXT);
    lower.receive('binary');
    assert.deepEqual([lower.sent.at(-1), lower.attributes.at(-1), told], ['up', TEXT, ['text down', 'binary']]);
  });

  test('takes an answer in pieces for one, and what follows it for data', () => {
    const { lower, layer, outcome } = client(TCP);
    for (const piece of [OK.slice(0, 9), OK.slice(9), '\nfirst']) lower.receive(piece);
    assert.deepEqual([outcome, watch(layer)], [['completed'], ['first']]);
  });

  const FORGOTTEN = '{"JSONSocketVersion":1,"JSONSocketStatus":400,"JSONSocketMessage":"the header is not JSON"}';

  for (const answer of [FORGOTTEN, '{ "JSONSocketStatus": 505 }']) {
    test(`takes a refusal where data is due for a disconnect, on datagrams that may be lost: ${answer}`, () => {
      const { lower, layer } = connected(UDP);
      const told = watch(layer);
      lower.receive('data');
      lower.receive(answer);
      lower.receive('more');
      assert.deepEqual([told.length, told[0], layer.open, lower.open], [2, 'data', false, false]);
      assert.match(told[1] ?? '', /has forgotten the connection: (400: the header is not JSON|505)$/);
    });
  }

  test('takes what only looks like a refusal for data', () => {
    const data = [
      '{}',
      '{"JSONSocketStatus":"400"}',
      `${FORGOTTEN}}`,
      `[${FORGOTTEN}]`,
      OK,
      '{"x":"JSONSocketStatus"}',
    ];
    for (const options of [UDP, WEBSOCKET]) {
      const { lower, layer } = connected(options);
      const told = watch(layer);
      for (const text of data) lower.receive(text);
      assert.deepEqual(told, data);
    }
    const { lower, layer } = connected(WEBSOCKET);
    const told = watch(layer);
    lower.receive(FORGOTTEN);
    assert.deepEqual([told, layer.open], [[FORGOTTEN], true]);
  });

  test('takes any status from 200 to 299 for a yes', () => {
    const { lower, outcome } = client(WEBSOCKET);
    lower.receive('{"JSONSocketStatus":299}');
    assert.deepEqual(outcome, ['completed']);
  });

  const bad: [string, FakeOptions, string, RegExp][] = [
    [
      'status 500',
      WEBSOCKET,
      '{"JSONSocketVersion":1,"JSONSocketStatus":500,"JSONSocketMessage":"no upstream"}',
      /answered 500: no upstream$/,
    ],
    ['status 302', TCP, '{"JSONSocketVersion":1,"JSONSocketStatus":302,"JSONSocketMessage":""}\n', /answered 302$/],
    ['status 199', TCP, '{"JSONSocketStatus":199.5}\n', /answered 199.5$/],
    ['no status', UDP, '{"JSONSocketVersion":1}', /no numeric JSONSocketStatus$/],
    ['the status as text', UDP, '{"JSONSocketStatus":"200"}', /no numeric JSONSocketStatus$/],
    ['no JSON', UDP, 'nonsense', /not JSON$/],
    ['no object', UDP, '200', /not a JSON object$/],
    ['a line without an end', TCP, ' '.repeat(MAX_HEADER + 1), /larger than 65536/],
  ];
  for (const [what, options, answer, message] of bad) {
    test(`fails, and closes, where the answer is ${what}`, () => {
      const { lower, layer, outcome } = client(options);
      lower.receive(answer);
      const [error] = outcome as L7mpError[];
      assert.deepEqual([error?.code, outcome.length, layer.open, lower.open], ['E_HANDSHAKE', 1, false, false]);
      assert.match(error?.message ?? '', message);
    });
  }

  test('fails where the server closes without an answer', () => {
    const { lower, outcome } = client(TCP);
    lower.peerCloses();
    assert.equal((outcome[0] as L7mpError).code, 'E_HANDSHAKE');
  });

  test('fails, having sent nothing, where the header does not fit the transport', () => {
    const fits = encodeHeader(JSON.parse(HEADER), 'datagram').length;
    assert.deepEqual(client({ maxMessage: fits }).outcome, []);
    const large = JSON.stringify({ JSONSocketVersion: 1, n: 'x'.repeat(MAX_HEADER) });
    for (const { lower, outcome } of [
      client({ ...UDP, maxMessage: fits - 1 }),
      client(TCP, { header: large }),
      client(WEBSOCKET, { header: large }),
    ]) {
      const [error] = outcome as L7mpError[];
      assert.deepEqual([error?.code, lower.sent, lower.open], ['E_HANDSHAKE', [], false]);
      assert.match(error?.message ?? '', /the header has \d+ bytes/);
    }
  });
});

describe('a header that is not answered', () => {
  const schedules: [number, number[]][] = [
    [60_000, [0, 250, 750, 1750, 3750, 7750, 15_750, 31_750]],
    [2000, [0, 250, 750]],
    [501, [0, 250]],
    [500, [0]],
  ];
  for (const [timeout, expected] of schedules) {
    test(`is sent again after 250 ms, 500 ms, 1 s, … where datagrams are lost and ${timeout} ms allow it`, (t) => {
      mockTimers(t);
      const { lower } = client(UDP, { timeout });
      const sentAt: number[] = [];
      for (let now = 0; now < 60_000; now += 250) {
        while (sentAt.length < lower.sent.length) sentAt.push(now);
        t.mock.timers.tick(250);
      }
      assert.deepEqual(sentAt, expected);
      assert.ok(lower.sent.every((message) => message === HEADER));
    });
  }

  test('is not sent again where nothing is lost', (t) => {
    mockTimers(t);
    for (const options of [TCP, WEBSOCKET]) {
      const { lower } = client(options);
      t.mock.timers.tick(60_000);
      assert.equal(lower.sent.length, 1);
    }
  });

  const ends: [string, (all: ReturnType<typeof client>) => void][] = [
    ['an answer', ({ lower }) => lower.receive(OK)],
    ['a refusal', ({ lower }) => lower.receive('{"JSONSocketStatus":404}')],
    ['a cancelled attempt', ({ layer }) => layer.fail(new L7mpError('E_TIMEOUT', 'late'))],
    ['a lost connection', ({ lower }) => lower.peerCloses({ kind: 'reset', message: 'gone' })],
  ];
  for (const [what, end] of ends) {
    test(`is not sent again after ${what}`, (t) => {
      mockTimers(t);
      const all = client(UDP);
      t.mock.timers.tick(250);
      end(all);
      t.mock.timers.tick(60_000);
      assert.equal(all.lower.sent.length, 2);
    });
  }

  test('may be answered as often as it was sent; only what comes after that is data', (t) => {
    mockTimers(t);
    const { lower, layer } = client(UDP);
    t.mock.timers.tick(250);
    t.mock.timers.tick(500);
    for (let n = 0; n < 2; n++) lower.receive(OK);
    const told = watch(layer);
    lower.receive('data');
    lower.receive(OK);
    lower.receive(OK);
    assert.deepEqual([told, layer.messagesIn], [['data', OK], 2]);
  });

  test('leaves data that looks like the answer alone where it was sent once', () => {
    const { lower, layer } = connected(UDP);
    lower.receive(OK);
    assert.deepEqual(watch(layer), [OK]);
  });
});

describe('client and server over a transport that loses', () => {
  /** Both sides. `lost` says of the n-th message from the client, or from the server, whether it is lost. */
  function linked(lost: (from: 'client' | 'server', n: number) => boolean) {
    const near = new FakeChannel(UDP);
    const far = new FakeChannel(UDP);
    near.onSend = (bytes) => lost('client', near.sent.length) || far.receive(bytes);
    far.onSend = (bytes) => lost('server', far.sent.length) || near.receive(bytes);
    const server = new ServerChannel(far);
    const sessions: ServerChannel[] = [];
    server.begin({
      completed: () => {
        sessions.push(server);
        server.accept();
      },
      failed: (error) => assert.fail(error),
    });
    const client = begun(new ClientChannel(near, encodeHeader(JSON.parse(HEADER), 'datagram'), TIMEOUT));
    return { near, far, client, sessions };
  }

  function exchange({ client, sessions }: ReturnType<typeof linked>): void {
    assert.deepEqual([client.outcome, sessions.length], [['completed'], 1]);
    const server = sessions[0] as ServerChannel;
    const [up, down] = [watch(server), watch(client.layer)];
    client.layer.write(Buffer.from('ping'));
    server.write(Buffer.from('pong'));
    assert.deepEqual([up, down], [['ping'], ['pong']]);
  }

  test('connect when the header was lost twice', (t) => {
    mockTimers(t);
    const both = linked((from, n) => from === 'client' && n <= 2);
    t.mock.timers.tick(250);
    assert.deepEqual([both.client.outcome, both.sessions.length], [[], 0]);
    t.mock.timers.tick(500);
    exchange(both);
  });

  test('connect when the answer was lost twice, in one session', (t) => {
    mockTimers(t);
    const both = linked((from, n) => from === 'server' && n <= 2);
    t.mock.timers.tick(250);
    assert.deepEqual([both.client.outcome, both.sessions.length], [[], 1]);
    t.mock.timers.tick(500);
    exchange(both);
    assert.deepEqual(both.far.sent.slice(0, 3), [OK, OK, OK]);
  });

  test('connect when all answers are late, and no copy of one reaches anybody', (t) => {
    mockTimers(t);
    const late: Uint8Array[] = [];
    const both = linked(() => true);
    both.near.onSend = (bytes) => both.far.receive(bytes);
    both.far.onSend = (bytes) => late.push(bytes);
    t.mock.timers.tick(250);
    t.mock.timers.tick(500);
    const down = watch(both.client.layer);
    for (const answer of late) both.near.receive(answer);
    both.near.receive('data');
    assert.deepEqual([both.client.outcome, both.sessions.length, late.length, down], [['completed'], 1, 2, ['data']]);
  });
});
