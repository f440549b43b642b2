/** HTTP clusters between clients and servers of other people. */
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { createHash, randomBytes } from 'node:crypto';
import { once } from 'node:events';
import * as fs from 'node:fs/promises';
import * as http from 'node:http';
import * as http2 from 'node:http2';
import { join } from 'node:path';
import { describe, type TestContext, test } from 'node:test';
import { freePort } from '../../src/testing/ports.ts';
import { startConfig } from '../support/command.ts';
import { nginx } from '../support/nginx.ts';
import { run } from '../support/programs.ts';
import { proxyTo } from '../support/upstreams.ts';

const HOST = '127.0.0.1';

const curl = (...args: string[]) => run('curl', ['-sS', '--max-time', '60', ...args]);

describe('curl, an HTTP cluster and nginx', () => {
  test('a file, as it is and in chunks, its head, a part of it, and whether it has changed', async (t) => {
    const { port: up, www } = await nginx(t, 'gzip on; gzip_types *; gzip_min_length 1;');
    const file = randomBytes(300_000).toString('base64');
    await fs.writeFile(join(www, 'file'), file);
    const { port } = await proxyTo(t, [up]);
    const url = `http://${HOST}:${port}/file`;
    assert.equal(await curl(url), file);
    assert.equal(await curl('--compressed', url), file);
    assert.match(await curl('--compressed', '-D', '-', '-o', join(www, 'out'), url), /transfer-encoding: chunked/i);
    assert.match(
      await curl('-I', url),
      new RegExp(`^HTTP/1\\.1 200 OK\\r\\n[\\s\\S]*content-length: ${file.length}\\r\\n`, 'i'),
    );
    assert.equal(await curl('-r', '10-19', url), file.slice(10, 20));
    assert.equal(await curl('-w', '%{http_code}', '-z', join(www, 'file'), '-o', '-', url), '304');
    assert.equal(await curl('-w', '%{http_code}', '-o', '/dev/null', `${url}s`), '404');
  });

  test('more requests than nginx takes on a connection', async (t) => {
    const { port: up } = await nginx(t, 'keepalive_requests 3; location / { return 200 "$connection_requests\\n"; }');
    const { port } = await proxyTo(t, [up]);
    const urls = Array.from({ length: 10 }, () => `http://${HOST}:${port}/`);
    assert.deepEqual((await curl(...urls)).trim().split('\n'), ['1', '2', '3', '1', '2', '3', '1', '2', '3', '1']);
  });

  test('a body that nginx does not take is answered by nginx', async (t) => {
    const { port: up } = await nginx(t, 'client_max_body_size 1k; location / { proxy_pass http://127.0.0.1:1; }');
    const { port } = await proxyTo(t, [up]);
    for (const expect of ['Expect: 100-continue', 'Expect:']) {
      const answer = await curl('-d', 'x'.repeat(100_000), '-H', expect, `http://${HOST}:${port}/`);
      assert.match(answer, /413 Request Entity Too Large[\s\S]*nginx/);
    }
  });

  test('a body of unknown length', async (t) => {
    // nginx itself takes the body apart, and sends it on with a length.
    const server = http.createServer((req, res) => void req.pipe(res));
    const behind = await freePort();
    server.listen(behind, HOST);
    t.after(() => server.close().closeAllConnections());
    const { port: up } = await nginx(t, `location / { proxy_pass http://${HOST}:${behind}; }`);
    const { port } = await proxyTo(t, [up]);
    const body = randomBytes(200_000).toString('base64');
    const url = `http://${HOST}:${port}/`;
    assert.equal(await run('curl', ['-sS', '-T', '-', url], body), body);
  });
});

const GIBIBYTE = 1 << 30;

/** KiB that a busy proxy’s heap may grow by before it is collected: an eighth of what passes. */
const MOST_GROWTH = 256 << 10;

/** A line of /proc/PID/status, in KiB. */
async function memory(pid: number | undefined, name: string): Promise<number> {
  const status = await fs.readFile(`/proc/${pid}/status`, 'latin1');
  return Number(new RegExp(`^${name}:\\s+(\\d+) kB`, 'm').exec(status)?.[1]);
}

type Version = '1.1' | '2';

/** An upstream that takes a body, and answers with the hash of it, or gives one. */
async function bulk(t: TestContext, version: Version): Promise<number> {
  const piece = Buffer.alloc(1 << 16, 'l7mp');
  const answer: http.RequestListener = (req, res) => {
    if (req.method === 'GET') {
      let left = GIBIBYTE;
      const more = () => {
        while (left > 0) {
          left -= piece.length;
          if (!res.write(piece)) return;
        }
        res.end();
      };
      res.on('drain', more);
      more();
      return;
    }
    const hash = createHash('sha1');
    req.on('data', (data) => hash.update(data));
    req.on('end', () => res.end(hash.digest('hex')));
  };
  const server = version === '2' ? http2.createServer(answer as never) : http.createServer(answer);
  server.on('connection', (socket) => t.after(() => socket.destroy()));
  const port = await freePort();
  server.listen(port, HOST);
  await once(server, 'listening');
  t.after(() => void server.close());
  return port;
}

for (const version of ['1.1', '2'] as const) {
  test(`1 GiB passes either way by HTTP/${version}, and no more is kept of it than of less`, async (t) => {
    const up = await bulk(t, version);
    const destination = { spec: { protocol: 'HTTP', version, port: up }, endpoints: [{ spec: { address: HOST } }] };
    const given = { name: 'l', spec: { protocol: 'HTTP', port: 8080, address: HOST } };
    const { command, port } = await startConfig(t, {
      admin: { threads: 0 },
      listeners: [{ ...given, rules: [{ action: { route: { destination } } }] }],
    });
    const { pid } = command.child;
    const before = await memory(pid, 'VmRSS');
    const url = `http://${HOST}:${port(8080)}/`;

    const how = version === '2' ? '--http2-prior-knowledge' : '--http1.1';
    const down = spawn('sh', ['-c', `curl -sS ${how} ${url} | sha1sum`]);
    const upward = spawn('sh', ['-c', `yes l7m | tr '\\n' p | head -c ${GIBIBYTE} | curl -sS ${how} -T - ${url}`]);
    const sums = await Promise.all(
      [down, upward].map(async ({ stdout }) => {
        let text = '';
        for await (const data of stdout) text += data;
        return text.split(' ')[0];
      }),
    );
    assert.equal(sums[0], sums[1], 'the same bytes were sent up and down');
    const most = await memory(pid, 'VmHWM');
    assert.ok(most - before < MOST_GROWTH, `grew from ${before} to ${most} KiB`);
    t.diagnostic(`from ${before} to at most ${most} KiB`);
  });
}
