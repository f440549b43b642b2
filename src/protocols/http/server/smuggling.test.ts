/** Requests that others on the way could read in two ways: a part of one would be taken for the next one there (RFC 9112 section 11.2). */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { closed, standing } from '../../../../test/support/accepted.ts';
import { listenTo, Raw } from '../../../../test/support/http.ts';
import { http } from '../index.ts';

const CHUNKS = '5\r\nhello\r\n0\r\n\r\n';
const head = (...fields: string[]) => `POST / HTTP/1.1\r\n${['Host: h', ...fields].join('\r\n')}\r\n\r\n`;
const CHUNKED = head('Transfer-Encoding: chunked');

describe('a head that could be read in two ways begins no session', () => {
  const HEADS: Readonly<Record<string, string>> = {
    'a length and chunks': `${head('Content-Length: 6', 'Transfer-Encoding: chunked')}0\r\n\r\nX`,
    'chunks and a length': `${head('Transfer-Encoding: chunked', 'Content-Length: 6')}0\r\n\r\nX`,
    'two lengths': `${head('Content-Length: 5', 'Content-Length: 6')}hello!`,
    'the same length twice': `${head('Content-Length: 5', 'Content-Length: 5')}hello`,
    'a length that is a list': `${head('Content-Length: 5, 6')}hello!`,
    'a length with a sign': `${head('Content-Length: +5')}hello`,
    'a length below zero': `${head('Content-Length: -5')}hello`,
    'a length in hexadecimal': `${head('Content-Length: 0x5')}hello`,
    'an empty length': `${head('Content-Length: ')}hello`,
    'a length that is too long': `${head('Content-Length: 99999999999999999999')}hello`,
    'chunks that are not the last coding': `${head('Transfer-Encoding: chunked, identity')}${CHUNKS}`,
    'chunks twice': `${head('Transfer-Encoding: chunked', 'Transfer-Encoding: chunked')}${CHUNKS}`,
    'a coding that nobody knows': `${head('Transfer-Encoding: xchunked')}${CHUNKS}`,
    'a coding below the chunks': `${head('Transfer-Encoding: gzip, chunked')}${CHUNKS}`,
    'a coding with a vertical tab': `${head('Transfer-Encoding:\x0bchunked')}${CHUNKS}`,
    'a coding in quotes': `${head('Transfer-Encoding: "chunked"')}${CHUNKS}`,
    'chunks in HTTP/1.0': `POST / HTTP/1.0\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n${CHUNKS}`,
    'a space before the colon': `${head('Content-Length : 5')}hello`,
    'a tab before the colon': `${head('Transfer-Encoding\t: chunked')}${CHUNKS}`,
    'a field without a name': `${head(': x')}`,
    'a line without a colon': `${head('nonsense')}`,
    'a folded field': `${head('X-A: b', ' c')}`,
    'a folded coding': `${head('Transfer-Encoding:', ' chunked')}${CHUNKS}`,
    'a field before the first line’s end': `POST / HTTP/1.1\r\n Host: h\r\n\r\n`,
    'bare LF': 'POST / HTTP/1.1\nHost: h\nContent-Length: 5\n\nhello',
    'bare LF behind a field': 'POST / HTTP/1.1\r\nHost: h\nContent-Length: 5\r\n\r\nhello',
    'bare CR in a field': `${head('X-A: b\rContent-Length: 5')}hello`,
    'NUL in a field': `${head('X-A: b\0c')}`,
    'NUL in a name': `${head('Content-Length\0: 5')}hello`,
    'two hosts': `${head('Host: other')}`,
    'no host': 'GET / HTTP/1.1\r\n\r\n',
    'another host than the target’s': 'GET http://a/ HTTP/1.1\r\nHost: b\r\n\r\n',
    'a version with more digits': 'GET / HTTP/1.10\r\nHost: h\r\n\r\n',
    'a version that is another one': 'GET / HTTP/3.0\r\nHost: h\r\n\r\n',
    'a space in the target': 'GET /a b HTTP/1.1\r\nHost: h\r\n\r\n',
    'a tab between method and target': 'GET\t/ HTTP/1.1\r\nHost: h\r\n\r\n',
    'a method that is no token': 'GE(T / HTTP/1.1\r\nHost: h\r\n\r\n',
  };
  for (const [what, text] of Object.entries(HEADS)) {
    test(what, async (t) => {
      const { host, port } = await listenTo(t, http);
      const answer = await new Raw(t, port).send(text).untilEnd();
      assert.match(answer, /^HTTP\/1\.1 (400|501) [\s\S]*\r\nconnection: close\r\n/i);
      assert.equal(answer.match(/HTTP\/1\.1 /g)?.length, 1, answer);
      assert.deepEqual([host.channels.length, host.rejects], [0, ['bad-request']]);
    });
  }
});

describe('a body that could be read in two ways fails its session, and nothing behind it is a request', () => {
  const BODIES: Readonly<Record<string, string>> = {
    'a chunk without a size': '\r\nhello\r\n0\r\n\r\n',
    'a size that is none': 'xyz\r\nhello\r\n0\r\n\r\n',
    'a size with a prefix': '0x5\r\nhello\r\n0\r\n\r\n',
    'a size with a sign': '+5\r\nhello\r\n0\r\n\r\n',
    'a size that is too long': 'fffffffffffffffff\r\nhello\r\n0\r\n\r\n',
    'a size with a space behind it': '5 \r\nhello\r\n0\r\n\r\n',
    'a chunk that is longer than its size': '3\r\nhello\r\n0\r\n\r\n',
    'bare LF behind a size': '5\nhello\r\n0\r\n\r\n',
    'bare LF behind a chunk': '5\r\nhello\n0\r\n\r\n',
    'bare LF at the end': '5\r\nhello\r\n0\n\n',
    'bare LF in an extension': '5;a\nb\r\nhello\r\n0\r\n\r\n',
    'a trailer without a colon': '0\r\nnonsense\r\n\r\n',
    'a folded trailer': '0\r\nX-A: b\r\n c\r\n\r\n',
  };
  const NEXT = 'GET /next HTTP/1.1\r\nHost: h\r\n\r\n';
  for (const [what, body] of Object.entries(BODIES)) {
    test(what, async (t) => {
      const { host, port } = await listenTo(t, http);
      const raw = new Raw(t, port).send(CHUNKED);
      const session = standing(await host.next());
      raw.send(body + NEXT);
      assert.equal((await closed(session)).kind, 'error');
      assert.match(await raw.untilEnd(), /^HTTP\/1\.1 400 /);
      assert.equal(host.channels.length, 1);
    });
  }
});
