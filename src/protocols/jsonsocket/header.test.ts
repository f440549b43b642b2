import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import {
  BadHeader,
  encodeAnswer,
  encodeHeader,
  HeaderReader,
  isAnswer,
  MAX_HEADER,
  parseAnswer,
  parseRequest,
} from './header.ts';

const bytes = (text: string): Uint8Array => new TextEncoder().encode(text);
const text = (of: Uint8Array | undefined): string => new TextDecoder().decode(of);

function status(status: number, message: RegExp): (error: unknown) => boolean {
  return (error) => error instanceof BadHeader && error.status === status && message.test(error.message);
}

describe("a client's header", () => {
  test('is any JSON object of version 1', () => {
    const header = { JSONSocketVersion: 1, user: { id: 7 }, 'a/b~c': [null] };
    assert.deepEqual(parseRequest(bytes(JSON.stringify(header))), header);
    assert.deepEqual(parseRequest(bytes(' {"JSONSocketVersion":1.0e0}\r')), { JSONSocketVersion: 1 });
  });

  const bad: [string, string, number, RegExp][] = [
    ['nothing', '', 400, /not JSON/],
    ['text', 'hello', 400, /not JSON/],
    ['JSON and more', '{"JSONSocketVersion":1}{}', 400, /not JSON/],
    ['a list', '[{"JSONSocketVersion":1}]', 400, /not a JSON object/],
    ['null', 'null', 400, /not a JSON object/],
    ['no version', '{"a":1}', 400, /JSONSocketVersion/],
    ['the version as text', '{"JSONSocketVersion":"1"}', 400, /JSONSocketVersion/],
    ['half a version', '{"JSONSocketVersion":0.5}', 400, /JSONSocketVersion/],
    ['version 0', '{"JSONSocketVersion":0}', 400, /JSONSocketVersion/],
    ['version -1', '{"JSONSocketVersion":-1}', 400, /JSONSocketVersion/],
    ['an inherited version', '{"__proto__":{"JSONSocketVersion":1}}', 400, /JSONSocketVersion/],
    ['version 2', '{"JSONSocketVersion":2}', 505, /2 is not supported/],
    [
      '65 objects inside each other',
      `{"JSONSocketVersion":1,"a":${'['.repeat(64)}${']'.repeat(64)}}`,
      400,
      /nested deeper than 64/,
    ],
    ['60,000 objects inside each other', `{"a":${'['.repeat(30_000)}${']'.repeat(30_000)}}`, 400, /nested deeper/],
    ['64 KiB and one byte', `{"JSONSocketVersion":1}${' '.repeat(MAX_HEADER - 22)}`, 400, /larger than 65536 bytes/],
  ];
  for (const [what, header, code, message] of bad) {
    test(`is answered with ${code} where it is ${what}`, () => {
      assert.throws(() => parseRequest(bytes(header)), status(code, message));
    });
  }

  test('is answered with 400 where it is not UTF-8', () => {
    assert.throws(() => parseRequest(Uint8Array.of(0x7b, 0xff, 0x7d)), status(400, /not JSON/));
  });

  test('has keys that are data, whatever they are called', () => {
    const header = parseRequest(
      bytes('{"JSONSocketVersion":1,"__proto__":{"admin":true},"constructor":{"prototype":{"x":1}}}'),
    );
    assert.deepEqual(Object.keys(header), ['JSONSocketVersion', '__proto__', 'constructor']);
    assert.equal(header.admin, undefined);
    assert.equal(({} as { x?: unknown }).x, undefined);
  });

  test("is told from a server's", () => {
    assert.equal(isAnswer(JSON.parse(text(encodeAnswer({ status: 200, message: 'OK' }, 'datagram')))), true);
    assert.equal(isAnswer(parseRequest(bytes('{"JSONSocketVersion":1}'))), false);
  });
});

describe("a server's header", () => {
  test('says status and message', () => {
    assert.equal(
      text(encodeAnswer({ status: 200, message: 'OK' }, 'datagram')),
      '{"JSONSocketVersion":1,"JSONSocketStatus":200,"JSONSocketMessage":"OK"}',
    );
    assert.deepEqual(parseAnswer(encodeAnswer({ status: 404, message: 'no "route"' }, 'stream')), {
      status: 404,
      message: 'no "route"',
    });
  });

  test('is short, however long the message', () => {
    assert.ok(encodeAnswer({ status: 502, message: 'x'.repeat(100_000) }, 'datagram').length < 600);
  });

  test('may lack a message, but no status', () => {
    assert.deepEqual(parseAnswer(bytes('{"JSONSocketStatus":204}')), { status: 204, message: '' });
    for (const answer of ['{}', '{"JSONSocketStatus":"200"}', '{"JSONSocketStatus":null}', '[]', 'OK']) {
      assert.throws(() => parseAnswer(bytes(answer)), BadHeader);
    }
  });

  test('cannot forge lines of a log', () => {
    const answer = JSON.stringify({ JSONSocketStatus: 500, JSONSocketMessage: 'a\r\n\u001b[31mb' });
    assert.equal(parseAnswer(bytes(answer)).message, 'a [31mb');
  });
});

describe('reading a header', () => {
  test('takes the first message of a message transport, whole', () => {
    const found = new HeaderReader('datagram').push(bytes('{"a":1}\nx'));
    assert.deepEqual([text(found?.header), found?.rest.length], ['{"a":1}\nx', 0]);
  });

  test('takes the first line of a byte stream, and leaves the rest', () => {
    const found = new HeaderReader('stream').push(bytes('{"a":1}\nfirst\nsecond'));
    assert.deepEqual([text(found?.header), text(found?.rest)], ['{"a":1}', 'first\nsecond']);
  });

  test('puts a line together that comes byte by byte', () => {
    const reader = new HeaderReader('stream');
    const line = JSON.stringify({ JSONSocketVersion: 1, name: 'é'.repeat(300) });
    for (const byte of bytes(line)) assert.equal(reader.push(Uint8Array.of(byte)), undefined);
    assert.equal(reader.begun, true);
    const found = reader.push(bytes('\r\nrest'));
    assert.deepEqual([text(found?.header), text(found?.rest)], [`${line}\r`, 'rest']);
    assert.ok(parseRequest(found?.header as Uint8Array));
  });

  test('keeps nothing of what it was shown', () => {
    for (const kind of ['datagram', 'stream'] as const) {
      const shown = Buffer.from('{"a":1}\n');
      const found = new HeaderReader(kind).push(shown);
      shown.fill(0);
      assert.match(text(found?.header), /^\{"a":1\}/);
    }
  });

  test('takes 64 KiB, and not a byte more, without waiting for its end', () => {
    for (const kind of ['datagram', 'stream'] as const) {
      const full = ' '.repeat(MAX_HEADER);
      assert.equal(
        new HeaderReader(kind).push(bytes(`${full}${kind === 'stream' ? '\n' : ''}`))?.header.length,
        MAX_HEADER,
      );
      assert.throws(() => new HeaderReader(kind).push(bytes(`${full} `)), status(400, /larger/));
    }
    const reader = new HeaderReader('stream');
    for (let n = 0; n < 64; n++) assert.equal(reader.push(bytes(' '.repeat(1024))), undefined);
    assert.throws(() => reader.push(bytes(' ')), status(400, /larger/));
  });

  test('goes over a byte stream as one line', () => {
    assert.equal(text(encodeHeader({ a: 'x\ny' }, 'stream')), '{"a":"x\\ny"}\n');
    assert.equal(text(encodeHeader({ a: 'x\ny' }, 'datagram')), '{"a":"x\\ny"}');
  });
});
