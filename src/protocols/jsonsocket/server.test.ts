import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { TEXT } from '../../core/channel.ts';
import { L7mpError } from '../../core/errors.ts';
import { begun, FakeChannel, type FakeOptions, watch } from '../../core/testing.ts';
import { DEFAULT_MAX_HEADER } from './header.ts';
import { ServerChannel } from './server.ts';

const UDP: FakeOptions = { lossy: true, halfClose: false };
const TCP: FakeOptions = { kind: 'stream' };
const WEBSOCKET: FakeOptions = { halfClose: false };

const HEADER = '{"JSONSocketVersion":1,"user":{"id":7}}';
const OK = '{"JSONSocketVersion":1,"JSONSocketStatus":200,"JSONSocketMessage":"OK"}';

function server(options: FakeOptions) {
  const lower = new FakeChannel(options);
  return { lower, ...begun(new ServerChannel(lower), true) };
}

/** A server that has read the header. */
function greeted(options: FakeOptions) {
  const all = server(options);
  all.lower.receive(options.kind === 'stream' ? `${HEADER}\n` : HEADER);
  assert.deepEqual(all.outcome, ['completed']);
  return all;
}

/** A server that has answered. */
function accepted(options: FakeOptions) {
  const all = greeted(options);
  all.layer.accept();
  return { ...all, told: watch(all.layer) };
}

describe('a JSONSocket server', () => {
  test('settles what the transport has to by itself, and says nothing before it knows the answer', () => {
    const { lower, layer } = greeted(WEBSOCKET);
    layer.routed();
    assert.deepEqual([lower.calls, lower.sent], [['routed', 'accept'], []]);
  });

  test("has the transport's metadata and the header", () => {
    assert.deepEqual(greeted(UDP).layer.describe(), {
      Fake: { side: 'lower' },
      JSONSocket: { JSONSocketVersion: 1, user: { id: 7 } },
    });
  });

  test('makes its metadata anew at each call', () => {
    const { layer } = greeted(UDP);
    (layer.describe() as { JSONSocket: { user: { id: number } } }).JSONSocket.user.id = 8;
    assert.equal((layer.describe() as { JSONSocket: { user: { id: number } } }).JSONSocket.user.id, 7);
  });

  test('takes hostile keys for data', () => {
    const { lower, layer } = server(UDP);
    lower.receive('{"JSONSocketVersion":1,"__proto__":{"user":"root"}}');
    const { JSONSocket: header } = layer.describe() as { JSONSocket: { user?: string } };
    assert.deepEqual([header.user, Object.keys(header)], [undefined, ['JSONSocketVersion', '__proto__']]);
  });

  test('answers, then lets data flow both ways, with its attributes', () => {
    const { lower, layer, told } = accepted(WEBSOCKET);
    layer.write(Buffer.from('down'), TEXT);
    layer.write(Buffer.from('binary'));
    lower.receive('up', TEXT);
    assert.deepEqual(
      [lower.sent, lower.attributes.map(({ text }) => text)],
      [
        [OK, 'down', 'binary'],
        [true, true, undefined],
      ],
    );
    assert.deepEqual(told, ['text up']);
  });

  test('answers once', () => {
    const { lower, layer } = accepted(UDP);
    layer.accept();
    assert.deepEqual(lower.sent, [OK]);
  });

  test('reads the header of a byte stream in pieces, and its own line ends the answer', () => {
    const { lower, layer, outcome } = server(TCP);
    for (const piece of ['{"JSONSocket', 'Version":', '1}\r']) lower.receive(piece);
    assert.deepEqual(outcome, []);
    lower.receive('\nthe stream\nfollows');
    assert.deepEqual(outcome, ['completed']);
    layer.accept();
    assert.deepEqual(watch(layer), ['the stream\nfollows']);
    assert.deepEqual(lower.sent, [`${OK}\n`]);
  });

  test('keeps what comes before it has accepted, in order and bounded', () => {
    const { lower, layer } = greeted(UDP);
    for (const message of ['one', HEADER, 'two']) lower.receive(message);
    const sizes = layer.limits.messages;
    for (let n = 2; n <= sizes; n++) lower.receive('x');
    layer.accept();
    assert.deepEqual(watch(layer).slice(0, 3), ['one', 'two', 'x']);
    assert.deepEqual(
      [...(layer.drops ?? [])],
      [
        ['invalid', 1],
        ['queue-full', 1],
      ],
    );
  });

  const bad: [string, FakeOptions, string, number][] = [
    ['no JSON', UDP, 'hello', 400],
    ['no JSON', WEBSOCKET, 'hello', 400],
    ['no JSON', TCP, 'GET / HTTP/1.1\r\n', 400],
    ['no object', UDP, '[1]', 400],
    ['no version', TCP, '{}\n', 400],
    ['version 2', UDP, '{"JSONSocketVersion":2}', 505],
    ['version 2', TCP, '{"JSONSocketVersion":2}\n', 505],
    ['too large a message', WEBSOCKET, ' '.repeat(DEFAULT_MAX_HEADER + 1), 400],
    ['too long a line', TCP, ' '.repeat(DEFAULT_MAX_HEADER + 1), 400],
  ];
  for (const [what, options, header, status] of bad) {
    const name = options === UDP ? 'UDP' : options === TCP ? 'TCP' : 'WebSocket';
    test(`answers ${status} to ${what}, and drops the connection (${name})`, () => {
      const { lower, layer, outcome } = server(options);
      lower.receive(header);
      assert.equal((outcome[0] as L7mpError).code, 'E_HANDSHAKE');
      const answer = JSON.parse(lower.sent[0] as string);
      assert.deepEqual(
        [answer.JSONSocketVersion, answer.JSONSocketStatus, typeof answer.JSONSocketMessage],
        [1, status, 'string'],
      );
      assert.equal(lower.sent[0]?.endsWith('\n'), options.kind === 'stream');
      assert.deepEqual(
        [layer.open, lower.open, lower.closeReason?.kind, lower.sent.length],
        [false, false, 'refused', 1],
      );
    });
  }

  test('answers 400 to a line that the client does not end', () => {
    const { lower } = server(TCP);
    lower.receive('{"JSONSocketVersion":1}');
    lower.peerEnds();
    assert.deepEqual([JSON.parse(lower.sent[0] as string).JSONSocketStatus, lower.open], [400, false]);
  });

  test('says nothing to who ends without a word', () => {
    const { lower, outcome } = server(TCP);
    lower.peerEnds();
    assert.deepEqual([lower.sent, lower.open, outcome.length], [[], false, 1]);
  });

  test('answers no answer, or two servers could go on for ever', () => {
    const { lower, outcome } = server(UDP);
    lower.receive(OK);
    assert.deepEqual([lower.sent, lower.open, outcome.length], [[], false, 1]);
    const reliable = server(WEBSOCKET);
    reliable.lower.receive(OK);
    assert.deepEqual(reliable.outcome, ['completed']);
  });

  test('refuses with the status of the error, and closes', () => {
    for (const options of [UDP, TCP]) {
      const { lower, layer } = greeted(options);
      layer.refuse(new L7mpError('E_NO_ROUTE', 'no rule matches'));
      const answer = JSON.parse(lower.sent[0] as string);
      assert.deepEqual(answer, { JSONSocketVersion: 1, JSONSocketStatus: 404, JSONSocketMessage: 'no rule matches' });
      assert.deepEqual([layer.open, lower.open, lower.sent.length], [false, false, 1]);
    }
  });

  test('puts no answer into the data of a session that fails later', () => {
    const { lower, layer } = accepted(TCP);
    layer.refuse(new L7mpError('E_DISCONNECT', 'the endpoint is gone'));
    assert.deepEqual([lower.sent, lower.open, lower.calls.at(-1)], [[`${OK}\n`], false, 'refuse E_DISCONNECT']);
  });
});

