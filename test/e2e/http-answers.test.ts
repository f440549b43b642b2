/** Answers to HTTP clusters that are none. */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { until } from '../../src/testing/until.ts';
import { request } from '../support/http.ts';
import { OK, proxyTo, rawUpstream } from '../support/upstreams.ts';

/** Where nobody could tell where an answer ends, a client could be given another one’s. */
describe('an answer that is no HTTP, or could be read in two ways, is a 502', () => {
  const CHUNKED = 'Transfer-Encoding: chunked\r\n\r\n';
  const SHAPES: Readonly<Record<string, string>> = {
    'a length and chunks': `HTTP/1.1 200 OK\r\nContent-Length: 5\r\n${CHUNKED}5\r\nhello\r\n0\r\n\r\n`,
    'chunks and a length': `HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n5\r\nhello\r\n0\r\n\r\n`,
    'two lengths': 'HTTP/1.1 200 OK\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\nhello!',
    'a length that is a list': 'HTTP/1.1 200 OK\r\nContent-Length: 5, 5\r\n\r\nhello',
    'a length with a sign': 'HTTP/1.1 200 OK\r\nContent-Length: +5\r\n\r\nhello',
    'a chunk without a size': `HTTP/1.1 200 OK\r\n${CHUNKED}xyz\r\nhello\r\n0\r\n\r\n`,
    'a chunk that is longer than its size': `HTTP/1.1 200 OK\r\n${CHUNKED}3\r\nhello\r\n0\r\n\r\n`,
    'a chunk of more bytes than there are': `HTTP/1.1 200 OK\r\n${CHUNKED}fffffffffffffffff\r\nhello\r\n0\r\n\r\n`,
    'bare LF in the head': 'HTTP/1.1 200 OK\nContent-Length: 5\n\nhello',
    'bare LF in chunks': `HTTP/1.1 200 OK\r\n${CHUNKED}5\nhello\n0\n\n`,
    'a folded field': 'HTTP/1.1 200 OK\r\nX-A: b\r\n c\r\nContent-Length: 5\r\n\r\nhello',
    'a folded transfer coding': 'HTTP/1.1 200 OK\r\nTransfer-Encoding:\r\n chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n',
    'a space before the colon': 'HTTP/1.1 200 OK\r\nContent-Length : 5\r\n\r\nhello',
    'a NUL in a field': 'HTTP/1.1 200 OK\r\nX-A: b\0c\r\nContent-Length: 5\r\n\r\nhello',
    'a bare CR in a field': 'HTTP/1.1 200 OK\r\nX-A: b\rc\r\nContent-Length: 5\r\n\r\nhello',
    'a coding that was not asked for':
      'HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n',
    'a coding that nobody knows': 'HTTP/1.1 200 OK\r\nTransfer-Encoding: xchunked\r\n\r\nhello',
    'chunks twice': 'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked, chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n',
    'chunks in HTTP/1.0': `HTTP/1.0 200 OK\r\n${CHUNKED}5\r\nhello\r\n0\r\n\r\n`,
    'another version': 'HTTP/2.0 200 OK\r\nContent-Length: 5\r\n\r\nhello',
    'no head at all': 'hello',
    'a status below 100': 'HTTP/1.1 099 OK\r\nContent-Length: 5\r\n\r\nhello',
    'a status above 599': 'HTTP/1.1 999 OK\r\nContent-Length: 5\r\n\r\nhello',
    'a change of protocols that nobody wanted': 'HTTP/1.1 101 Go\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\nhello',
    'a body behind 204': 'HTTP/1.1 204 No\r\n\r\nhello',
    'more than a head may have': `HTTP/1.1 200 OK\r\nX-A: ${'a'.repeat(20_000)}\r\nContent-Length: 5\r\n\r\nhello`,
  };
  for (const [what, answer] of Object.entries(SHAPES)) {
    test(what, async (t) => {
      const { port: up, sockets } = await rawUpstream(t, (socket) => socket.write(answer, 'latin1'));
      const { port } = await proxyTo(t, [up]);
      const { req, answer: got } = request(t, port);
      req.end();
      const { status, headers } = await got;
      assert.deepEqual([status, headers['content-type']], [502, 'application/json']);
      await until(() => sockets[0]?.closed, 'the connection is not used again');
    });
  }

  test('two answers to one request: the second one is nobody’s', async (t) => {
    const two = 'HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nevil';
    const { port: up, sockets } = await rawUpstream(t, (socket) => socket.write(`${OK}${two}`));
    const { port } = await proxyTo(t, [up]);
    for (let n = 0; n < 2; n++) {
      const { req, answer } = request(t, port);
      req.end();
      assert.equal((await answer).text, 'ok');
    }
    await until(() => sockets[0]?.closed, 'the connection is not used again');
  });
});
