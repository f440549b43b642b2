/** HTTP and WebSocket where there is no port: on the path of a UNIX socket. */
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { existsSync, mkdtempSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, describe, test } from 'node:test';
import { promisify } from 'node:util';
import { engines } from '../../src/io/testing.ts';
import { until } from '../../src/testing/until.ts';
import { ask, connectWebSocket } from '../support/peers.ts';
import { listener, request, startProxy } from '../support/proxy.ts';

const folder = mkdtempSync(join(tmpdir(), 'l7mp-unix-http-'));
after(() => rmSync(folder, { recursive: true }));
let sockets = 0;
const newPath = (): string => join(folder, String(++sockets));

const onPath = (protocol: string, filename: string, more: object = {}): object => ({
  protocol,
  transport: { protocol: 'UnixDomainSocket', filename, ...more },
});

const CONTROLLER = { destination: { spec: { protocol: 'L7mpController' } } };
const ECHO = { destination: { spec: { protocol: 'Echo' } } };

const curl = async (...args: string[]): Promise<string> =>
  (await promisify(execFile)('curl', ['--silent', '--show-error', ...args])).stdout;

for (const { name, admin, skip } of engines()) {
  describe(`on a UNIX socket, with ${name} I/O,`, { skip }, () => {
    test('the REST API serves who may open the socket', async (t) => {
      const path = newPath();
      await startProxy(t, [], () => ({
        admin,
        listeners: [listener('api', onPath('HTTP', path, { file_mode: '0600' }), CONTROLLER)],
      }));
      assert.equal(statSync(path).mode & 0o777, 0o600);
      const listed = JSON.parse(await curl('--unix-socket', path, 'http://localhost/api/v1/listeners'));
      assert.deepEqual(
        listed.map(({ name }: { name: string }) => name),
        ['controller', 'api'],
      );
      const sent = JSON.stringify({ cluster: { name: 'c', spec: { protocol: 'Echo' } } });
      const headers = { 'content-type': 'application/json', 'content-length': sent.length };
      const answer = await request({ socketPath: path, method: 'POST', path: '/api/v1/clusters', headers }, sent);
      assert.equal(answer.status, 200, answer.text);
    });

    test('a listener that is deleted removes its socket, and its connections end', async (t) => {
      const path = newPath();
      const { proxy } = await startProxy(t, [], () => ({
        admin,
        listeners: [listener('l', onPath('HTTP', path), ECHO)],
      }));
      const answer = await request({ socketPath: path, method: 'POST', path: '/', agent: undefined }, 'hello');
      assert.equal(answer.text, 'hello');
      await proxy.ok('DELETE', 'listeners/l');
      await until(() => !existsSync(path));
    });

    test('sessions are named after the listener, and say what they know', async (t) => {
      const path = newPath();
      const { proxy } = await startProxy(t, [], () => ({
        admin,
        listeners: [listener('l', onPath('WebSocket', path), ECHO)],
      }));
      const peer = await connectWebSocket(t, path, { path: '/chat?x=1' });
      assert.equal(await ask(peer, 'hello'), 'hello');
      const session = await proxy.session('l');
      assert.match(session.name, /^WS:l-\d+$/);
      const { UNIX, HTTP, ...others } = session.metadata;
      // The portable engine cannot ask.
      const who = admin.io === 'native' && {
        peer: { pid: process.pid, uid: process.getuid?.(), gid: process.getgid?.() },
      };
      assert.deepEqual([UNIX, HTTP.url.path, others], [{ filename: path, type: 'stream', ...who }, '/chat?x=1', {}]);
      peer.close();
      await proxy.noSession('l');
    });

    test('a WebSocket cluster finds its endpoint', async (t) => {
      const path = newPath();
      const { ports } = await startProxy(t, ['in'], (ports) => ({
        admin,
        listeners: [
          listener('end', onPath('WebSocket', path), ECHO),
          listener(
            'begin',
            { protocol: 'WebSocket', port: ports.in, address: '127.0.0.1' },
            { destination: { spec: onPath('WebSocket', path) } },
          ),
        ],
      }));
      assert.equal(await ask(await connectWebSocket(t, ports.in), 'through'), 'through');
    });
  });
}