describe('a header that is repeated', () => {
  test('gets no answer before there is one', () => {
    const { lower, layer } = greeted(UDP);
    lower.receive(HEADER);
    assert.deepEqual(lower.sent, []);
    layer.accept();
    assert.deepEqual([lower.sent, watch(layer)], [[OK], []]);
  });

  test('gets the same answer again, until there is data', () => {
    const { lower, layer, told } = accepted(UDP);
    lower.receive(HEADER);
    lower.receive(HEADER);
    assert.deepEqual([lower.sent, told, layer.messagesIn], [[OK, OK, OK], [], 0]);
    lower.receive('data');
    lower.receive(HEADER);
    assert.deepEqual([lower.sent.length, told, layer.messagesIn], [3, ['data'], 1]);
    assert.deepEqual([...(layer.drops ?? [])], [['invalid', 1]]);
  });

  test('is data where it differs by a byte', () => {
    const { lower, told } = accepted(UDP);
    lower.receive(HEADER.replace('7', '8'));
    lower.receive(`${HEADER} `);
    assert.deepEqual([told.length, lower.sent], [2, [OK]]);
  });

  test('is seen while the session holds its data back', () => {
    const { lower, layer, told } = accepted(UDP);
    layer.pause();
    lower.receive(HEADER);
    assert.deepEqual([lower.sent, layer.queued], [[OK, OK], 0]);
    layer.resume();
    assert.deepEqual(told, []);
  });

  test('is data where nothing is lost', () => {
    for (const options of [TCP, WEBSOCKET]) {
      const { lower, told } = accepted(options);
      lower.receive(HEADER);
      assert.deepEqual([lower.sent.length, told], [1, [HEADER]]);
    }
  });
});
